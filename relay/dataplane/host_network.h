// What the kernel knows of the network around us, by netlink: our own addresses, and the neighbours on our wires.
#ifndef RELAYD_RELAY_DATAPLANE_HOST_NETWORK_H_
#define RELAYD_RELAY_DATAPLANE_HOST_NETWORK_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "relay/core/path.h"

namespace relay {

using IpBytes = std::array<uint8_t, 16>;  // v4-mapped for IPv4, as AddrPort has it.

// A set of addresses that is looked up a packet: open addressing, a power of two of slots, never changed once made.
// Seeded anew each time, and no lookup takes more than kMaxProbes steps, so that nobody can choose addresses that are
// slow to look up.
class AddressSet {
 public:
  AddressSet() : AddressSet(std::span<const IpBytes>{}) {}
  explicit AddressSet(std::span<const IpBytes> addresses);
  bool Contains(const IpBytes& ip) const;
  size_t size() const { return size_; }

  static constexpr size_t kMaxProbes = 16;

 private:
  struct Slot {
    uint64_t high = 0;  // Both zero: free (:: is nobody's address).
    uint64_t low = 0;
    friend bool operator==(const Slot&, const Slot&) = default;
  };
  static Slot SlotOf(const IpBytes& ip);
  size_t Home(const Slot& slot) const;
  bool TryFill(std::span<const IpBytes> addresses);

  std::vector<Slot> slots_;
  size_t mask_ = 0;
  size_t size_ = 0;
  Slot seed_;
};

// The MAC addresses that the kernel holds as neighbours on our ports.
class NeighbourSet {
 public:
  NeighbourSet() = default;
  explicit NeighbourSet(std::vector<Link> neighbours);  // Link: port (Path.link.port), vlan, mac.
  bool Contains(const Link& link) const;
  friend bool operator==(const NeighbourSet&, const NeighbourSet&) = default;

 private:
  std::vector<Link> sorted_;
};

// A port's interface in the kernel: its own neighbours are of VLAN 0, those of its VLAN interfaces of their VLAN.
struct PortInterface {
  uint16_t link_port;  // Path.link.port.
  uint32_t interface;
};

// Pure reads, which may take some milliseconds and never longer than seconds; whoever calls them once a second keeps
// what it had before if one fails.

// Unicast addresses of all interfaces of this network namespace, loopback included; sorted, each once.
absl::StatusOr<std::vector<IpBytes>> ReadHostAddresses();
// Neighbours in the states reachable, stale, delay, probe, permanent and noarp, with a unicast MAC address.
absl::StatusOr<std::vector<Link>> ReadNeighbours(std::span<const PortInterface> ports);

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_HOST_NETWORK_H_
