#include "tests/support/frame_checker.h"

#include <algorithm>
#include <cstring>

#include "geneve/wire.h"

namespace test {
namespace {

Seen Wrong(const char* why) {
  Seen seen;
  seen.error = why;
  return seen;
}

bool ReadEthernet(wire::Reader& reader, uint16_t& type, Seen& seen) {
  seen.to_mac = reader.Bytes<6>();
  seen.from_mac = reader.Bytes<6>();
  type = reader.U16();
  if (type == 0x8100) {
    seen.vlan = reader.U16();
    type = reader.U16();
  }
  return reader.ok();
}

const char* ReadIpv4(wire::Reader& reader, Seen& seen) {
  const std::span<const uint8_t> packet = reader.rest();
  const uint8_t first = reader.U8();
  seen.ip_header_bytes = size_t{first & 0xfu} * 4;
  seen.traffic_class = reader.U8();
  const size_t total = reader.U16();
  seen.id = reader.U16();
  seen.flags_and_offset = reader.U16();
  seen.ttl = reader.U8();
  seen.protocol = reader.U8();
  reader.U16();
  seen.from = disco::AddrPort::FromIpv4(reader.Bytes<4>(), 0);
  seen.to = disco::AddrPort::FromIpv4(reader.Bytes<4>(), 0);
  if (!reader.ok() || first >> 4 != 4) return "not an IPv4 header";
  if (seen.ip_header_bytes < 20 || total < seen.ip_header_bytes || total > packet.size()) return "IPv4 lengths";
  if (InternetSum(packet.first(seen.ip_header_bytes)) != 0xffff) return "IPv4 header checksum";
  seen.ip_payload.assign(packet.begin() + static_cast<std::ptrdiff_t>(seen.ip_header_bytes),
                         packet.begin() + static_cast<std::ptrdiff_t>(total));
  seen.padding = packet.size() - total;
  return nullptr;
}

const char* ReadIpv6(wire::Reader& reader, Seen& seen) {
  const uint32_t first = reader.U32();
  seen.ip_header_bytes = 40;
  seen.traffic_class = static_cast<uint8_t>(first >> 20);
  seen.flow_label = first & 0xfffff;
  const size_t payload = reader.U16();
  seen.protocol = reader.U8();
  seen.ttl = reader.U8();
  seen.from.ip = reader.Bytes<16>();
  seen.to.ip = reader.Bytes<16>();
  if (!reader.ok() || first >> 28 != 6) return "not an IPv6 header";
  if (payload > reader.rest().size()) return "IPv6 length";
  seen.ip_payload.assign(reader.rest().begin(), reader.rest().begin() + static_cast<std::ptrdiff_t>(payload));
  seen.padding = reader.rest().size() - payload;
  return nullptr;
}

// A right checksum makes the sum 0xffff, which is 0 in one's complement.
uint16_t ErrorOf(const Seen& seen, std::span<const uint8_t> bytes) {
  uint32_t sum = static_cast<uint32_t>(bytes.size()) + seen.protocol;
  if (seen.ipv4) {
    sum = InternetSum(std::span(seen.from.ip).last(4), sum);
    sum = InternetSum(std::span(seen.to.ip).last(4), sum);
  } else {
    sum = InternetSum(seen.from.ip, sum);
    sum = InternetSum(seen.to.ip, sum);
  }
  const uint16_t folded = InternetSum(bytes, sum);
  return folded == 0xffff ? uint16_t{0} : folded;
}

const char* ReadUdp(Seen& seen) {
  wire::Reader reader(seen.ip_payload);
  seen.from.port = reader.U16();
  seen.to.port = reader.U16();
  seen.udp_length = reader.U16();
  seen.udp_checksum = reader.U16();
  if (!reader.ok() || seen.udp_length < 8 || seen.udp_length > seen.ip_payload.size()) return "UDP length";
  const std::span<const uint8_t> datagram = std::span(seen.ip_payload).first(seen.udp_length);
  seen.payload.assign(datagram.begin() + 8, datagram.end());
  if (seen.udp_checksum != 0) seen.udp_error = ErrorOf(seen, datagram);
  return nullptr;
}

}  // namespace

uint16_t InternetSum(std::span<const uint8_t> bytes, uint32_t sum) {
  for (size_t i = 0; i < bytes.size(); ++i) sum += i % 2 == 0 ? uint32_t{bytes[i]} << 8 : bytes[i];
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

Seen Inspect(std::span<const uint8_t> frame) {
  Seen seen;
  wire::Reader reader(frame);
  uint16_t type = 0;
  if (!ReadEthernet(reader, type, seen)) return Wrong("no Ethernet header");
  if (type != 0x0800 && type != 0x86dd) return Wrong("neither IPv4 nor IPv6");
  seen.ipv4 = type == 0x0800;
  if (const char* const why = seen.ipv4 ? ReadIpv4(reader, seen) : ReadIpv6(reader, seen)) return Wrong(why);
  if (seen.protocol == 17) {
    if (const char* const why = ReadUdp(seen)) return Wrong(why);
  } else if (seen.protocol == 58) {
    seen.icmp_error = ErrorOf(seen, seen.ip_payload);
  } else if (seen.protocol == 1) {
    seen.icmp_error = static_cast<uint16_t>(~InternetSum(seen.ip_payload));
  }
  return seen;
}

Bytes Rewritten(std::span<const uint8_t> frame, const relay::Frame& in, const relay::Path& to,
                const relay::MacAddress& own) {
  constexpr size_t kHeadroom = 128;
  Bytes buffer(kHeadroom + frame.size());
  std::copy(frame.begin(), frame.end(), buffer.begin() + kHeadroom);
  uint8_t* const udp = buffer.data() + kHeadroom + in.udp_offset;
  uint8_t* const begin = udp - relay::OuterBytes(to);
  if (!relay::WriteOuter(in, to, own, begin)) {
    // In the order of memory, as ChecksumOf wants it.
    const uint16_t sum = __builtin_bswap16(InternetSum({udp, in.udp_bytes}));
    const uint16_t checksum = relay::ChecksumOf(relay::PseudoHeaderSum(to, in.udp_bytes), sum);
    std::memcpy(udp + 6, &checksum, sizeof(checksum));
  }
  return {begin, udp + in.udp_bytes};
}

}  // namespace test
