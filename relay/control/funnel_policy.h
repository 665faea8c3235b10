// The policy's "funnel" part: its shape, fully checked.
#ifndef RELAYD_RELAY_CONTROL_FUNNEL_POLICY_H_
#define RELAYD_RELAY_CONTROL_FUNNEL_POLICY_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "relay/control/json_lines.h"
#include "relay/control/prefix.h"

namespace relay {

// Every field known and well-formed, no route name, port, node or prefix twice.
absl::Status CheckFunnelPolicy(const JsonFile& file, const JsonNode& node);

// A host name (host_name.h) as routes hold it: `*.` in front stands for one label. nullopt: not such a name.
std::optional<std::string> CanonicalRouteName(std::string_view name);

absl::Status ReadPrefix(const JsonFile& file, const JsonNode& node, Prefix& out);

}  // namespace relay

#endif  // RELAYD_RELAY_CONTROL_FUNNEL_POLICY_H_
