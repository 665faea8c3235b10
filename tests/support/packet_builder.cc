#include "tests/support/packet_builder.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "geneve/geneve.h"
#include "tests/support/frame_checker.h"

namespace test {
namespace {

void Append(Bytes& out, std::span<const uint8_t> bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }
void Append16(Bytes& out, uint32_t value) {
  out.push_back(static_cast<uint8_t>(value >> 8));
  out.push_back(static_cast<uint8_t>(value));
}
void Put16(Bytes& out, size_t at, uint32_t value) {
  out[at] = static_cast<uint8_t>(value >> 8);
  out[at + 1] = static_cast<uint8_t>(value);
}

struct Addresses {
  disco::AddrPort from;
  disco::AddrPort to;
  bool ipv4;
  std::span<const uint8_t> Wire(const disco::AddrPort& a) const {
    return ipv4 ? std::span<const uint8_t>(a.ip).last(4) : std::span<const uint8_t>(a.ip);
  }
};

Bytes Udp(const PacketRow& row, const Addresses& at) {
  Bytes out;
  Append16(out, at.from.port);
  Append16(out, at.to.port);
  const size_t length = 8 + row.payload.size();
  Append16(out, row.udp_length.value_or(static_cast<uint16_t>(length)));
  Append16(out, 0);
  Append(out, row.payload);
  uint32_t checksum = 0;
  if (row.udp_checksum) {
    checksum = *row.udp_checksum;
  } else {
    uint32_t sum = 17 + static_cast<uint32_t>(length);
    sum = InternetSum(at.Wire(at.from), sum);
    sum = InternetSum(at.Wire(at.to), sum);
    checksum = uint16_t(~InternetSum(out, sum)) + uint32_t{row.udp_checksum_error};
    checksum = (checksum & 0xffff) + (checksum >> 16);
    if (checksum == 0) checksum = 0xffff;
  }
  Put16(out, 6, checksum);
  Append(out, row.behind_udp);
  return out;
}

void AppendIpv4(Bytes& out, const PacketRow& row, const Addresses& at, const Bytes& payload) {
  Bytes header;
  const size_t bytes = 20 + row.options.size();
  header.push_back(
      static_cast<uint8_t>(row.version.value_or(4) << 4 | row.header_words.value_or(static_cast<uint8_t>(bytes / 4))));
  header.push_back(row.traffic_class);
  Append16(header, row.ip_length.value_or(static_cast<uint16_t>(bytes + payload.size())));
  if (row.fragment) {
    Append16(header, row.fragment->id);
    Append16(header, row.fragment->offset / 8u | (row.fragment->more ? 0x2000u : 0u));
  } else {
    Append16(header, row.id);
    Append16(header, row.flags);
  }
  header.push_back(row.ttl);
  header.push_back(row.protocol);
  Append16(header, 0);
  Append(header, at.Wire(at.from));
  Append(header, at.Wire(at.to));
  Append(header, row.options);
  Put16(header, 10, row.ip_checksum.value_or(static_cast<uint16_t>(~InternetSum(header))));
  Append(out, header);
}

void AppendIpv6(Bytes& out, const PacketRow& row, const Addresses& at, const Bytes& payload) {
  const size_t more = row.options.size() + (row.fragment ? 8 : 0);
  out.push_back(static_cast<uint8_t>(row.version.value_or(6) << 4 | row.traffic_class >> 4));
  out.push_back(static_cast<uint8_t>(row.traffic_class << 4 | 0xa));  // A flow label, which must not be copied.
  Append16(out, 0xbcde);
  Append16(out, row.ip_length.value_or(static_cast<uint16_t>(more + payload.size())));
  out.push_back(row.fragment ? uint8_t{44} : row.options.empty() ? row.protocol : row.extension);
  out.push_back(row.ttl);
  Append(out, at.Wire(at.from));
  Append(out, at.Wire(at.to));
  if (row.fragment) {
    out.push_back(row.protocol);
    out.push_back(0);
    Append16(out, row.fragment->offset | (row.fragment->more ? 1u : 0u));
    Append16(out, row.fragment->id >> 16);
    Append16(out, row.fragment->id);
  }
  Append(out, row.options);
}

}  // namespace

Bytes Build(const PacketRow& row) {
  Addresses at{AddrOf(row.from), AddrOf(row.to), false};
  at.ipv4 = at.from.IsIpv4() && !row.mapped;
  Bytes out;
  Append(out, row.to_mac);
  Append(out, row.from_mac);
  if (row.outer_vlan) {
    Append16(out, 0x88a8);
    Append16(out, *row.outer_vlan);
  }
  if (row.vlan) {
    Append16(out, 0x8100);
    Append16(out, *row.vlan);
  }
  Append16(out, row.ether_type.value_or(at.ipv4 ? 0x0800 : 0x86dd));

  Bytes payload = Udp(row, at);
  if (row.fragment) {
    const size_t begin = std::min<size_t>(row.fragment->offset, payload.size());
    const size_t end = std::min<size_t>(begin + row.fragment->size, payload.size());
    payload =
        Bytes(payload.begin() + static_cast<std::ptrdiff_t>(begin), payload.begin() + static_cast<std::ptrdiff_t>(end));
  }
  if (at.ipv4) {
    AppendIpv4(out, row, at, payload);
  } else {
    AppendIpv6(out, row, at, payload);
  }
  Append(out, payload);
  out.resize(out.size() + row.padding, 0xee);
  if (row.cut_to) out.resize(*row.cut_to);
  return out;
}

Bytes GeneveData(uint32_t vni, size_t bytes) {
  Bytes out(geneve::kHeaderSize + bytes);
  geneve::Write({.vni = vni, .protocol = geneve::kProtocolWireGuard, .version = 0, .control = false},
                std::span(out).first<geneve::kHeaderSize>());
  for (size_t i = 0; i < bytes; ++i) out[geneve::kHeaderSize + i] = static_cast<uint8_t>(i * 7 + 3);
  return out;
}

disco::AddrPort AddrOf(const std::string& text) {
  const std::optional<disco::AddrPort> addr = disco::AddrPort::Parse(text);
  if (!addr) {
    std::fprintf(stderr, "not an address: %s\n", text.c_str());
    std::abort();
  }
  return *addr;
}

}  // namespace test
