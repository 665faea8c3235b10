#include "ingress/proxy_protocol.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <boost/crc.hpp>
#include <optional>
#include <span>
#include <vector>

#include "geneve/wire.h"
#include "relay/control/text.h"

namespace ingress {
namespace {

namespace text = relay::text;

constexpr std::string_view kV1Start = "PROXY ";
constexpr std::string_view kV2Signature{"\r\n\r\n\0\r\nQUIT\n", 12};
constexpr size_t kV2FixedSize = 16;  // Signature, version and command, family and transport, length.

// Version and command, then family and transport: four bits each.
constexpr uint8_t kLocal = 0x20;
constexpr uint8_t kProxy = 0x21;
constexpr uint8_t kTcpOverIpv4 = 0x11;
constexpr uint8_t kTcpOverIpv6 = 0x21;
constexpr uint8_t kMaxFamily = 3;     // Unspecified, IPv4, IPv6, UNIX.
constexpr uint8_t kMaxTransport = 2;  // Unspecified, stream, datagram.

constexpr uint8_t kTlvChecksum = 0x03;
constexpr size_t kTlvHeaderSize = 3;

// Do they begin alike, as far as the shorter one goes?
bool MayBecome(std::string_view bytes, std::string_view start) {
  const size_t size = std::min(bytes.size(), start.size());
  return bytes.substr(0, size) == start.substr(0, size);
}

// Decimal without leading zeros.
std::optional<uint16_t> ParsePort(std::string_view digits) {
  if (digits.size() > 1 && digits.front() == '0') return std::nullopt;
  return text::ParseNumber<uint16_t>(digits);
}

std::optional<AddrPort> ParseV1Address(bool ipv4, std::string_view ip, std::string_view port) {
  const std::optional<uint16_t> number = ParsePort(port);
  const std::string c_string(ip);
  if (!number || ip.find('\0') != std::string_view::npos) return std::nullopt;
  std::array<uint8_t, 4> v4{};
  if (ipv4) {
    if (inet_pton(AF_INET, c_string.c_str(), v4.data()) != 1) return std::nullopt;
    return AddrPort::FromIpv4(v4, *number);
  }
  AddrPort v6;
  v6.port = *number;
  if (inet_pton(AF_INET6, c_string.c_str(), v6.ip.data()) != 1) return std::nullopt;
  return v6;
}

// `line`: begins with kV1Start, its CRLF left out. Whatever UNKNOWN is followed by is ignored, as the protocol says.
bool ParseV1(std::string_view line, ProxyHeader& out) {
  line.remove_prefix(kV1Start.size());
  const std::vector<std::string_view> words = text::Split(line, ' ');
  if (words[0] == "UNKNOWN") return true;
  const bool ipv4 = words[0] == "TCP4";
  if ((!ipv4 && words[0] != "TCP6") || words.size() != 5) return false;
  const std::optional<AddrPort> source = ParseV1Address(ipv4, words[1], words[3]);
  const std::optional<AddrPort> destination = ParseV1Address(ipv4, words[2], words[4]);
  if (!source || !destination) return false;
  out.local = false;
  out.source = *source;
  out.destination = *destination;
  return true;
}

ProxyState ReadV1(std::string_view bytes, ProxyHeader& out) {
  const std::string_view line = bytes.substr(0, kMaxProxyV1Size);
  const size_t end = line.find("\r\n");
  if (end == std::string_view::npos) {
    return line.size() == kMaxProxyV1Size ? ProxyState::kMalformed : ProxyState::kReading;
  }
  ProxyHeader header;
  header.size = end + 2;
  if (!ParseV1(line.substr(0, end), header)) return ProxyState::kMalformed;
  out = header;
  return ProxyState::kDone;
}

// The header's CRC32C with zeros where it stands itself.
bool ChecksumIsRight(std::span<const uint8_t> header, size_t at) {
  static constexpr std::array<uint8_t, 4> kZeros{};
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
  crc.process_bytes(header.data(), at);
  crc.process_bytes(kZeros.data(), kZeros.size());
  const std::span<const uint8_t> behind = header.subspan(at + kZeros.size());
  crc.process_bytes(behind.data(), behind.size());
  return crc.checksum() == wire::LoadBe32(header.subspan(at).first<4>());
}

// Type, length, value, from `at` to the end of the header.
bool TlvsAreWellFormed(std::span<const uint8_t> header, size_t at) {
  while (at < header.size()) {
    if (header.size() - at < kTlvHeaderSize) return false;
    const uint8_t type = header[at];
    const size_t size = wire::LoadBe16(header.subspan(at + 1).first<2>());
    at += kTlvHeaderSize;
    if (header.size() - at < size) return false;
    if (type == kTlvChecksum && (size != 4 || !ChecksumIsRight(header, at))) return false;
    at += size;
  }
  return true;
}

AddrPort TakeIp(wire::Reader& reader, bool ipv4) {
  if (ipv4) return AddrPort::FromIpv4(reader.Bytes<4>(), 0);
  return {.ip = reader.Bytes<16>()};
}

// `header`: the whole of it. Of LOCAL and of what is not TCP over IP nothing but the length is looked at.
bool ParseV2(std::span<const uint8_t> header, ProxyHeader& out) {
  const uint8_t family = header[13];
  const bool ipv4 = family == kTcpOverIpv4;
  if (header[12] == kLocal || (!ipv4 && family != kTcpOverIpv6)) return true;
  wire::Reader reader(header.subspan(kV2FixedSize));
  out.local = false;
  out.source = TakeIp(reader, ipv4);
  out.destination = TakeIp(reader, ipv4);
  out.source.port = reader.U16();
  out.destination.port = reader.U16();
  return reader.ok() && TlvsAreWellFormed(header, header.size() - reader.rest().size());
}

ProxyState ReadV2(std::span<const uint8_t> bytes, ProxyHeader& out) {
  if (bytes.size() > 12 && bytes[12] != kLocal && bytes[12] != kProxy) return ProxyState::kMalformed;
  if (bytes.size() > 13 && (bytes[13] >> 4 > kMaxFamily || (bytes[13] & 0xf) > kMaxTransport)) {
    return ProxyState::kMalformed;
  }
  if (bytes.size() < kV2FixedSize) return ProxyState::kReading;
  ProxyHeader header;
  header.size = kV2FixedSize + wire::LoadBe16(bytes.subspan<14, 2>());
  if (header.size > kMaxProxyHeaderSize) return ProxyState::kMalformed;
  if (bytes.size() < header.size) return ProxyState::kReading;
  if (!ParseV2(bytes.first(header.size), header)) return ProxyState::kMalformed;
  out = header;
  return ProxyState::kDone;
}

bool BothAreIpv4(const AddrPort& a, const AddrPort& b) { return a.IsIpv4() && b.IsIpv4(); }

std::string V1Ip(AddrPort addr, bool ipv4) {
  addr.scope = 0;
  return !ipv4 && addr.IsIpv4() ? "::ffff:" + addr.IpToString() : addr.IpToString();
}

}  // namespace

ProxyState ReadProxyHeader(std::string_view bytes, ProxyHeader& out) {
  if (bytes.empty()) return ProxyState::kReading;
  if (MayBecome(bytes, kV1Start)) return ReadV1(bytes, out);
  if (!MayBecome(bytes, kV2Signature)) return ProxyState::kMalformed;
  return ReadV2({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, out);
}

std::string WriteProxyV1(const AddrPort& source, const AddrPort& destination) {
  const bool ipv4 = BothAreIpv4(source, destination);
  return text::Cat(kV1Start, ipv4 ? "TCP4 " : "TCP6 ", V1Ip(source, ipv4), " ", V1Ip(destination, ipv4), " ",
                   source.port, " ", destination.port, "\r\n");
}

std::string WriteProxyV2(const AddrPort& source, const AddrPort& destination) {
  const bool ipv4 = BothAreIpv4(source, destination);
  const size_t ip_size = ipv4 ? 4 : 16;
  std::array<uint8_t, kV2FixedSize + 36> out{};
  wire::Writer writer(out);
  writer.Bytes({reinterpret_cast<const uint8_t*>(kV2Signature.data()), kV2Signature.size()});
  writer.U8(kProxy);
  writer.U8(ipv4 ? kTcpOverIpv4 : kTcpOverIpv6);
  writer.U16(static_cast<uint16_t>(2 * ip_size + 4));
  writer.Bytes(std::span(source.ip).last(ip_size));
  writer.Bytes(std::span(destination.ip).last(ip_size));
  writer.U16(source.port);
  writer.U16(destination.port);
  return {reinterpret_cast<const char*>(out.data()), writer.size()};
}

}  // namespace ingress
