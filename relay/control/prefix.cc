#include "relay/control/prefix.h"

#include <arpa/inet.h>

#include <algorithm>

#include "relay/control/text.h"

namespace relay {
namespace {

constexpr uint8_t kMappedBits = 96;

std::optional<AddrPort> ParseIp(const std::string& text) {
  std::array<uint8_t, 4> v4{};
  if (inet_pton(AF_INET, text.c_str(), v4.data()) == 1) return AddrPort::FromIpv4(v4, 0);
  AddrPort v6;
  if (inet_pton(AF_INET6, text.c_str(), v6.ip.data()) == 1) return v6;
  return std::nullopt;
}

}  // namespace

std::optional<Prefix> Prefix::Parse(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos || text.find('\0') != std::string_view::npos) return std::nullopt;
  const std::string host(text.substr(0, slash));
  const std::string_view length = text.substr(slash + 1);
  const std::optional<AddrPort> addr = ParseIp(host);
  const std::optional<uint8_t> number = text::ParseNumber<uint8_t>(length);
  if (!addr || !number || (length.size() > 1 && length[0] == '0')) return std::nullopt;
  const int bits = *number + (host.find(':') == std::string::npos ? kMappedBits : 0);
  if (bits > 128) return std::nullopt;
  return Of(*addr, static_cast<uint8_t>(bits));
}

Prefix Prefix::Of(const AddrPort& addr, uint8_t bits) {
  Prefix prefix{.ip = addr.ip, .bits = bits};
  for (size_t i = 0; i < prefix.ip.size(); ++i) {
    const int kept = std::clamp(bits - static_cast<int>(8 * i), 0, 8);
    prefix.ip[i] = static_cast<uint8_t>(prefix.ip[i] & (0xff00 >> kept));
  }
  return prefix;
}

bool Prefix::IsIpv4() const { return bits >= kMappedBits && AddrPort{.ip = ip}.IsIpv4(); }

bool Prefix::Contains(const AddrPort& addr) const { return IsIpv4() == addr.IsIpv4() && Of(addr, bits).ip == ip; }

std::string Prefix::ToString() const {
  return AddrPort{.ip = ip}.IpToString() + '/' + std::to_string(IsIpv4() ? bits - kMappedBits : bits);
}

}  // namespace relay
