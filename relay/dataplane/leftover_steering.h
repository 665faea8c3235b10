// What a relayd that was killed leaves behind on an AF_XDP interface.
#ifndef RELAYD_RELAY_DATAPLANE_LEFTOVER_STEERING_H_
#define RELAYD_RELAY_DATAPLANE_LEFTOVER_STEERING_H_

#include <cstdint>
#include <span>
#include <string>

namespace relay {

// Takes our XDP program off the interfaces of the AF_XDP devices in `eal_arguments`: with it there, the kernel would
// refuse another. Only one that steers `udp_port`: this process has that port, so whoever put it there is dead. Any
// other program stays, and so does what we may not touch; the driver then says that it cannot start.
void RemoveLeftoverSteering(std::span<const std::string> eal_arguments, uint16_t udp_port);

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_LEFTOVER_STEERING_H_
