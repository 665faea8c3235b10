#include "relay/dataplane/icmp.h"

#include <algorithm>

#include "geneve/wire.h"

namespace relay {
namespace {

constexpr size_t kIcmpBytes = 8;
constexpr uint8_t kProtocolIcmpv4 = 1;
constexpr uint8_t kProtocolIcmpv6 = 58;
constexpr uint8_t kTtl = 64;
constexpr uint16_t kDontFragment = 0x4000;
constexpr uint16_t kUnreachableTooBig = 0x0304;  // Type 3, code 4.
constexpr uint16_t kPacketTooBig = 0x0200;       // Type 2, code 0.
constexpr uint16_t kMinIpv4Mtu = 68;
constexpr uint16_t kMinIpv6Mtu = 1280;

std::span<const uint8_t> Ipv4Of(const std::array<uint8_t, 16>& mapped) { return std::span(mapped).last<4>(); }

bool MayBeAnswered(const Path& from) {
  if (IsRefusedSource(from.remote) || from.remote.IsLoopback() || (from.link.mac[0] & 1) != 0) return false;
  // "This network" and class E.
  return !from.IsIpv4() || (from.remote.ip[12] != 0 && from.remote.ip[12] < 240);
}

// RFC 1071, over big-endian words; not folded.
uint32_t Sum(std::span<const uint8_t> bytes, uint32_t sum = 0) {
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) sum += uint32_t{bytes[i]} << 8 | bytes[i + 1];
  if (bytes.size() % 2 != 0) sum += uint32_t{bytes.back()} << 8;
  return sum;
}
void WriteChecksum(uint32_t sum, std::span<uint8_t, 2> at) {
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  wire::StoreBe16(at, static_cast<uint16_t>(~sum));
}

void WriteEthernet(const Path& to, const MacAddress& own, wire::Writer& writer) {
  writer.Bytes(to.link.mac);
  writer.Bytes(own);
  if (to.link.vlan != 0) {
    writer.U16(0x8100);
    writer.U16(to.link.vlan);
  }
  writer.U16(to.IsIpv4() ? 0x0800 : 0x86dd);
}

void WriteIpv4(const Path& to, size_t icmp_bytes, wire::Writer& writer) {
  const size_t at = writer.size();
  writer.U16(0x4500);
  writer.U16(static_cast<uint16_t>(kIpv4Bytes + icmp_bytes));
  writer.U16(0);
  writer.U16(kDontFragment);
  writer.U8(kTtl);
  writer.U8(kProtocolIcmpv4);
  writer.U16(0);
  writer.Bytes(Ipv4Of(to.local_ip));
  writer.Bytes(Ipv4Of(to.remote.ip));
  const std::span<uint8_t> header = writer.written().subspan(at);
  WriteChecksum(Sum(header), header.subspan<10, 2>());
}

void WriteIpv6(const Path& to, size_t icmp_bytes, wire::Writer& writer) {
  writer.U32(0x60000000);
  writer.U16(static_cast<uint16_t>(icmp_bytes));
  writer.U8(kProtocolIcmpv6);
  writer.U8(kTtl);
  writer.Bytes(to.local_ip);
  writer.Bytes(to.remote.ip);
}

// RFC 4443 section 2.3; ICMPv4 has none.
uint32_t PseudoHeader(const Path& to, size_t icmp_bytes) {
  if (to.IsIpv4()) return 0;
  return Sum(to.local_ip, Sum(to.remote.ip)) + static_cast<uint32_t>(icmp_bytes) + kProtocolIcmpv6;
}

}  // namespace

uint16_t TooBigMtu(const Frame& in, uint16_t out_mtu, const Path& to) {
  // The sender's header is taken as one without options: it keeps one MTU for all that it sends our way, and what it
  // then sends with options is shorter still behind them.
  const size_t header_in = in.ipv4 ? kIpv4Bytes : kIpv6Bytes;
  const size_t header_out = IpPacketBytes(to, 0);
  const size_t mtu = out_mtu > header_out ? out_mtu - header_out + header_in : 0;
  const size_t least = in.ipv4 ? kMinIpv4Mtu : kMinIpv6Mtu;
  return static_cast<uint16_t>(std::clamp<size_t>(mtu, least, 0xffff));
}

size_t WriteTooBig(const Frame& in, std::span<const uint8_t> original, uint16_t mtu, const MacAddress& own,
                   std::span<uint8_t> out) {
  const Path& to = in.from;
  if (!MayBeAnswered(to) || original.size() < size_t{in.udp_offset} + kUdpBytes) return 0;
  const std::span<const uint8_t> packet = original.subspan(in.ip_offset);
  const size_t packet_bytes = size_t{in.udp_offset} - in.ip_offset + in.udp_bytes;
  const size_t room = in.ipv4 ? kMaxIcmpv4Bytes - kIpv4Bytes - kIcmpBytes : kMaxIcmpv6Bytes - kIpv6Bytes - kIcmpBytes;
  const std::span<const uint8_t> quoted = packet.first(std::min({packet.size(), packet_bytes, room}));
  const size_t icmp_bytes = kIcmpBytes + quoted.size();

  wire::Writer writer(out);
  WriteEthernet(to, own, writer);
  if (out.size() < OuterBytes(to) + icmp_bytes) return 0;
  if (in.ipv4) {
    WriteIpv4(to, icmp_bytes, writer);
  } else {
    WriteIpv6(to, icmp_bytes, writer);
  }
  const size_t icmp_at = writer.size();
  writer.U16(in.ipv4 ? kUnreachableTooBig : kPacketTooBig);
  writer.U16(0);
  writer.U32(mtu);  // ICMPv4: 16 unused bits, then the MTU; ICMPv6: all 32.
  writer.Bytes(quoted);
  const std::span<uint8_t> icmp = writer.written().subspan(icmp_at);
  WriteChecksum(Sum(icmp, PseudoHeader(to, icmp_bytes)), icmp.subspan<2, 2>());
  return writer.size();
}

}  // namespace relay
