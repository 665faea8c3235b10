// The ends of a Funnel's load, for bench/figures: funnel_peer --role=backend, funnel_peer --role=client.
#include <gflags/gflags.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <optional>
#include <string>

#include "bench/funnel_peer/peer.h"

DEFINE_string(role, "client", "client or backend");
DEFINE_string(addr, "127.0.0.1:0", "where to connect, or to listen");
DEFINE_bool(peerapi, false, "client: a POST in front; backend: answers it");
DEFINE_uint64(request_bytes, 1, "backend: the answer comes behind so many bytes");
DEFINE_uint64(answer_bytes, 100, "backend: bytes of an answer");
DEFINE_bool(hold, false, "backend: leaves connections open; client: holds all that it has opened");
DEFINE_uint32(connections, 1, "client: at a time");
DEFINE_uint64(total, 1, "client: in all");
DEFINE_string(names, "node%.example", "client: server names; % is a number");
DEFINE_uint32(name_count, 1, "client: so many numbers");
DEFINE_bool(tls, false, "client: real TLS, not verified");
DEFINE_uint32(target_port, 443, "client: the port in a POST");

int main(int argc, char** argv) {
  gflags::ParseCommandLineFlags(&argc, &argv, true);
  std::signal(SIGPIPE, SIG_IGN);
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  const std::optional<disco::AddrPort> addr = disco::AddrPort::Parse(FLAGS_addr);
  if (!addr || !addr->IsIpv4()) {
    std::fprintf(stderr, "funnel_peer: --addr=%s: not an IPv4 ip:port\n", FLAGS_addr.c_str());
    return 2;
  }
  if (FLAGS_role == "backend") {
    return bench::RunBackend({.listen = *addr,
                              .peerapi = FLAGS_peerapi,
                              .request_bytes = FLAGS_request_bytes,
                              .answer_bytes = FLAGS_answer_bytes,
                              .hold = FLAGS_hold});
  }
  return bench::RunClient({.connect = *addr,
                           .connections = FLAGS_connections,
                           .total = FLAGS_total,
                           .names = FLAGS_names,
                           .name_count = FLAGS_name_count,
                           .hello = !FLAGS_tls,
                           .tls = FLAGS_tls,
                           .peerapi = FLAGS_peerapi,
                           .target_port = static_cast<uint16_t>(FLAGS_target_port),
                           .hold = FLAGS_hold});
}
