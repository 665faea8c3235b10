#include "ingress/node/funnel_node_flags.h"

#include <gflags/gflags.h>

#include <optional>
#include <string_view>
#include <vector>

#include "relay/control/command_line.h"
#include "relay/control/flag_values.h"
#include "relay/control/text.h"

DEFINE_string(config, "", "the serve config (JSON); docs/FUNNEL.md has its fields");
DEFINE_bool(check, false, "say what would be served and what is wrong, and end: status 0 if nothing is");
DEFINE_bool(json, false, "status: print JSON");
DEFINE_string(metrics_listen, "127.0.0.1:9642", "address of /metrics, /healthz, /readyz and /v0/status, ip:port");
DEFINE_string(drain_timeout, "10m", "how long a drain (SIGUSR1) waits for connections to end");
DEFINE_string(log_level, "info", "debug, info, warning or error");

namespace ingress {
namespace {

namespace text = relay::text;
using disco::AddrPort;

constexpr std::string_view kUsage =
    "funnel-node: the node's side of Funnel: peerAPI, TLS, and what serves it.\n\n"
    "funnel-node --config=FILE [--flag=value]...\n"
    "funnel-node status --config=FILE [--json]\n\n";

absl::Status ReadMode(const std::vector<std::string_view>& rest, NodeOptions& options) {
  if (rest.size() > 1) return absl::InvalidArgumentError(text::Cat("\"", rest[1], "\" is not a flag"));
  const bool status = !rest.empty();
  if (status && rest[0] != "status") {
    return absl::InvalidArgumentError(text::Cat("\"", rest[0], "\" is not a flag, and no command but status"));
  }
  if (status && FLAGS_check) return absl::InvalidArgumentError("--check: does nothing with status");
  if (!status && FLAGS_json) return absl::InvalidArgumentError("--json: does nothing without status");
  if (status) options.mode = NodeOptions::Mode::kStatus;
  if (FLAGS_check) options.mode = NodeOptions::Mode::kCheck;
  options.json = FLAGS_json;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<NodeOptions> ParseNodeFlags(int argc, char** argv) {
  const std::vector<std::string_view> rest =
      relay::ParseCommandLine({.version = RELAYD_VERSION, .usage = kUsage, .files = __FILE__}, argc, argv);
  NodeOptions options;
  if (absl::Status status = ReadMode(rest, options); !status.ok()) return status;
  if (FLAGS_config.empty()) return absl::InvalidArgumentError("--config: names no file");
  options.config = FLAGS_config;
  for (const absl::Status& status :
       {relay::ReadListen("metrics_listen", FLAGS_metrics_listen, options.metrics_listen),
        relay::ReadDuration("drain_timeout", FLAGS_drain_timeout, options.drain_timeout)}) {
    if (!status.ok()) return status;
  }
  // A backend there would serve the public what is the operator's. relayd's are as they are by default.
  options.own = {options.metrics_listen, *AddrPort::Parse("127.0.0.1:9640"), *AddrPort::Parse("127.0.0.1:9641")};
  const std::optional<relay::LogLevel> level = relay::ParseLogLevel(FLAGS_log_level);
  if (!level) return relay::Wrong("log_level", FLAGS_log_level, "not debug, info, warning or error");
  options.log_level = *level;
  return options;
}

}  // namespace ingress
