// Values of flags, for the files that read flags: each is read or refused with one line that names its flag.
#ifndef RELAYD_RELAY_CONTROL_FLAG_VALUES_H_
#define RELAYD_RELAY_CONTROL_FLAG_VALUES_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "disco/addr_port.h"
#include "disco/go_duration.h"
#include "relay/control/text.h"
#include "relay/core/time.h"

namespace relay {

using disco::AddrPort;

inline absl::Status Wrong(std::string_view flag, std::string_view value, std::string_view want) {
  return absl::InvalidArgumentError(text::Cat("--", flag, "=", value, ": ", want));
}

inline absl::Status ReadListen(std::string_view flag, const std::string& value, AddrPort& out) {
  // localhost is the one name taken: any other may come to mean another address.
  const std::string text = value.starts_with("localhost:") ? "127.0.0.1" + value.substr(9) : value;
  const std::optional<AddrPort> addr = AddrPort::Parse(text);
  if (!addr) return Wrong(flag, value, "not an ip:port (IPv6 in brackets)");
  out = *addr;
  return absl::OkStatus();
}

inline absl::Status ReadDuration(std::string_view flag, const std::string& value, Duration& out) {
  const std::optional<Duration> duration = disco::ParseGoDuration(value);
  if (!duration) return Wrong(flag, value, "not a duration such as 30s, 5m or 1h30m");
  if (*duration <= Duration::zero()) return Wrong(flag, value, "not above 0");
  if (*duration > std::chrono::hours(24 * 365)) return Wrong(flag, value, "more than a year");
  out = *duration;
  return absl::OkStatus();
}

inline absl::Status ReadNumber(std::string_view flag, uint64_t value, uint64_t least, uint64_t most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return Wrong(flag, std::to_string(value), text::Cat("not of ", least, " to ", most));
}

}  // namespace relay

#endif  // RELAYD_RELAY_CONTROL_FLAG_VALUES_H_
