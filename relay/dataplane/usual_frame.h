// The frame that nearly all are, parsed and written straight through: untagged IPv4 without options. frame.h does all
// that there are; the worker's loop has this inline.
#ifndef RELAYD_RELAY_DATAPLANE_USUAL_FRAME_H_
#define RELAYD_RELAY_DATAPLANE_USUAL_FRAME_H_

#include "relay/core/flow.h"
#include "relay/dataplane/frame.h"
#include "relay/dataplane/frame_words.h"

namespace relay {

namespace usual {
inline constexpr size_t kIp = kEthernetBytes;
inline constexpr size_t kUdp = kIp + kIpv4Bytes;
inline constexpr size_t kPayload = kUdp + kUdpBytes;
}  // namespace usual

// Such a frame, for one of the relay's addresses and its port.
struct UsualFrame {
  Ipv4Path from;
  uint64_t address_sum;  // As Frame's, all of these.
  uint16_t udp_bytes;
  uint16_t udp_checksum;
  uint8_t ecn;
};

// ParseFrame for such a frame: no fragment, UDP, for the address of ours that the last one was for, and nothing wrong
// with it. Read in words, several fields a check: half the instructions of the general way (bench/ring_bench).
// False: any other frame, of which nothing is said.
[[gnu::always_inline]] inline bool ParseUsual(const uint8_t* frame, size_t frame_bytes, const FrameContext& context,
                                              UsualFrame& out) {
  using namespace frame_words;
  using namespace usual;
  if (frame_bytes < kPayload) return false;
  // Each is named for the field that it begins in.
  const auto mac = Load<uint64_t>(frame);               // ... and the first two bytes of the source's.
  const auto mac_rest = Load<uint64_t>(frame + 8);      // The source's other four bytes, type, version, traffic class.
  const auto length = Load<uint64_t>(frame + kIp + 2);  // Total length, identification, fragment, TTL, protocol.
  const auto source = Load<uint32_t>(frame + kIp + 12);
  const auto destination = Load<uint64_t>(frame + kIp + 16);  // ... and both ports.
  constexpr uint64_t kGroupBits = uint64_t{1} | uint64_t{1} << 48;
  constexpr uint64_t kTypeAndVersion = uint64_t{0x450008} << 32;
  constexpr uint64_t kFragmentAndProtocol = uint64_t{0xff00ff3f} << 32;
  if ((mac & kGroupBits) != 0 || (mac_rest & uint64_t{0xffffff} << 32) != kTypeAndVersion ||
      (length & kFragmentAndProtocol) != uint64_t{kProtocolUdp} << 56 ||
      (destination & FrameContext::kUsualMask) != context.usual_destination) {
    return false;
  }
  const size_t udp_bytes = Be16(frame + kUdp + 4);
  const size_t total = __builtin_bswap16(static_cast<uint16_t>(length));
  if (total > frame_bytes - kIp || total != udp_bytes + kIpv4Bytes || udp_bytes < kUdpBytes) return false;
  if (!HeaderChecksumIsRight(frame + kIp) || IsMartianIpv4(frame + kIp + 12)) return false;

  out.from.remote_ip = source;
  out.from.local_ip = static_cast<uint32_t>(destination);
  out.from.remote_port = __builtin_bswap16(static_cast<uint16_t>(destination >> 32));
  out.from.local_port = context.udp_port;
  out.from.link = mac >> 48 | uint64_t{static_cast<uint32_t>(mac_rest)} << 16 | uint64_t{context.link_port} << 48;
  out.address_sum = uint64_t{source} + static_cast<uint32_t>(destination) + (destination >> 32);
  out.udp_bytes = static_cast<uint16_t>(udp_bytes);
  out.udp_checksum = Load<uint16_t>(frame + kUdp + 6);
  out.ecn = static_cast<uint8_t>(mac_rest >> 56 & 3);
  return true;
}

// What ParseFrame would have said of it.
inline void Complete(const UsualFrame& in, Frame& out) {
  in.from.Store(out.from);
  out.fate = Frame::Fate::kRelay;
  out.ipv4 = true;
  out.ecn = in.ecn;
  out.ip_offset = usual::kIp;
  out.udp_offset = usual::kUdp;
  out.udp_bytes = in.udp_bytes;
  out.address_sum = in.address_sum;
  out.udp_checksum = in.udp_checksum;
}

// WriteOuter where `in` has a checksum: field by field, with what never changes in constants.
[[gnu::always_inline]] inline void WriteUsual(const UsualFrame& in, const Ipv4Path& to, const MacAddress& own,
                                              uint8_t* __restrict out) {
  using namespace frame_words;
  using namespace usual;
  Store(out, static_cast<uint16_t>(to.link));
  Store(out + 2, static_cast<uint32_t>(to.link >> 16));
  Store(out + 6, Load<uint32_t>(own.data()));
  Store(out + 10, Load<uint16_t>(own.data() + 4));

  constexpr uint32_t kVersion = 0x45;
  constexpr uint32_t kDontFragment = 0x0040;
  constexpr uint16_t kTtlAndProtocol = kTtl | uint16_t{kProtocolUdp} << 8;
  const uint32_t ecn = in.ecn;
  const uint16_t total = __builtin_bswap16(static_cast<uint16_t>(kIpv4Bytes + in.udp_bytes));
  const uint32_t source = to.local_ip;
  const uint32_t destination = to.remote_ip;
  const uint64_t addresses = uint64_t{source} + destination;
  const uint64_t header = uint64_t{kVersion + kDontFragment + kTtlAndProtocol} + (ecn << 8) + total + addresses;
  Store(out + 12, __builtin_bswap16(kTypeIpv4) | kVersion << 16 | ecn << 24);
  Store(out + kIp + 2, total);
  Store(out + kIp + 4, kDontFragment << 16);  // And the identification, 0.
  Store(out + kIp + 8, kTtlAndProtocol);
  Store(out + kIp + 10, static_cast<uint16_t>(~Fold(header)));
  Store(out + kIp + 12, source);
  Store(out + kIp + 16, destination);

  const uint16_t source_port = __builtin_bswap16(to.local_port);
  const uint16_t destination_port = __builtin_bswap16(to.remote_port);
  Store(out + kUdp, source_port);
  Store(out + kUdp + 2, destination_port);
  Store(out + kUdp + 6, UpdatedChecksum(in.udp_checksum, in.address_sum, addresses + source_port + destination_port));
}

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_USUAL_FRAME_H_
