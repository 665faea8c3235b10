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
  bool link_up = false;      // Set up, and the other end is there.
  uint32_t channels = 1;     // Receive queues in use.
  bool strips_vlan = false;  // Hands tags over beside the frame, where XDP programs do not see them.

  // No wire behind it but another stack of this machine's, which leaves UDP checksums to a NIC that never comes.
  bool IsVirtual() const;
};

// A VLAN interface stands directly on this one. False if the kernel does not tell.
bool HasVlanAbove(uint32_t index);

// Whether a setting ("net/ipv4/ip_forward") is 1. False if there is none of this name.
bool IsSysctlOn(const std::string& path);

// Nothing if there is no such interface.
std::optional<KernelInterface> ReadKernelInterface(uint32_t index);

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_KERNEL_INTERFACE_H_
