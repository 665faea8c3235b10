// relay-client: lets two plain WireGuard peers use a relay.
#include <gflags/gflags.h>
#include <signal.h>
#include <sodium.h>
#include <sys/signalfd.h>

#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "disco/server_endpoint.h"
#include "relay/client/program.h"
#include "relay/client/shim.h"

DEFINE_string(api, "", "relayd's API, to allocate an endpoint from: http://host:port or https://host:port");
DEFINE_string(endpoint, "", "the endpoint to begin with (ServerEndpoint as JSON, or a file that holds it)");
DEFINE_string(key_file, "", "our private disco key, as `relayctl keygen` writes it");
DEFINE_string(peer, "", "the other client's public key, discokey:<64 hex>");
DEFINE_string(listen, "127.0.0.1:51821", "ip:port that is the peer's Endpoint in WireGuard's configuration");
DEFINE_string(wireguard, "",
              "ip:port of the local WireGuard; empty: the one that sends to --listen, and :51820 before");
DEFINE_string(token, "", "bearer token for the API");
DEFINE_string(token_file, "", "file that holds it");
DEFINE_string(ca_file, "", "PEM file of the authorities for https; empty: the system's");
DEFINE_string(dialect, "current", "of the handshake: current, or first (2025-03)");

namespace relay::client {
namespace {

constexpr std::string_view kUsage =
    R"(relay-client carries a plain WireGuard peer's packets through a relayd.

  relay-client --api=URL --key_file=FILE --peer=discokey:HEX [--listen=IP:PORT]

  --api=URL             relayd's API: http://host:port or https://host:port
  --endpoint=JSON|FILE  a ServerEndpoint to begin with, or to use without an API
  --key_file=FILE       our private key (relayctl keygen --out FILE)
  --peer=discokey:HEX   the other client's public key
  --listen=IP:PORT      Endpoint of the peer in WireGuard's configuration (127.0.0.1:51821)
  --wireguard=IP:PORT   the local WireGuard; without it, the one that sends to --listen, and before
                        that WireGuard's own port, 51820, on the address of --listen. Required
                        where --listen is no loopback address: anybody may send there
  --token=TEXT, --token_file=FILE   bearer token for the API
  --ca_file=FILE        authorities for https (PEM)
  --dialect=current|first           of the handshake

State changes go to stdout, one line each. Exit status: 0 stopped by a signal, 1 failed, 2 wrong flags.
)";

constexpr uint16_t kWireGuardPort = 51820;

absl::Status Bad(const char* flag, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat("--", flag, ": ", why));
}
absl::Status Bad(const char* flag, const absl::Status& why) { return Bad(flag, std::string(why.message())); }

absl::StatusOr<disco::AddrPort> ParseAddress(const char* flag, const std::string& text) {
  const std::optional<disco::AddrPort> address = disco::AddrPort::Parse(text);
  if (!address || address->port == 0) return Bad(flag, absl::StrCat("\"", text, "\" is not ip:port"));
  return *address;
}

absl::StatusOr<disco::RelayEndpoint> ReadEndpoint(const std::string& json_or_file) {
  std::string json = json_or_file;
  if (json.front() != '{') {
    absl::StatusOr<std::string> text = ReadFile(json_or_file);
    if (!text.ok()) return Bad("endpoint", text.status());
    json = *std::move(text);
  }
  absl::StatusOr<disco::RelayEndpoint> endpoint = disco::ParseServerEndpoint(json);
  if (!endpoint.ok()) return Bad("endpoint", endpoint.status());
  return endpoint;
}

absl::StatusOr<Session::Options> SessionOptions() {
  if (FLAGS_key_file.empty()) return Bad("key_file", "required");
  absl::StatusOr<disco::PrivateKey> key = ReadKeyFile(FLAGS_key_file);
  if (!key.ok()) return Bad("key_file", key.status());
  const std::optional<disco::PublicKey> peer = disco::PublicKey::Parse(FLAGS_peer);
  if (!peer) return Bad("peer", "required, as discokey:<64 hex>");
  if (*peer == key->public_key()) return Bad("peer", "this is our own key");
  const std::optional<disco::SharedKey> shared = key->Agree(*peer);
  if (!shared) return Bad("peer", "this key cannot be used");
  if (FLAGS_dialect != "current" && FLAGS_dialect != "first") return Bad("dialect", "current or first");
  if (FLAGS_api.empty() && FLAGS_endpoint.empty()) return Bad("api", "required, or --endpoint");

  Session::Options options{
      .key = *std::move(key),
      .peer = *peer,
      .peer_shared = *shared,
      .dialect = FLAGS_dialect == "first" ? disco::Dialect::kFirst : disco::Dialect::kCurrent,
      .can_allocate = !FLAGS_api.empty(),
      .endpoint = std::nullopt,
      .jitter_seed = randombytes_random(),
  };
  if (!FLAGS_endpoint.empty()) {
    absl::StatusOr<disco::RelayEndpoint> endpoint = ReadEndpoint(FLAGS_endpoint);
    if (!endpoint.ok()) return endpoint.status();
    const absl::Status usable = CheckEndpoint(*endpoint, options.key, options.peer);
    if (!usable.ok()) return Bad("endpoint", usable);
    options.endpoint = *std::move(endpoint);
  }
  return options;
}

absl::StatusOr<Shim::Options> ReadOptions() {
  absl::StatusOr<Session::Options> session = SessionOptions();
  if (!session.ok()) return session.status();
  absl::StatusOr<disco::AddrPort> listen = ParseAddress("listen", FLAGS_listen);
  if (!listen.ok()) return listen.status();
  Shim::Options options{.listen = *listen,
                        .wireguard = *listen,
                        .learn_wireguard = FLAGS_wireguard.empty(),
                        .api = {},
                        .session = *std::move(session)};
  if (FLAGS_wireguard.empty()) {
    if (!listen->IsLoopback()) return Bad("wireguard", "required, as --listen is not a loopback address");
    options.wireguard.port = kWireGuardPort;  // For the peer that waits to be called.
  } else {
    absl::StatusOr<disco::AddrPort> wireguard = ParseAddress("wireguard", FLAGS_wireguard);
    if (!wireguard.ok()) return wireguard.status();
    if (wireguard->IsIpv4() != listen->IsIpv4()) return Bad("wireguard", "not of the address family of --listen");
    options.wireguard = *wireguard;
  }
  if (!FLAGS_api.empty()) {
    absl::StatusOr<std::string> token = ReadToken(FLAGS_token, FLAGS_token_file);
    if (!token.ok()) return token.status();
    absl::StatusOr<ApiClient> api =
        ApiClient::Create({.url = FLAGS_api, .token = *std::move(token), .ca_file = FLAGS_ca_file});
    if (!api.ok()) return Bad("api", api.status());
    options.api = *std::move(api);
  }
  return options;
}

int Main(int argc, char** argv) {
  if (!ParseFlags(kUsage, argc, argv).empty()) return Fail(kExitUsage, "takes flags alone; see --help");
  disco::InitCrypto();
  absl::StatusOr<Shim::Options> options = ReadOptions();
  if (!options.ok()) return Fail(options.status());

  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigaddset(&stop, SIGINT);
  sigprocmask(SIG_BLOCK, &stop, nullptr);
  signal(SIGPIPE, SIG_IGN);  // Whoever reads our state may go away.
  const Fd stop_fd(signalfd(-1, &stop, SFD_CLOEXEC));

  absl::StatusOr<std::unique_ptr<Shim>> shim = Shim::Open(*std::move(options));
  if (!shim.ok()) return Fail(kExitFailed, std::string(shim.status().message()));
  (*shim)->Run(stop_fd.get());
  // A question to the API may hang in a name lookup; it must not see the libraries' ends.
  if ((*shim)->allocating()) std::_Exit(kExitOk);
  return kExitOk;
}

}  // namespace
}  // namespace relay::client

int main(int argc, char** argv) { return relay::client::Main(argc, argv); }
