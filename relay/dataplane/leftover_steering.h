// XDP programs that are on AF_XDP interfaces before ours: what a relayd that was killed leaves behind, and others'.
#ifndef RELAYD_RELAY_DATAPLANE_LEFTOVER_STEERING_H_
#define RELAYD_RELAY_DATAPLANE_LEFTOVER_STEERING_H_

#include <cstdint>
#include <span>
#include <string>

#include "absl/status/status.h"

namespace relay {

enum class Leftovers : uint8_t {
  kKeep,
  kRemove,  // Only by who holds the relay's UDP port, so that no relayd lives that steers it.
};

// OK if the interfaces of the AF_XDP devices in `eal_arguments` that get `steer_object` are free for it. With another
// program there the kernel would refuse ours, and the driver would, as it closes, take off the other one. So it must
// not begin. A program of relayd's that steers `udp_port` is removed, or is kUnavailable: it would be removed. Every
// other one stays.
absl::Status FreeForSteering(std::span<const std::string> eal_arguments, const std::string& steer_object,
                             uint16_t udp_port, Leftovers leftovers);

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_LEFTOVER_STEERING_H_
