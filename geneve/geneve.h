// The Geneve header (RFC 8926 section 3.4) as peer relays use it: eight bytes, no options.
//
//    0                   1                   2                   3
//    |Ver|  Opt Len  |O|C|    Rsvd.  |          Protocol Type        |
//    |        Virtual Network Identifier (VNI)       |    Reserved   |
#ifndef RELAYD_GENEVE_GENEVE_H_
#define RELAYD_GENEVE_GENEVE_H_

#include <cstdint>
#include <optional>
#include <span>

#include "geneve/wire.h"

namespace geneve {

inline constexpr size_t kHeaderSize = 8;
inline constexpr uint32_t kMaxVni = 0xFFFFFF;      // 24 bits.
inline constexpr uint32_t kControlBit = 1u << 23;  // O, in the first word.
inline constexpr uint16_t kProtocolDisco = 0x7A11;
inline constexpr uint16_t kProtocolWireGuard = 0x7A12;

struct Header {
  uint32_t vni = 0;  // At most kMaxVni.
  uint16_t protocol = 0;
  uint8_t version = 0;   // At most 3.
  bool control = false;  // O: for the relay itself.
  friend bool operator==(const Header&, const Header&) = default;
};

// Returns the header `packet` begins with, or nullopt if it is too short. Option length, C and the reserved bits are
// ignored, as the reference does (tailscale net/packet GeneveHeader.Decode).
constexpr std::optional<Header> Parse(std::span<const uint8_t> packet) {
  if (packet.size() < kHeaderSize) return std::nullopt;
  const uint32_t first = wire::LoadBe32(packet.first<4>());
  const uint32_t second = wire::LoadBe32(packet.subspan<4, 4>());
  return Header{.vni = second >> 8,
                .protocol = static_cast<uint16_t>(first),
                .version = static_cast<uint8_t>(first >> 30),
                .control = (first & kControlBit) != 0};
}

// Writes `header` with zero option length and reserved bits. VNI and version are cut to 24 and 2 bits.
constexpr void Write(const Header& header, std::span<uint8_t, kHeaderSize> out) {
  const uint32_t control = header.control ? kControlBit : 0;
  wire::StoreBe32(out.first<4>(), uint32_t{header.version} << 30 | control | header.protocol);
  wire::StoreBe32(out.subspan<4, 4>(), (header.vni & kMaxVni) << 8);
}

}  // namespace geneve

#endif  // RELAYD_GENEVE_GENEVE_H_
