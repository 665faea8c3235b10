// What relay-bench is told. flags.cc fills it in; everything else gets it from here.
#ifndef RELAYD_BENCH_RELAY_BENCH_OPTIONS_H_
#define RELAYD_BENCH_RELAY_BENCH_OPTIONS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "disco/addr_port.h"
#include "relay/core/time.h"

namespace bench {

// Packets a second of each kind of abuse; 0: none.
struct HostileRates {
  double bogus_control = 0;  // A valid VNI and its client's key, and a box that does not open: costs the relay crypto.
  double unknown_vni = 0;    // Data for a VNI that nobody was given.
  double wrong_source = 0;   // Data for a good pair's VNI from an address that is neither of its clients'.
  double random = 0;         // Random bytes of random length.
  double Total() const { return bogus_control + unknown_vni + wrong_source + random; }
};

enum class Io : uint8_t { kSocket, kDpdk };

struct SocketOptions {
  bool gso = false;                             // Trains of UDP_SEGMENT out, UDP_GRO in.
  std::vector<disco::AddrPort> client_addrs{};  // Ports unused; empty: as the kernel routes.
  uint32_t max_sockets = 0;                     // 0: as many as there are legs, or descriptors.
  bool busy_poll = true;                        // Else sleeps until something comes or is due.
  uint32_t payload_room = 2048;                 // The longest datagram.
  int buffer_bytes = 4 << 20;                   // Each way, shared out among many sockets.
};

// A network that client addresses are taken from.
struct ClientNet {
  disco::AddrPort base;  // Port unused.
  int prefix = 0;
};

struct DpdkIoOptions {
  std::string eal;                                   // EAL's arguments in one string.
  std::vector<ClientNet> client_nets{};              // By port; the last counts for all after it.
  std::vector<std::array<uint8_t, 6>> relay_macs{};  // By port, likewise.
  uint16_t descriptors = 1024;
  uint16_t mbuf_size = 2048;  // Data room, headroom apart.
  uint16_t mtu = 0;           // 0: as the port has it.
  bool udp_checksum = true;   // Else 0 over IPv4.
  bool verify_checksums = true;
};

enum class RateKind : uint8_t { kFixed, kMax, kSearch };

struct Options {
  std::string relay_api;  // http://host:port
  std::string token;      // Bearer token of the API.
  uint32_t api_connections = 16;
  std::string endpoints_file;            // Instead of the API.
  std::string save_endpoints;            // With private keys.
  std::optional<disco::AddrPort> relay;  // Where packets go, whatever the endpoint says.

  Io io = Io::kSocket;
  SocketOptions socket;
  DpdkIoOptions dpdk;
  bool reflector = false;  // What is measured swaps addresses and is no relay.

  uint32_t pairs = 1;
  uint32_t client_keys = 0;  // 0: the fewest of which there are so many pairs.
  std::string sizes = "114";
  uint32_t burst = 0;  // Consecutive packets of one flow; 0: 64 with --gso, else 1.
  RateKind rate = RateKind::kFixed;
  double rate_pps = 10'000;    // Of all flows together; a search's lowest.
  double loss_bound = 0;       // A share: 0.0001 is 0.01 %.
  double search_high_pps = 0;  // 0: what an unlimited trial of a second sends.
  double search_resolution = 0.01;
  bool both_directions = true;
  relay::Duration duration = std::chrono::seconds(10);
  relay::Duration warmup = std::chrono::seconds(1);
  relay::Duration max_behind = std::chrono::milliseconds(10);  // See Pacer.
  relay::Duration drain = std::chrono::milliseconds(300);      // Nothing for so long: what is missing is lost.
  bool full_check = true;  // The checksum covers the whole payload; else the stamp alone.

  double handshake_share = 0;
  relay::Duration handshake_retry = std::chrono::milliseconds(500);
  uint32_t handshake_tries = 10;
  uint32_t bind_window = 512;  // Pairs that are allocated and not bound yet, at most.
  HostileRates hostile;
  bool hostile_in_setup = false;  // Abuse begins before the good pairs are bound.
  uint32_t attack_pairs = 0;      // 0: one for every 40 bogus control packets a second, at most 4,096.

  std::string json;
  std::string csv;
  std::string html;
  std::string require;
  uint64_t seed = 1;
  bool progress = true;
  int core = -1;  // That the load's thread is pinned to, and no other one of ours; -1: it is not.
  relay::Duration wait = std::chrono::seconds(0);  // For the API, and for the ports' links.
  std::vector<std::string> command_line;           // As it was given, without the token.
};

}  // namespace bench

#endif  // RELAYD_BENCH_RELAY_BENCH_OPTIONS_H_
