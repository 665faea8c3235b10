// Names of hosts, as routes, serve configs and TLS hellos may hold them: one rule, because such a name reaches headers
// and logs.
#ifndef RELAYD_RELAY_CONTROL_HOST_NAME_H_
#define RELAYD_RELAY_CONTROL_HOST_NAME_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace relay {

inline constexpr size_t kMaxHostNameBytes = 253;  // RFC 1035's 255 with its length bytes and the root's.

// The name in lower case without one trailing dot: 1 to 253 bytes of labels of 1 to 63 bytes of [a-z0-9_-], and no IP
// literal, nor one of the old forms that inet_aton takes (`0x7f.1`, `127`). nullopt: not such a name.
std::optional<std::string> CanonicalHostName(std::string_view name);

}  // namespace relay

#endif  // RELAYD_RELAY_CONTROL_HOST_NAME_H_
