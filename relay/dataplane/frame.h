// Ethernet frames as the relay sees them, and the headers of what leaves it. Bytes alone: no DPDK, no protocol.
//
//   Ethernet, at most one 802.1Q tag / IPv4 with options or IPv6 without extension headers / UDP / payload
#ifndef RELAYD_RELAY_DATAPLANE_FRAME_H_
#define RELAYD_RELAY_DATAPLANE_FRAME_H_

#include <array>
#include <cstdint>
#include <cstring>
#include <span>

#include "relay/core/drop_reason.h"
#include "relay/core/path.h"
#include "relay/dataplane/host_network.h"

namespace relay {

using MacAddress = std::array<uint8_t, 6>;

inline constexpr size_t kEthernetBytes = 14;
inline constexpr size_t kVlanTagBytes = 4;
inline constexpr size_t kIpv4Bytes = 20;  // As we write it.
inline constexpr size_t kIpv6Bytes = 40;
inline constexpr size_t kUdpBytes = 8;
// All that ParseFrame may look at: it must be in one piece.
inline constexpr size_t kMaxHeaderBytes = kEthernetBytes + kVlanTagBytes + 60 + kUdpBytes;

// Whose frames are ours, and what the port adds to them.
struct FrameContext {
  const AddressSet* ours = nullptr;  // The relay's addresses. To be changed by Use().
  uint16_t udp_port = 0;
  uint16_t link_port = 0;      // Path.link.port of the port.
  uint32_t interface = 0;      // Of the kernel, on the same wire; scope of link-local sources.
  bool checksum_good = false;  // The NIC has verified the IPv4 header checksum.
  // The address of ours that was found last, in words: most packets are for the same one as the packet before. All
  // zero, which is nobody's: none yet. One thread uses a context.
  mutable uint64_t last_high = 0;
  mutable uint64_t last_low = 0;
  // The same, if it is an IPv4 one, and the port, as they stand in a packet with the source port between them.
  static constexpr uint64_t kUsualMask = 0xffff'0000'ffff'ffff;
  static constexpr uint64_t kNoDestination = ~kUsualMask;  // Which no packet has, seen through the mask.
  mutable uint64_t usual_destination = kNoDestination;

  // Once a burst. What was found before is kept if it is found again.
  void Use(const AddressSet& addresses) {
    ours = &addresses;
    IpBytes last;
    std::memcpy(last.data(), &last_high, sizeof(last_high));
    std::memcpy(last.data() + sizeof(last_high), &last_low, sizeof(last_low));
    if ((last_high | last_low) == 0 || ours->Contains(last)) return;
    last_high = last_low = 0;
    usual_destination = kNoDestination;
  }
  bool IsOurs(const IpBytes& ip) const {
    uint64_t high = 0;
    uint64_t low = 0;
    std::memcpy(&high, ip.data(), sizeof(high));
    std::memcpy(&low, ip.data() + sizeof(high), sizeof(low));
    if (high == last_high && low == last_low && (high | low) != 0) return true;
    if (!ours->Contains(ip)) return false;
    last_high = high;
    last_low = low;
    const bool ipv4 = high == 0 && static_cast<uint32_t>(low) == 0xffff0000;
    usual_destination = ipv4 ? low >> 32 | uint64_t{__builtin_bswap16(udp_port)} << 48 : kNoDestination;
    return true;
  }
};

// One frame, parsed. Only what is said at each Fate is set.
struct Frame {
  enum class Fate : uint8_t {
    kRelay,     // A UDP datagram for the relay: everything is set.
    kKernel,    // Anything else.
    kFragment,  // An IP fragment of a UDP datagram to one of the relay's addresses: ip_offset, ipv4.
    kDrop,      // `reason`.
  };
  Path from;
  Fate fate;
  DropReason reason;
  bool ipv4;
  uint8_t ecn;            // The two bits.
  uint8_t ip_offset;      // Of the IP header in the frame: 14 or 18.
  uint8_t udp_offset;     // Of the UDP header in the frame.
  uint16_t udp_bytes;     // UDP's own length, header included: what is behind it is padding.
  uint64_t address_sum;   // Of both addresses and both ports, for the checksum's difference.
  uint16_t udp_checksum;  // As it stands in the packet.
};

// `head`: the frame's first min(frame_bytes, kMaxHeaderBytes) bytes or more.
void ParseFrame(std::span<const uint8_t> head, size_t frame_bytes, const FrameContext& context, Frame& out);

// Size of the Ethernet and IP headers towards `to`.
inline size_t OuterBytes(const Path& to) {
  return kEthernetBytes + (to.link.vlan != 0 ? kVlanTagBytes : 0) + (to.IsIpv4() ? kIpv4Bytes : kIpv6Bytes);
}
// Size of the IP packet towards `to`, which the way out's MTU bounds.
inline size_t IpPacketBytes(const Path& to, size_t udp_bytes) {
  return (to.IsIpv4() ? kIpv4Bytes : kIpv6Bytes) + udp_bytes;
}

// Writes Ethernet and IP headers towards `path` at `out`; behind them, at out + OuterBytes(path), stands `in`'s UDP
// header, whose ports are replaced and whose checksum is updated by the difference (RFC 1624): the payload is not
// looked at. False: the checksum must be computed in full (PseudoHeaderSum, ChecksumOf), because `in` has none and IPv6
// wants one.
//
// The IP header is new: no options, TTL 64, DSCP 0, ECN of `in`, DF, identification 0 (RFC 6864: never fragmented).
bool WriteOuter(const Frame& in, const Path& path, const MacAddress& own, uint8_t* out);

// The same for a datagram of our own: Ethernet, IP and UDP headers (OuterBytes(path) + 8 bytes); checksum 0, to be
// computed in full.
void WriteOwnOuter(const Path& path, const MacAddress& own, size_t payload_bytes, uint8_t* out);

// Sum of the pseudo header (RFC 768, RFC 8200 section 8.1) towards `to`, folded to 16 bits, in the order of memory.
uint16_t PseudoHeaderSum(const Path& to, size_t udp_bytes);
// The checksum field's value, from the folded sums of the pseudo header and of the UDP header and payload, in the order
// of memory: never 0, which stands for "none".
inline uint16_t ChecksumOf(uint16_t pseudo, uint16_t payload) {
  const uint32_t sum = uint32_t{pseudo} + payload;
  const auto folded = static_cast<uint16_t>((sum & 0xffff) + (sum >> 16));
  const auto out = static_cast<uint16_t>(~folded);
  return out == 0 ? uint16_t{0xffff} : out;
}

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_FRAME_H_
