// The policy's "funnel" part: who serves which public name, and the limits.
#ifndef RELAYD_RELAY_CONTROL_FUNNEL_POLICY_H_
#define RELAYD_RELAY_CONTROL_FUNNEL_POLICY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "disco/addr_port.h"
#include "relay/control/json_lines.h"
#include "relay/control/prefix.h"

namespace relay {

inline constexpr size_t kMaxNodes = 64;  // Of a route: a word has a bit for each.

// A public name and the nodes that serve it. A limit of 0: none.
struct FunnelRoute {
  std::string name;             // Canonical, see CanonicalRouteName; `*.x` covers one label in front of x.
  std::vector<uint16_t> ports;  // Empty: all.
  std::vector<disco::AddrPort> peerapi;
  std::vector<Prefix> allow, deny;  // Of clients; deny wins, an empty allow admits all.
  uint64_t max_connections = 0;
  uint64_t new_per_second = 0;
  uint64_t bytes_per_second = 0;

  friend bool operator==(const FunnelRoute&, const FunnelRoute&) = default;
};

struct FunnelPolicy {
  std::vector<FunnelRoute> routes;
  uint64_t source_max_connections = 0;  // Of a client's /32 or /64.
  uint64_t source_new_per_second = 0;
  uint64_t max_connections = 0;
  uint64_t max_pending = 0;  // Connections whose hello is not here yet.
  std::vector<Prefix> proxy_protocol_from;
};

// Every field known and well-formed, no route name, port, node or prefix twice.
absl::Status ReadFunnelPolicy(const JsonFile& file, const JsonNode& node, FunnelPolicy& out);
// One route, as PUT /v0/funnel/routes takes it: there, unknown fields are ignored.
absl::Status ReadFunnelRoute(const JsonFile& file, const JsonNode& node, FunnelRoute& out,
                             UnknownFields unknown = UnknownFields::kRefused);

// A host name (host_name.h) as routes hold it: `*.` in front stands for one label. nullopt: not such a name.
std::optional<std::string> CanonicalRouteName(std::string_view name);

// The name of the wildcard route that covers a canonical name: `*.x` for `a.x`. Empty: none can.
std::string WildcardOf(std::string_view name);

absl::Status ReadPrefix(const JsonFile& file, const JsonNode& node, Prefix& out);

}  // namespace relay

#endif  // RELAYD_RELAY_CONTROL_FUNNEL_POLICY_H_
