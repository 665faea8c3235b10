// What a node's descriptors are for: connections are fitted to how many the machine allows.
#ifndef RELAYD_INGRESS_NODE_DESCRIPTOR_SHARES_H_
#define RELAYD_INGRESS_NODE_DESCRIPTOR_SHARES_H_

#include <cstddef>

namespace ingress {

struct DescriptorShares {
  static DescriptorShares Of(size_t descriptors);

  // The most that they come to, with the node's own.
  size_t total() const;

  size_t peerapi;  // Connections that have not asked yet.
  size_t files;    // Of Path handlers, while they are sent.
  size_t active;   // Connections that are served, with a backend's each.
};

// The soft limit to the hard one. How many there are then.
size_t RaiseDescriptorLimit();

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_DESCRIPTOR_SHARES_H_
