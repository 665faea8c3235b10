// relayd's command line. flags.cc and flags_*.cc alone read flags: everything else gets Options.
#ifndef RELAYD_RELAY_FLAGS_H_
#define RELAYD_RELAY_FLAGS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "ingress/frontend/frontend.h"
#include "relay/control/allocator.h"
#include "relay/control/control_options.h"
#include "relay/control/log.h"
#include "relay/core/relay_server.h"
#include "relay/dataplane/dpdk_options.h"
#include "relay/dataplane/socket_backend.h"

namespace relay {

struct Options {
  SocketBackend::Options io;  // With --io=dpdk: of the one worker that serves the kernel's sockets, pinned nowhere.
  bool dpdk = false;          // --io=dpdk: DpdkOptions count.
  DpdkOptions dpdk_io;
  bool check = false;  // --check: say what would happen, and end.
  RelayServer::Options server;
  Allocator::Options allocator;
  ControlOptions control;
  ingress::FrontendOptions funnel;
  std::string serve_config;  // Empty: relayd is no node.
  uint32_t max_endpoints = 262'144;
  AddrPort metrics_listen;
  LogLevel log_level = LogLevel::kInfo;

  // What no backend of serve_config's may be: it would serve the public what is the operator's.
  std::vector<AddrPort> OwnListeners() const;
};

// Parses and checks the command line. A wrong flag gives an error of one line; an unknown one ends the process with one
// line on stderr and status 2; --help and --version print and end it with 0.
absl::StatusOr<Options> ParseFlags(int argc, char** argv);

}  // namespace relay

#endif  // RELAYD_RELAY_FLAGS_H_
