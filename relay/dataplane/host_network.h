// What the kernel knows of the network around us, by netlink: our own addresses, and the neighbours on our wires.
#ifndef RELAYD_RELAY_DATAPLANE_HOST_NETWORK_H_
#define RELAYD_RELAY_DATAPLANE_HOST_NETWORK_H_

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "relay/core/path.h"

namespace relay {

using IpBytes = std::array<uint8_t, 16>;  // v4-mapped for IPv4, as AddrPort has it.

// A set of addresses that is looked up a packet: open addressing, a power of two of slots, never changed once made.
class AddressSet {
 public:
  AddressSet() : AddressSet(std::span<const IpBytes>{}) {}
  explicit AddressSet(std::span<const IpBytes> addresses);
  bool Contains(const IpBytes& ip) const;
  size_t size() const;

 private:
  std::vector<IpBytes> slots_;  // All zero: free (:: is nobody's address).
  size_t mask_ = 0;
  size_t size_ = 0;
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

// Unicast addresses of all interfaces of this network namespace, loopback included.
absl::StatusOr<std::vector<IpBytes>> ReadHostAddresses();
// Neighbours in the states reachable, stale, delay, probe, permanent and noarp, with a unicast MAC address.
absl::StatusOr<std::vector<Link>> ReadNeighbours(std::span<const PortInterface> ports);

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_HOST_NETWORK_H_
