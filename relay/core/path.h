// Where a packet came from, and so where an answer goes.
#ifndef RELAYD_RELAY_CORE_PATH_H_
#define RELAYD_RELAY_CORE_PATH_H_

#include <array>
#include <bit>
#include <cstddef>
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
  uint32_t interface = 0;  // Over IPv6: index of the interface that it came in by, 0 if unknown. Over IPv4: 0.

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

// A Path in registers, in the words that it lies in memory in: read once, and written once where somebody wants it
// whole (what is stored in bytes and loaded in words, or the other way round, stalls). Named members, because the
// compiler keeps those of an array in memory and copies them two at a time, which stalls too (4 ns, bench/ring_bench).
struct PathWords {
  uint64_t remote_high;
  uint64_t remote_low;
  uint64_t remote_rest;  // Scope, port, zero.
  uint64_t local_high;
  uint64_t local_low;
  uint64_t link;       // Local port, link's port, VLAN, the MAC's first two bytes.
  uint64_t link_rest;  // The MAC's other four bytes, interface.

  static constexpr size_t kCount = sizeof(Path) / sizeof(uint64_t);
  static uint64_t Word(const void* path, size_t i) {
    uint64_t word = 0;
    std::memcpy(&word, static_cast<const char*>(path) + i * sizeof(word), sizeof(word));
    return word;
  }
  static PathWords Of(const Path& path) {
    return {Word(&path, 0), Word(&path, 1), Word(&path, 2), Word(&path, 3),
            Word(&path, 4), Word(&path, 5), Word(&path, 6)};
  }
  // One by one: g++ 12 makes a loop a loop, over an array of its own.
  void Store(Path& path) const {
    const auto store = [to = reinterpret_cast<char*>(&path)](size_t i, uint64_t word) {
      std::memcpy(to + i * sizeof(word), &word, sizeof(word));
    };
    store(0, remote_high);
    store(1, remote_low);
    store(2, remote_rest);
    store(3, local_high);
    store(4, local_low);
    store(5, link);
    store(6, link_rest);
  }

  bool IsIpv4() const { return remote_high == 0 && static_cast<uint32_t>(remote_low) == 0xffff0000; }
  uint32_t remote_ipv4() const { return static_cast<uint32_t>(remote_low >> 32); }  // As it stands in a packet.
  uint16_t remote_port() const { return static_cast<uint16_t>(remote_rest >> 32); }
  uint32_t local_ipv4() const { return static_cast<uint32_t>(local_low >> 32); }  // As it stands in a packet.
  uint16_t local_port() const { return static_cast<uint16_t>(link); }
  uint16_t link_port() const { return static_cast<uint16_t>(link >> 16); }
  uint16_t vlan() const { return static_cast<uint16_t>(link >> 32); }
  uint16_t mac_first() const { return static_cast<uint16_t>(link >> 48); }  // Two bytes, and the other four.
  uint32_t mac_rest() const { return static_cast<uint32_t>(link_rest); }
};
static_assert(sizeof(PathWords) == sizeof(Path));
static_assert(offsetof(Path, remote) == 0 && offsetof(AddrPort, scope) == 16 && offsetof(AddrPort, port) == 20 &&
              offsetof(Path, local_ip) == 24 && offsetof(Path, local_port) == 40 && offsetof(Path, link) == 42 &&
              offsetof(Link, vlan) == 2 && offsetof(Link, mac) == 4 && offsetof(Path, interface) == 52);

// Tells two sources apart, as a rule; those over IPv4, of which the second makes it, always.
inline uint64_t SourceWord(const AddrPort& source) {
  return PathWords::Word(&source, 0) ^ PathWords::Word(&source, 1) ^ std::rotl(PathWords::Word(&source, 2), 32);
}
inline uint64_t SourceWord(uint32_t ipv4, uint16_t port) { return uint64_t{ipv4} << 32 | 0xffff0000 | port; }

// Not a place to send to: unspecified, multicast, broadcast, or port 0.
inline bool IsRefusedSource(const AddrPort& source) {
  return source.port == 0 || source.IsUnspecified() || source.IsMulticast() || source.IsBroadcast();
}

}  // namespace relay

#endif  // RELAYD_RELAY_CORE_PATH_H_
