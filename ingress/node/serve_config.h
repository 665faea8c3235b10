// What a node serves: funnel-node's configuration file, with the field names that users know from Tailscale's.
#ifndef RELAYD_INGRESS_NODE_SERVE_CONFIG_H_
#define RELAYD_INGRESS_NODE_SERVE_CONFIG_H_

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "disco/addr_port.h"
#include "relay/control/policy.h"

namespace ingress {

using disco::AddrPort;

// A canonical host name (`*.x`: one label in front of x) and a port.
struct HostPort {
  std::string host;
  uint16_t port = 0;
  // `host:port`; nullopt: not that, or a host that is none. Inverse of each other.
  static std::optional<HostPort> Parse(std::string_view text);
  std::string ToString() const;
  friend auto operator<=>(const HostPort&, const HostPort&) = default;
};

// Where a handler's or a forward's bytes go.
struct Backend {
  AddrPort addr;
  bool tls = false;
  bool verify = true;       // false: https+insecure.
  std::string host;         // As written, with the port if one was; `3000` alone is 127.0.0.1:3000.
  std::string path_prefix;  // Of a Proxy URL, put in front of what is left of the path; no trailing slash.
  std::string text;         // As `status` shows it: http://127.0.0.1:3000.
};

struct ProxyHandler {
  Backend backend;
};
struct TextHandler {
  std::string text;
};
struct PathHandler {
  std::string path;  // A file or a folder.
};
struct RedirectHandler {
  std::string target;
  int status = 302;
};
using HandlerConfig = std::variant<ProxyHandler, TextHandler, PathHandler, RedirectHandler>;

// One name's handlers by mount: `/`, `/api`. A slash at a mount's end makes no difference and Parse takes it away:
// `/docs/` in a file is `/docs`, and holds `/docs`, `/docs/` and `/docs/a`, but not `/docs2`. Mounts have no `%`,
// query, empty segment or dot segment.
struct WebSite {
  std::map<std::string, HandlerConfig> handlers;
  // The longest mount that is `path` or holds it on whole segments; nullptr: none. `/` holds everything that begins
  // with a slash. `path` has no query and is compared byte by byte.
  const std::pair<const std::string, HandlerConfig>* Find(std::string_view path) const;
};

// TCP -> port: exactly one of HTTPS and TCPForward.
struct TcpPort {
  bool https = false;
  std::optional<Backend> forward;  // Decrypted bytes with terminate_tls, else the client's TLS as it is.
  std::string terminate_tls;       // The one name that it accepts; empty: TLS is not terminated.
  int proxy_protocol = 0;          // 1, 2; 0: none.
};

struct CertificateFiles {
  std::string name;  // A canonical name or wildcard.
  std::string cert, key;
};

struct ServeConfig {
  std::vector<AddrPort> listen;  // The peerAPI's addresses.
  relay::Policy peers = relay::Policy::LoopbackOnly();
  std::map<uint16_t, TcpPort> tcp;
  std::map<HostPort, WebSite> web;
  std::map<HostPort, bool> allow_funnel;
  std::vector<CertificateFiles> certificates;
  std::optional<AddrPort> acme_tls;  // AcmeTLS.
  bool any_backend = false;          // AllowRemoteBackends: backends elsewhere than on loopback.

  // An error is one line, `file:line: reason`; a field that is not served is refused by name. `own`: listeners of this
  // process and of relayd's defaults, which no backend may be (nor one of Listen); an unspecified address stands for
  // all of this machine's. Relative paths of files are below `file`'s folder.
  static absl::StatusOr<ServeConfig> Parse(std::string_view text, std::string_view file,
                                           const std::vector<AddrPort>& own);
  static absl::StatusOr<ServeConfig> Load(const std::string& path, const std::vector<AddrPort>& own);

  // Is `target` switched on? Exact beats wildcard.
  bool IsAllowed(const HostPort& target) const;
  // Something is there to serve for it: HTTPS with a Web entry, or a TCPForward (of that name, if it terminates TLS).
  bool Serves(const HostPort& target) const;
  const WebSite* FindSite(const HostPort& target) const;
  bool serves_nothing() const { return tcp.empty() && web.empty(); }
};

// What `funnel-node status` prints to stdout, and what it warns of on stderr; as text, and as JSON with the serve
// config's own field names (TCP, Web, AllowFunnel), then Warnings, a list of lines.
struct StatusText {
  std::string out, warnings;
};
StatusText FormatStatus(const ServeConfig& config);
std::string FormatStatusJson(const ServeConfig& config);

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_SERVE_CONFIG_H_
