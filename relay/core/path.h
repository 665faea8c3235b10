// Where a packet came from, and so where an answer goes.
#ifndef RELAYD_RELAY_CORE_PATH_H_
#define RELAYD_RELAY_CORE_PATH_H_

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "disco/addr_port.h"

namespace relay {

using disco::AddrPort;

// The layer-2 way back, for back ends that build frames themselves; opaque to the core, zero for sockets.
struct Link {
  uint16_t port = 0;
  uint16_t vlan = 0;
  std::array<uint8_t, 6> mac{};
  friend bool operator==(const Link&, const Link&) = default;
};

// A source as one of our sockets or ports saw it. Exactly seven words without padding, so that a binding is published
// beside its sequence word in one cache line.
struct alignas(8) Path {
  AddrPort remote;                     // The client.
  std::array<uint8_t, 16> local_ip{};  // Ours, that the packet was sent to (v4-mapped for IPv4).
  uint16_t local_port = 0;
  Link link;
  uint32_t interface = 0;  // Index of the interface that it came in by, 0 if unknown.

  // In words, as a path is written.
  bool IsIpv4() const {
    std::array<uint64_t, 2> ip;
    std::memcpy(&ip[0], remote.ip.data(), sizeof(ip[0]));
    std::memcpy(&ip[1], remote.ip.data() + sizeof(ip[0]), sizeof(ip[1]));
    return ip[0] == 0 && static_cast<uint32_t>(ip[1]) == 0xffff0000;
  }
  friend bool operator==(const Path&, const Path&) = default;
};
static_assert(std::endian::native == std::endian::little && sizeof(Path) == 56 &&
              std::has_unique_object_representations_v<Path>);

// Not a place to send to: unspecified, multicast, broadcast, or port 0.
inline bool IsRefusedSource(const AddrPort& source) {
  return source.port == 0 || source.IsUnspecified() || source.IsMulticast() || source.IsBroadcast();
}

}  // namespace relay

#endif  // RELAYD_RELAY_CORE_PATH_H_
