#include "relay/dataplane/frame.h"

#include <bit>
#include <cstring>

#include "relay/dataplane/frame_words.h"

namespace relay {
namespace {

using namespace frame_words;

bool IsMapped(const uint8_t* ip) { return Load<uint64_t>(ip) == 0 && Load<uint32_t>(ip + 8) == 0xffff0000; }
// As IsMartianIpv4 (RFC 4291 section 2.5).
bool IsMartianIpv6(const uint8_t* ip) {
  const bool low = Load<uint64_t>(ip) == 0 && __builtin_bswap64(Load<uint64_t>(ip + 8)) <= 1;  // :: and ::1
  return low || ip[0] == 0xff || IsMapped(ip);
}
bool IsLinkLocal(const uint8_t* ip) { return ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80; }

void Drop(DropReason reason, Frame& out) {
  out.fate = Frame::Fate::kDrop;
  out.reason = reason;
}

bool HeaderChecksumIsRight(const uint8_t* ip, size_t bytes) {
  uint64_t sum = Sum16(ip) + Sum4(ip + 16);
  for (size_t i = kIpv4Bytes; i < bytes; i += 4) sum += Sum4(ip + i);  // Options.
  return Fold(sum) == 0xffff;
}

// Reads the UDP header, and completes `out` if the datagram is ours. `ip_payload` bytes are behind the IP header.
[[gnu::always_inline]] inline bool ParseUdp(const uint8_t* frame, const uint8_t* udp, size_t ip_payload, uint16_t vlan,
                                            uint32_t scope, uint64_t address_sum, const FrameContext& context,
                                            Frame& out) {
  if (ip_payload < kUdpBytes) {
    Drop(DropReason::kBadUdpLength, out);
    return false;
  }
  if (Be16(udp + 2) != context.udp_port) return false;
  out.udp_bytes = Be16(udp + 4);
  if (out.udp_bytes < kUdpBytes || out.udp_bytes > ip_payload) {
    Drop(DropReason::kBadUdpLength, out);
    return false;
  }
  out.udp_checksum = Load<uint16_t>(udp + 6);
  out.address_sum = address_sum + Sum4(udp);
  out.udp_offset = static_cast<uint8_t>(udp - frame);
  PathWriter path(out.from);
  path.Word(kRemotePort, uint64_t{scope} | uint64_t{Be16(udp)} << 32);
  const uint8_t* const mac = frame + 6;
  path.Word(kLocalPort, uint64_t{context.udp_port} | uint64_t{context.link_port} << 16 | uint64_t{vlan} << 32 |
                            uint64_t{Load<uint16_t>(mac)} << 48);
  path.Word(kLastWord, uint64_t{Load<uint32_t>(mac + 2)} | uint64_t{out.ipv4 ? 0 : context.interface} << 32);
  out.fate = Frame::Fate::kRelay;
  return true;
}

[[gnu::always_inline]] inline void ParseIpv4(const uint8_t* frame, size_t size, uint16_t vlan,
                                             const FrameContext& context, Frame& out) {
  const uint8_t* const ip = frame + out.ip_offset;
  if (size < kIpv4Bytes || ip[0] >> 4 != 4) return Drop(DropReason::kBadIpHeader, out);
  const size_t header = size_t{ip[0] & 0x0fu} * 4;
  const size_t total = Be16(ip + 2);
  if (header < kIpv4Bytes || total < header || total > size) return Drop(DropReason::kBadIpHeader, out);
  if (ip[9] != kProtocolUdp) return;
  PathWriter path(out.from);
  path.Ipv4(kLocalIp, ip + 16);
  if (!context.IsOurs(out.from.local_ip)) return;
  out.ipv4 = true;
  if ((Be16(ip + 6) & kMoreFragmentsOrOffset) != 0) {
    out.fate = Frame::Fate::kFragment;
    if (!context.checksum_good && !HeaderChecksumIsRight(ip, header)) Drop(DropReason::kBadIpChecksum, out);
    return;
  }
  path.Ipv4(kRemoteIp, ip + 12);
  out.ecn = ip[1] & 3;
  if (!ParseUdp(frame, ip + header, total - header, vlan, 0, Sum4(ip + 12) + Sum4(ip + 16), context, out)) return;
  if (!context.checksum_good && !HeaderChecksumIsRight(ip, header)) return Drop(DropReason::kBadIpChecksum, out);
  if (IsMartianIpv4(ip + 12)) Drop(DropReason::kRefusedSource, out);
}

void ParseIpv6(const uint8_t* frame, size_t size, uint16_t vlan, const FrameContext& context, Frame& out) {
  const uint8_t* const ip = frame + out.ip_offset;
  if (size < kIpv6Bytes || ip[0] >> 4 != 6) return Drop(DropReason::kBadIpHeader, out);
  const size_t payload = Be16(ip + 4);
  if (payload > size - kIpv6Bytes) return Drop(DropReason::kBadIpHeader, out);
  if (ip[6] != kProtocolUdp && ip[6] != kIpv6Fragment) return;
  const uint8_t* const source = ip + 8;
  // On the wire a v4-mapped address is nobody's; within relayd it is an IPv4 one.
  if (IsMapped(ip + 24)) return;
  PathWriter path(out.from);
  path.Ipv6(kLocalIp, ip + 24);
  if (!context.IsOurs(out.from.local_ip)) return;
  out.ipv4 = false;
  if (ip[6] == kIpv6Fragment) {
    if (payload < kIpv6FragmentBytes) return Drop(DropReason::kBadIpHeader, out);
    if (ip[kIpv6Bytes] != kProtocolUdp) return;
    out.fate = Frame::Fate::kFragment;
    return;
  }
  path.Ipv6(kRemoteIp, source);
  out.ecn = ip[1] >> 4 & 3;
  const uint32_t scope = IsLinkLocal(source) ? context.interface : 0;
  if (!ParseUdp(frame, ip + kIpv6Bytes, payload, vlan, scope, Sum16(source) + Sum16(ip + 24), context, out)) return;
  if (IsMartianIpv6(source)) return Drop(DropReason::kRefusedSource, out);
  if (out.udp_checksum == 0) Drop(DropReason::kZeroChecksum, out);
}

uint64_t Half(uint64_t word) { return (word & 0xffffffff) + (word >> 32); }
// Of both addresses.
uint64_t AddressSum(const PathWords& to) {
  if (to.IsIpv4()) return uint64_t{to.remote_ipv4()} + to.local_ipv4();
  return Half(to.remote_high) + Half(to.remote_low) + Half(to.local_high) + Half(to.local_low);
}
// Both, as they stand in a packet from us.
uint32_t PortsOf(const PathWords& to) {
  return uint32_t{__builtin_bswap16(to.local_port())} | uint32_t{__builtin_bswap16(to.remote_port())} << 16;
}

// Returns where the IP header begins.
[[gnu::always_inline]] inline uint8_t* WriteEthernet(const PathWords& to, const MacAddress& own, uint8_t* out) {
  Store(out, to.mac_first());
  Store(out + 2, to.mac_rest());
  Store(out + 6, Load<uint32_t>(own.data()));
  Store(out + 10, Load<uint16_t>(own.data() + 4));
  out += 12;
  if (to.vlan() != 0) {
    StoreBe16(out, kTypeVlan);
    StoreBe16(out + 2, to.vlan());
    out += kVlanTagBytes;
  }
  StoreBe16(out, to.IsIpv4() ? kTypeIpv4 : kTypeIpv6);
  return out + 2;
}

// Both return where the UDP header begins.
[[gnu::always_inline]] inline uint8_t* WriteIpv4(const PathWords& to, uint8_t ecn, size_t udp_bytes, uint8_t* ip) {
  const auto total = static_cast<uint16_t>(kIpv4Bytes + udp_bytes);
  const uint32_t first = 0x45u | uint32_t{ecn} << 8 | uint32_t{__builtin_bswap16(total)} << 16;
  constexpr uint32_t kDontFragment = 0x0040u << 16;
  constexpr uint32_t kThird = kTtl | uint32_t{kProtocolUdp} << 8;
  const auto checksum = static_cast<uint16_t>(~Fold(uint64_t{first} + kDontFragment + kThird + AddressSum(to)));
  Store<uint32_t>(ip, first);
  Store<uint32_t>(ip + 4, kDontFragment);
  Store<uint32_t>(ip + 8, kThird | uint32_t{checksum} << 16);
  Store(ip + 12, to.local_ipv4());
  Store(ip + 16, to.remote_ipv4());
  return ip + kIpv4Bytes;
}

inline uint8_t* WriteIpv6(const PathWords& to, uint8_t ecn, size_t udp_bytes, uint8_t* ip) {
  const uint32_t length_and_hops = uint32_t{__builtin_bswap16(static_cast<uint16_t>(udp_bytes))} |
                                   uint32_t{kProtocolUdp} << 16 | uint32_t{kTtl} << 24;
  Store<uint32_t>(ip, 0x60u | uint32_t{ecn} << 12);
  Store<uint32_t>(ip + 4, length_and_hops);
  Store(ip + 8, to.local_high);
  Store(ip + 16, to.local_low);
  Store(ip + 24, to.remote_high);
  Store(ip + 32, to.remote_low);
  return ip + kIpv6Bytes;
}

[[gnu::always_inline]] inline uint8_t* WriteHeaders(const PathWords& to, const MacAddress& own, uint8_t ecn,
                                                    size_t udp_bytes, uint8_t* out) {
  uint8_t* const ip = WriteEthernet(to, own, out);
  return to.IsIpv4() ? WriteIpv4(to, ecn, udp_bytes, ip) : WriteIpv6(to, ecn, udp_bytes, ip);
}

}  // namespace

void ParseFrame(std::span<const uint8_t> head, size_t frame_bytes, const FrameContext& context, Frame& out) {
  const uint8_t* const frame = head.data();
  out.fate = Frame::Fate::kKernel;
  // A group address at layer 2 is nobody's way to send us a datagram (RFC 1122 section 3.3.6), nor one to answer to.
  if (frame_bytes < kEthernetBytes + kVlanTagBytes || ((frame[0] | frame[6]) & 1) != 0) return;
  uint16_t type = Be16(frame + 12);
  uint16_t vlan = 0;
  out.ip_offset = kEthernetBytes;
  if (type == kTypeVlan) {
    vlan = Be16(frame + 14) & kVlanId;  // A priority tag (VLAN 0) is answered without one.
    type = Be16(frame + 16);
    out.ip_offset = kEthernetBytes + kVlanTagBytes;
  }
  const size_t size = frame_bytes - out.ip_offset;
  if (type == kTypeIpv4) return ParseIpv4(frame, size, vlan, context, out);
  if (type == kTypeIpv6) return ParseIpv6(frame, size, vlan, context, out);
}

bool WriteOuter(const Frame& in, const Path& path, const MacAddress& own, uint8_t* out) {
  PathWords to = PathWords::Of(path);
  const uint16_t old_checksum = in.udp_checksum;
  const uint64_t old_sum = in.address_sum;
  uint8_t* const udp = WriteHeaders(to, own, in.ecn, in.udp_bytes, out);
  Store(udp, PortsOf(to));
  if (old_checksum == 0) return to.IsIpv4();
  Store(udp + 6, UpdatedChecksum(old_checksum, old_sum, AddressSum(to) + PortsOf(to)));
  return true;
}

void WriteOwnOuter(const Path& path, const MacAddress& own, size_t payload_bytes, uint8_t* out) {
  const size_t udp_bytes = kUdpBytes + payload_bytes;
  PathWords to = PathWords::Of(path);
  uint8_t* const udp = WriteHeaders(to, own, 0, udp_bytes, out);
  Store(udp, PortsOf(to));
  StoreBe16(udp + 4, static_cast<uint16_t>(udp_bytes));
  Store<uint16_t>(udp + 6, 0);
}

uint16_t PseudoHeaderSum(const Path& to, size_t udp_bytes) {
  const uint64_t protocol_and_length =
      uint64_t{kProtocolUdp} << 8 | uint64_t{__builtin_bswap16(static_cast<uint16_t>(udp_bytes))} << 16;
  return Fold(AddressSum(PathWords::Of(to)) + protocol_and_length);
}

}  // namespace relay
