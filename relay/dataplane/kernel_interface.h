// What the kernel says of one of its interfaces, by index: for AF_XDP and AF_PACKET ports, which sit on one.
#ifndef RELAYD_RELAY_DATAPLANE_KERNEL_INTERFACE_H_
#define RELAYD_RELAY_DATAPLANE_KERNEL_INTERFACE_H_

#include <cstdint>
#include <optional>
#include <string>

namespace relay {

struct KernelInterface {
  std::string name;
  std::string driver;  // As ethtool has it; empty if the kernel does not tell.
  uint16_t mtu = 0;
  bool link_up = false;   // Set up, and the other end is there.
  uint32_t channels = 1;  // Receive queues in use.

  // No wire behind it but another stack of this machine's, which leaves UDP checksums to a NIC that never comes.
  bool IsVirtual() const;
};

// Nothing if there is no such interface.
std::optional<KernelInterface> ReadKernelInterface(uint32_t index);

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_KERNEL_INTERFACE_H_
