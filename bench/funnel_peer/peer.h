// The two ends of a Funnel's load: clients before a proxy, and what it forwards to. One thread each.
#ifndef RELAYD_BENCH_FUNNEL_PEER_PEER_H_
#define RELAYD_BENCH_FUNNEL_PEER_PEER_H_

#include <cstdint>
#include <string>

#include "disco/addr_port.h"

namespace bench {

struct BackendOptions {
  disco::AddrPort listen;
  bool peerapi = false;         // Answers a POST with 101 first, as a node does.
  uint64_t request_bytes = 1;   // The answer comes behind so many bytes of the client's.
  uint64_t answer_bytes = 100;  // Then the connection is ended; with `hold` it stays.
  bool hold = false;
};
// Serves until SIGTERM; prints `ready ip:port` first. Status of the process.
int RunBackend(const BackendOptions& options);

struct ClientOptions {
  disco::AddrPort connect;
  uint32_t connections = 1;  // At a time.
  uint64_t total = 1;        // In all.
  std::string names;         // `node%.example`: % is 0 to name_count - 1.
  uint32_t name_count = 1;
  bool hello = true;     // Sends a crafted hello; else nothing but `tls`.
  bool tls = false;      // A real handshake, then one byte, then reads to the end.
  bool peerapi = false;  // A POST in front, as a frontend sends it.
  uint16_t target_port = 443;
  bool hold = false;  // Opens `total`, prints `held N` when each has had a first byte, and holds them until SIGTERM.
};
// Prints one line of JSON: seconds, connections, bytes, failed.
int RunClient(const ClientOptions& options);

}  // namespace bench

#endif  // RELAYD_BENCH_FUNNEL_PEER_PEER_H_
