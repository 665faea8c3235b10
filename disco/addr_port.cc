#include "disco/addr_port.h"

#include <arpa/inet.h>
#include <net/if.h>

#include <charconv>
#include <cstring>

namespace disco {
namespace {

// What RFC 5952 section 4.2 writes as "::": the longest run of zero groups, the first of equals, never one group alone.
struct ZeroRun {
  size_t start = 8;
  size_t length = 1;
};

ZeroRun LongestZeroRun(const std::array<uint16_t, 8>& groups) {
  ZeroRun best;
  for (size_t i = 0; i < groups.size();) {
    size_t end = i;
    while (end < groups.size() && groups[end] == 0) ++end;
    if (end - i > best.length) best = {.start = i, .length = end - i};
    i = end + 1;
  }
  return best;
}

void AppendNumber(std::string& out, uint32_t value, int base) {
  char digits[10];
  const auto [end, error] = std::to_chars(digits, digits + sizeof(digits), value, base);
  out.append(digits, end);
}

void AppendIpv6(std::string& out, const std::array<uint8_t, 16>& ip) {
  std::array<uint16_t, 8> groups{};
  for (size_t i = 0; i < groups.size(); ++i) groups[i] = static_cast<uint16_t>(ip[2 * i] << 8 | ip[2 * i + 1]);
  const ZeroRun run = LongestZeroRun(groups);
  for (size_t i = 0; i < groups.size(); ++i) {
    if (i == run.start) {
      out += "::";
      i += run.length - 1;
      continue;
    }
    if (i != 0 && i != run.start + run.length) out += ':';
    AppendNumber(out, groups[i], 16);
  }
}

// Decimal digits alone, at most `max`. Go's strconv.ParseUint: leading zeros pass, signs and spaces do not.
std::optional<uint32_t> ParseNumber(std::string_view text, uint32_t max) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > max) return std::nullopt;
  return value;
}

// inet_pton wants a C string, and accepts in either family what Go's netip.ParseAddr does.
bool ParseIp(int family, std::string_view text, void* out) {
  char buffer[INET6_ADDRSTRLEN];
  if (text.size() >= sizeof(buffer) || text.find('\0') != text.npos) return false;
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
  return inet_pton(family, buffer, out) == 1;
}

std::optional<uint32_t> ParseZone(std::string_view zone) {
  if (const std::optional<uint32_t> index = ParseNumber(zone, UINT32_MAX)) return *index != 0 ? index : std::nullopt;
  if (zone.empty() || zone.size() >= IF_NAMESIZE || zone.find('\0') != zone.npos) return std::nullopt;
  const uint32_t index = if_nametoindex(std::string(zone).c_str());
  return index != 0 ? std::optional(index) : std::nullopt;
}

}  // namespace

AddrPort AddrPort::FromIpv4(std::array<uint8_t, 4> ip, uint16_t port) {
  return {.ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ip[0], ip[1], ip[2], ip[3]}, .port = port};
}

bool AddrPort::IsUnspecified() const {
  if (IsIpv4()) return (ip[12] | ip[13] | ip[14] | ip[15]) == 0;
  return ip == std::array<uint8_t, 16>{};
}

bool AddrPort::IsMulticast() const { return IsIpv4() ? (ip[12] & 0xf0) == 0xe0 : ip[0] == 0xff; }

bool AddrPort::IsBroadcast() const { return IsIpv4() && (ip[12] & ip[13] & ip[14] & ip[15]) == 0xff; }

bool AddrPort::IsLinkLocal() const {
  return IsIpv4() ? ip[12] == 169 && ip[13] == 254 : ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80;
}

bool AddrPort::IsLoopback() const {
  if (IsIpv4()) return ip[12] == 127;
  return ip == std::array<uint8_t, 16>{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
}

std::string AddrPort::IpToString() const {
  std::string out;
  if (IsIpv4()) {
    for (size_t i = 12; i < 16; ++i) {
      if (i != 12) out += '.';
      AppendNumber(out, ip[i], 10);
    }
    return out;
  }
  AppendIpv6(out, ip);
  if (scope != 0) {
    out += '%';
    AppendNumber(out, scope, 10);
  }
  return out;
}

std::string AddrPort::ToString() const {
  std::string out = IsIpv4() ? IpToString() : '[' + IpToString() + ']';
  out += ':';
  AppendNumber(out, port, 10);
  return out;
}

std::optional<AddrPort> AddrPort::Parse(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == text.npos || colon == 0) return std::nullopt;
  const std::optional<uint32_t> port = ParseNumber(text.substr(colon + 1), UINT16_MAX);
  if (!port) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  if (host.front() != '[') {
    std::array<uint8_t, 4> ip4{};
    if (!ParseIp(AF_INET, host, ip4.data())) return std::nullopt;
    return FromIpv4(ip4, static_cast<uint16_t>(*port));
  }
  if (host.back() != ']') return std::nullopt;
  host = host.substr(1, host.size() - 2);
  AddrPort out;
  out.port = static_cast<uint16_t>(*port);
  const size_t percent = host.find('%');
  if (!ParseIp(AF_INET6, host.substr(0, percent), out.ip.data())) return std::nullopt;
  if (percent == host.npos) return out;
  if (out.IsIpv4() || !out.IsLinkLocal()) return std::nullopt;  // Elsewhere a zone has no meaning.
  const std::optional<uint32_t> scope = ParseZone(host.substr(percent + 1));
  if (!scope) return std::nullopt;
  out.scope = *scope;
  return out;
}

AddrPort ReadAddrPort(wire::Reader& reader) {
  AddrPort out;
  out.ip = reader.Bytes<16>();
  out.port = reader.U16();
  return out;
}

void WriteAddrPort(const AddrPort& addr, wire::Writer& writer) {
  writer.Bytes(addr.ip);
  writer.U16(addr.port);
}

}  // namespace disco
