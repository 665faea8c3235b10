// funnel-node's command line. The one file that reads flags: everything else gets NodeOptions.
#ifndef RELAYD_INGRESS_NODE_FUNNEL_NODE_FLAGS_H_
#define RELAYD_INGRESS_NODE_FUNNEL_NODE_FLAGS_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "disco/addr_port.h"
#include "relay/control/log.h"
#include "relay/core/time.h"

namespace ingress {

struct NodeOptions {
  enum class Mode : uint8_t { kServe, kCheck, kStatus };

  Mode mode = Mode::kServe;
  bool json = false;   // Of kStatus.
  std::string config;  // The serve config's file.
  disco::AddrPort metrics_listen;
  std::vector<disco::AddrPort> own;  // Listeners that no backend may be.
  relay::Duration drain_timeout = std::chrono::minutes(10);
  relay::LogLevel log_level = relay::LogLevel::kInfo;
};

// Parses and checks the command line. A wrong flag gives an error of one line; an unknown one ends the process with one
// line on stderr and status 2; --help and --version print and end it with 0.
absl::StatusOr<NodeOptions> ParseNodeFlags(int argc, char** argv);

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_FUNNEL_NODE_FLAGS_H_
