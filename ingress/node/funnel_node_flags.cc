#include "ingress/node/funnel_node_flags.h"

#include <gflags/gflags.h>

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "disco/go_duration.h"
#include "relay/control/text.h"

DEFINE_string(config, "", "the serve config (JSON); docs/FUNNEL.md has its fields");
DEFINE_bool(check, false, "say what would be served and what is wrong, and end: status 0 if nothing is");
DEFINE_bool(json, false, "status: print JSON");
DEFINE_string(metrics_listen, "127.0.0.1:9642", "address of /metrics, /healthz, /readyz and /v0/status, ip:port");
DEFINE_string(drain_timeout, "10m", "how long a drain (SIGUSR1) waits for connections to end");
DEFINE_string(log_level, "info", "debug, info, warning or error");

// In the library, but in none of its headers: what it ends the process with on a flag that it cannot take.
namespace google {
extern void (*gflags_exitfunc)(int);
}

namespace ingress {
namespace {

namespace text = relay::text;
using disco::AddrPort;

absl::Status Wrong(std::string_view flag, std::string_view value, std::string_view want) {
  return absl::InvalidArgumentError(text::Cat("--", flag, "=", value, ": ", want));
}

bool IsSet(const char* name) {
  const gflags::CommandLineFlagInfo info = gflags::GetCommandLineFlagInfoOrDie(name);
  return info.current_value != info.default_value;
}

// gflags' own help lists the flags of every library and exits with 1.
void PrintHelpAndExit() {
  std::printf(
      "funnel-node: the node's side of Funnel: peerAPI, TLS, and what serves it.\n\n"
      "funnel-node --config=FILE [--flag=value]...\n"
      "funnel-node status --config=FILE [--json]\n\n");
  std::vector<gflags::CommandLineFlagInfo> flags;
  gflags::GetAllFlags(&flags);
  for (const gflags::CommandLineFlagInfo& flag : flags) {
    if (flag.filename != __FILE__) continue;
    std::printf("  --%s=%s\n      %s\n", flag.name.c_str(), flag.default_value.c_str(), flag.description.c_str());
  }
  std::exit(0);
}

absl::Status ReadMode(int argc, char** argv, NodeOptions& options) {
  if (argc > 2) return absl::InvalidArgumentError(text::Cat("\"", argv[2], "\" is not a flag"));
  if (argc == 2 && std::string_view(argv[1]) != "status") {
    return absl::InvalidArgumentError(text::Cat("\"", argv[1], "\" is not a flag, and no command but status"));
  }
  if (argc == 2 && FLAGS_check) return absl::InvalidArgumentError("--check: does nothing with status");
  if (argc == 1 && FLAGS_json) return absl::InvalidArgumentError("--json: does nothing without status");
  if (argc == 2) options.mode = NodeOptions::Mode::kStatus;
  if (FLAGS_check) options.mode = NodeOptions::Mode::kCheck;
  options.json = FLAGS_json;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<NodeOptions> ParseNodeFlags(int argc, char** argv) {
  google::gflags_exitfunc = [](int status) { std::exit(status == 0 ? 0 : 2); };
  gflags::SetVersionString(RELAYD_VERSION);
  gflags::ParseCommandLineNonHelpFlags(&argc, &argv, true);
  for (const char* const help : {"help", "helpfull", "helpshort", "helpxml", "helppackage", "helpon", "helpmatch"}) {
    if (IsSet(help)) PrintHelpAndExit();
  }
  if (IsSet("version")) {
    std::printf("funnel-node %s\n", RELAYD_VERSION);
    std::exit(0);
  }
  NodeOptions options;
  if (absl::Status status = ReadMode(argc, argv, options); !status.ok()) return status;
  if (FLAGS_config.empty()) return absl::InvalidArgumentError("--config: names no file");
  options.config = FLAGS_config;
  const std::optional<AddrPort> metrics = AddrPort::Parse(FLAGS_metrics_listen);
  if (!metrics) return Wrong("metrics_listen", FLAGS_metrics_listen, "not an ip:port (IPv6 in brackets)");
  options.metrics_listen = *metrics;
  // A backend there would serve the public what is the operator's. relayd's are as they are by default.
  options.own = {*metrics, *AddrPort::Parse("127.0.0.1:9640"), *AddrPort::Parse("127.0.0.1:9641")};
  const std::optional<relay::Duration> drain = disco::ParseGoDuration(FLAGS_drain_timeout);
  if (!drain || *drain <= relay::Duration::zero()) {
    return Wrong("drain_timeout", FLAGS_drain_timeout, "not a duration above 0, such as 30s or 10m");
  }
  options.drain_timeout = *drain;
  const std::optional<relay::LogLevel> level = relay::ParseLogLevel(FLAGS_log_level);
  if (!level) return Wrong("log_level", FLAGS_log_level, "not debug, info, warning or error");
  options.log_level = *level;
  return options;
}

}  // namespace ingress
