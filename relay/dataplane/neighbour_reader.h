// What the kernel's answers about links and neighbours mean for the ports. No I/O.
#ifndef RELAYD_RELAY_DATAPLANE_NEIGHBOUR_READER_H_
#define RELAYD_RELAY_DATAPLANE_NEIGHBOUR_READER_H_

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "relay/dataplane/host_network.h"
#include "relay/dataplane/netlink.h"

namespace relay {

class NeighbourReader {
 public:
  explicit NeighbourReader(std::span<const PortInterface> ports);

  // An RTM_NEWLINK: an 802.1Q interface that stands directly on a port's own is that port's too. Those on bridges,
  // bonds and other VLAN interfaces are not.
  void AddLink(netlink::Payload payload);
  // An RTM_NEWNEIGH, after all links.
  void AddNeighbour(netlink::Payload payload);

  std::vector<Link>& neighbours() { return neighbours_; }

 private:
  struct Wire {
    uint16_t port;
    uint16_t vlan;
  };
  std::unordered_map<uint32_t, Wire> ports_;  // By interface.
  std::unordered_map<uint32_t, Wire> vlans_;
  std::vector<Link> neighbours_;
};

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_NEIGHBOUR_READER_H_
