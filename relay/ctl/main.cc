// relayctl: relayd's command line.
#include <gflags/gflags.h>

#include <chrono>
#include <cstdio>
#include <optional>

#include "absl/strings/str_cat.h"
#include "disco/go_duration.h"
#include "relay/client/program.h"
#include "relay/ctl/commands.h"
#include "relay/ctl/funnel_commands.h"
#include "relay/ctl/top.h"

DEFINE_string(api, "http://127.0.0.1:9640", "relayd's API: http://host:port or https://host:port");
DEFINE_string(metrics, "http://127.0.0.1:9641", "relayd's metrics, likewise");
DEFINE_string(token, "", "bearer token for the API");
DEFINE_string(token_file, "", "file that holds it");
DEFINE_string(ca_file, "", "PEM file of the authorities for https and funnel check; empty: the system's");
DEFINE_string(out, "", "keygen: the new file for the private key");
DEFINE_bool(json, false, "print JSON");
DEFINE_string(interval, "1s", "top: time between two samples");
DEFINE_bool(once, false, "top: one sample over one interval, and end");

namespace relay::ctl {
namespace {

using client::ApiClient;
using client::Fail;
using client::kExitUsage;

constexpr std::string_view kUsage = R"(relayctl talks to a relayd.

  relayctl status               is it ready, and what has it done [--json]
  relayctl sessions             every endpoint and its two clients [--json]
  relayctl allocate KEY KEY     an endpoint for two public keys (discokey:HEX), as JSON
  relayctl drops                what it dropped, and what to check [--json]
  relayctl top                  what it does right now, live; q or Ctrl-C ends it
                                [--interval=1s] [--once: one sample, for scripts]
  relayctl keygen --out FILE    a new key pair: the private key into FILE, a new one; prints the
                                public key [--json]
  relayctl keygen               the same without a file: the private key on stdout, the public one
                                on stderr, or both as JSON on stdout [--json]
  relayctl pubkey FILE          the public key of a private one (-: stdin)

  relayctl funnel routes        public names, the nodes that serve them, and how those do [--json]
  relayctl funnel check NAME[:PORT]
                                asks each node of a name (port 443) as an ingress does, from here,
                                and looks at its certificate; needs the nodes' leave for this machine
  relayctl funnel close NAME    takes a route that the API put away, and ends its connections; a
                                route of the policy file is taken away there

  --api=URL                         http://127.0.0.1:9640, for status, sessions, allocate and funnel
  --metrics=URL                     http://127.0.0.1:9641, for status, drops and top
  --token=TEXT, --token_file=FILE   bearer token for the API
  --ca_file=FILE                    authorities for https, and for funnel check (PEM)

Exit status: 0 done, 1 refused or failed, 2 wrong usage, 3 no relayd reached.
)";

constexpr auto kTimeout = std::chrono::seconds(5);
constexpr auto kLiveTimeout = std::chrono::seconds(2);

struct Clients {
  ApiClient api;
  ApiClient metrics;
};

absl::StatusOr<Clients> MakeClients(std::chrono::milliseconds timeout) {
  absl::StatusOr<std::string> token = client::ReadToken(FLAGS_token, FLAGS_token_file);
  if (!token.ok()) return token.status();
  absl::StatusOr<ApiClient> api =
      ApiClient::Create({.url = FLAGS_api, .token = *std::move(token), .ca_file = FLAGS_ca_file, .timeout = timeout});
  if (!api.ok()) return api.status();
  // The metrics are open to whoever reaches them: the token is none of theirs.
  absl::StatusOr<ApiClient> metrics =
      ApiClient::Create({.url = FLAGS_metrics, .token = "", .ca_file = FLAGS_ca_file, .timeout = timeout});
  if (!metrics.ok()) return metrics.status();
  return Clients{*std::move(api), *std::move(metrics)};
}

int RunTop(const ApiClient& metrics) {
  const std::optional<std::chrono::nanoseconds> interval = disco::ParseGoDuration(FLAGS_interval);
  if (!interval || *interval < std::chrono::milliseconds(100) || *interval > std::chrono::hours(1)) {
    return Fail(kExitUsage, absl::StrCat("--interval=", FLAGS_interval, ": not a duration of 100ms to 1h"));
  }
  return Top(metrics, {.interval = *interval, .once = FLAGS_once});
}

int Run(const std::vector<std::string_view>& args) {
  if (args.empty()) return Fail(kExitUsage, "no command; see relayctl --help");
  const std::string command(args[0]);
  const auto is = [&](std::string_view name, size_t arguments) {
    return command == name && args.size() == arguments + 1;
  };
  disco::InitCrypto();
  if (is("keygen", 0)) return Keygen(FLAGS_out, FLAGS_json);
  if (is("pubkey", 1)) return Pubkey(std::string(args[1]));

  // A live view must not hang for long on a relayd that does not answer.
  const absl::StatusOr<Clients> clients = MakeClients(is("top", 0) ? kLiveTimeout : kTimeout);
  if (!clients.ok()) return Fail(clients.status());
  if (is("status", 0)) return Status(clients->api, clients->metrics, FLAGS_json);
  if (is("sessions", 0)) return Sessions(clients->api, FLAGS_json);
  if (is("allocate", 2)) return Allocate(clients->api, args[1], args[2]);
  if (is("drops", 0)) return Drops(clients->metrics, FLAGS_json);
  if (is("top", 0)) return RunTop(clients->metrics);
  if (command == "funnel" && args.size() == 2 && args[1] == "routes") return FunnelRoutes(clients->api, FLAGS_json);
  if (command == "funnel" && args.size() == 3 && args[1] == "check") {
    return FunnelCheck(clients->api, args[2], FLAGS_ca_file);
  }
  if (command == "funnel" && args.size() == 3 && args[1] == "close") return FunnelClose(clients->api, args[2]);
  return Fail(kExitUsage, absl::StrCat("unknown command or wrong arguments: ", command, "; see relayctl --help"));
}

int Main(int argc, char** argv) {
  const int code = Run(client::ParseFlags(kUsage, argc, argv));
  const bool written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  if (code == client::kExitOk && !written) return Fail(client::kExitFailed, "cannot write to stdout");
  return code;
}

}  // namespace
}  // namespace relay::ctl

int main(int argc, char** argv) { return relay::ctl::Main(argc, argv); }
