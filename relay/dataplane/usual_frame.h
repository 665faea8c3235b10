// The frame that nearly all are, parsed and written straight through: untagged IPv4 without options. frame.h does this
// and all others; the worker's loop has this inline.
#ifndef RELAYD_RELAY_DATAPLANE_USUAL_FRAME_H_
#define RELAYD_RELAY_DATAPLANE_USUAL_FRAME_H_

#include "relay/dataplane/frame.h"
#include "relay/dataplane/frame_words.h"

namespace relay {

namespace usual {
inline constexpr size_t kIp = kEthernetBytes;
inline constexpr size_t kUdp = kIp + kIpv4Bytes;
inline constexpr size_t kPayload = kUdp + kUdpBytes;
}  // namespace usual

// A frame towards `to` is such a one.
inline bool IsUsual(const PathWords& to) { return to.IsIpv4() && to.vlan() == 0; }

// Addresses that no packet on a wire comes from (RFC 1122 section 3.2.1.3): answering them would end within this host,
// or nowhere.
inline bool IsMartianIpv4(const uint8_t* ip) { return ip[0] == 0 || ip[0] == 127 || ip[0] >= 224; }

// ParseFrame for such a frame: no fragment, UDP, for the address of ours that the last one was for, and nothing wrong
// with it. Read in words, several fields a check: half the instructions of the general way (bench/ring_bench).
// False: any other frame, of which nothing is said.
[[gnu::always_inline]] inline bool ParseUsual(const uint8_t* frame, size_t frame_bytes, const FrameContext& context,
                                              Frame& out) {
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

  PathWriter path(out.from);
  path.Word(kRemoteIp, 0);
  path.Word(kRemoteIp + 8, MappedWord(source));
  path.Word(kRemotePort, uint64_t{__builtin_bswap16(static_cast<uint16_t>(destination >> 32))} << 32);
  path.Word(kLocalIp, 0);
  path.Word(kLocalIp + 8, MappedWord(static_cast<uint32_t>(destination)));
  path.Word(kLocalPort, uint64_t{context.udp_port} | uint64_t{context.link_port} << 16 | mac >> 48 << 48);
  path.Word(kLastWord, uint64_t{static_cast<uint32_t>(mac_rest)} | uint64_t{context.interface} << 32);
  out.address_sum = uint64_t{source} + static_cast<uint32_t>(destination) + (destination >> 32);
  out.udp_checksum = Load<uint16_t>(frame + kUdp + 6);
  // Fate, reason, family, ECN, both offsets and the length, in one word.
  constexpr uint64_t kShape = uint64_t{static_cast<uint8_t>(Frame::Fate::kRelay)} | uint64_t{true} << 16 |
                              uint64_t{kIp} << 32 | uint64_t{kUdp} << 40;
  static_assert(offsetof(Frame, ipv4) == offsetof(Frame, fate) + 2 &&
                offsetof(Frame, ecn) == offsetof(Frame, fate) + 3 &&
                offsetof(Frame, ip_offset) == offsetof(Frame, fate) + 4 &&
                offsetof(Frame, udp_offset) == offsetof(Frame, fate) + 5 &&
                offsetof(Frame, udp_bytes) == offsetof(Frame, fate) + 6);
  Store(reinterpret_cast<uint8_t*>(&out.fate), kShape | (mac_rest >> 56 & 3) << 24 | uint64_t{udp_bytes} << 48);
  return true;
}

// WriteOuter where IsUsual(to) and `in` has a checksum: field by field, with what never changes in constants.
[[gnu::always_inline]] inline void WriteUsual(const Frame& in, const PathWords& to, const MacAddress& own,
                                              uint8_t* __restrict out) {
  using namespace frame_words;
  using namespace usual;
  Store(out, to.mac_first());
  Store(out + 2, to.mac_rest());
  Store(out + 6, Load<uint32_t>(own.data()));
  Store(out + 10, Load<uint16_t>(own.data() + 4));

  constexpr uint32_t kVersion = 0x45;
  constexpr uint32_t kDontFragment = 0x0040;
  constexpr uint16_t kTtlAndProtocol = kTtl | uint16_t{kProtocolUdp} << 8;
  const uint32_t ecn = in.ecn;
  const uint16_t total = __builtin_bswap16(static_cast<uint16_t>(kIpv4Bytes + in.udp_bytes));
  const uint32_t source = to.local_ipv4();
  const uint32_t destination = to.remote_ipv4();
  const uint64_t addresses = uint64_t{source} + destination;
  const uint64_t header = uint64_t{kVersion + kDontFragment + kTtlAndProtocol} + (ecn << 8) + total + addresses;
  Store(out + 12, __builtin_bswap16(kTypeIpv4) | kVersion << 16 | ecn << 24);
  Store(out + kIp + 2, total);
  Store(out + kIp + 4, kDontFragment << 16);  // And the identification, 0.
  Store(out + kIp + 8, kTtlAndProtocol);
  Store(out + kIp + 10, static_cast<uint16_t>(~Fold(header)));
  Store(out + kIp + 12, source);
  Store(out + kIp + 16, destination);

  const uint16_t source_port = __builtin_bswap16(to.local_port());
  const uint16_t destination_port = __builtin_bswap16(to.remote_port());
  Store(out + kUdp, source_port);
  Store(out + kUdp + 2, destination_port);
  Store(out + kUdp + 6, UpdatedChecksum(in.udp_checksum, in.address_sum, addresses + source_port + destination_port));
}

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_USUAL_FRAME_H_
