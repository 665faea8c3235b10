// A second opinion on frames: reads what was written with code of its own, and looks at every byte.
#ifndef RELAYD_TESTS_SUPPORT_FRAME_CHECKER_H_
#define RELAYD_TESTS_SUPPORT_FRAME_CHECKER_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "relay/dataplane/frame.h"
#include "tests/support/packet_builder.h"

namespace test {

// One's complement sum of big-endian 16-bit words, folded.
uint16_t InternetSum(std::span<const uint8_t> bytes, uint32_t sum = 0);

// A frame taken apart.
struct Seen {
  std::string error{};  // Not empty: it is no such frame, and nothing else holds.
  Mac to_mac{};
  Mac from_mac{};
  std::optional<uint16_t> vlan{};
  bool ipv4 = false;
  size_t ip_header_bytes = 0;
  uint8_t traffic_class = 0;
  uint16_t id = 0;
  uint16_t flags_and_offset = 0;  // IPv4.
  uint32_t flow_label = 0;        // IPv6.
  uint8_t ttl = 0;
  uint8_t protocol = 0;
  disco::AddrPort from{};  // Ports of UDP alone.
  disco::AddrPort to{};
  Bytes ip_payload{};
  size_t padding = 0;

  // UDP.
  uint16_t udp_length = 0;
  uint16_t udp_checksum = 0;
  // By how much the checksum is too large, in one's complement: 0 is right; so it is if there is none.
  uint16_t udp_error = 0;
  Bytes payload{};
  // ICMP, as above.
  uint16_t icmp_error = 0;
};

// Demands right IP lengths and a right IPv4 header checksum; says what it finds about the rest.
Seen Inspect(std::span<const uint8_t> frame);

// Of the port that a frame leaves by.
inline constexpr relay::MacAddress kOwn = {2, 0, 0, 0, 0, 0x77};

// What a worker does with a frame that it forwards: WriteOuter in place, full checksum where needed, padding cut.
// `in` is ParseFrame's of `frame`, kRelay.
Bytes Rewritten(std::span<const uint8_t> frame, const relay::Frame& in, const relay::Path& to,
                const relay::MacAddress& own);

}  // namespace test

#endif  // RELAYD_TESTS_SUPPORT_FRAME_CHECKER_H_
