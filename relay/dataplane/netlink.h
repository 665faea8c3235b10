// Asks the kernel for one of its tables by rtnetlink. Everything that it answers is read within bounds.
#ifndef RELAYD_RELAY_DATAPLANE_NETLINK_H_
#define RELAYD_RELAY_DATAPLANE_NETLINK_H_

#include <linux/rtnetlink.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <utility>

#include "absl/status/status.h"

namespace relay::netlink {

using Payload = std::span<const uint8_t>;

// Calls `each` with the payload of every answer of type `answer` to a dump request of type `request`, whose body is
// `body`. Takes two seconds and 64 MiB at most. An error is one line; `each` may have been called before it.
absl::Status Dump(uint16_t request, uint16_t answer, Payload body, const std::function<void(Payload)>& each);

// The bytes of a structure without padding.
template <typename T>
Payload BytesOf(const T& value) {
  return {reinterpret_cast<const uint8_t*>(&value), sizeof(value)};
}

// The value that `bytes` begin with, if they are enough.
template <typename T>
std::optional<T> Read(Payload bytes) {
  T value;
  if (bytes.size() < sizeof(value)) return std::nullopt;
  std::memcpy(&value, bytes.data(), sizeof(value));
  return value;
}

// Splits off the fixed structure that begins a payload; the attributes follow it.
template <typename T>
std::optional<std::pair<T, Payload>> ReadHeader(Payload payload) {
  const std::optional<T> header = Read<T>(payload);
  if (!header) return std::nullopt;
  return std::pair{*header, payload.subspan(std::min<size_t>(NLMSG_ALIGN(sizeof(T)), payload.size()))};
}

// The first attribute of this type, empty if there is none. What does not fit its own length ends the list.
Payload Attribute(Payload attributes, uint16_t type);

}  // namespace relay::netlink

#endif  // RELAYD_RELAY_DATAPLANE_NETLINK_H_
