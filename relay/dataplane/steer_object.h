// The XDP steering program (steer.bpf.c) as it is in this binary, and made for one UDP port.
#ifndef RELAYD_RELAY_DATAPLANE_STEER_OBJECT_H_
#define RELAYD_RELAY_DATAPLANE_STEER_OBJECT_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"

namespace relay {

// What steer.bpf.c has in the place of the port.
inline constexpr uint32_t kSteerPortMarker = 0x7e1a90f7;

// The ELF object as built.
std::span<const uint8_t> SteerObject();

// `object` with `udp_port` in the place of the marker, which must be there exactly once.
absl::StatusOr<std::vector<uint8_t>> PatchSteerObject(std::span<const uint8_t> object, uint16_t udp_port);

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_STEER_OBJECT_H_
