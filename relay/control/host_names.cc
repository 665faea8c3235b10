#include "relay/control/host_names.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <utility>

#include "relay/control/text.h"

namespace relay {
namespace {

using disco::AddrPort;
using Ip = std::array<uint8_t, 16>;

std::optional<Ip> ParseIp(std::string_view text) {
  char copy[INET6_ADDRSTRLEN];
  if (text.size() >= sizeof(copy)) return std::nullopt;
  copy[text.copy(copy, text.size())] = '\0';
  std::array<uint8_t, 4> v4{};
  if (inet_pton(AF_INET, copy, v4.data()) == 1) return AddrPort::FromIpv4(v4, 0).ip;
  Ip v6{};
  if (inet_pton(AF_INET6, copy, v6.data()) == 1) return v6;
  return std::nullopt;
}

bool IsPort(std::string_view text) { return text.empty() || text::ParseNumber<uint16_t>(text).has_value(); }

// `host`, `host:port`, `[v6]` or `[v6]:port` without port and brackets; nullopt: none of these.
std::optional<std::string_view> HostOf(std::string_view text) {
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view rest = text.substr(end + 1);
    if (!rest.empty() && (rest[0] != ':' || !IsPort(rest.substr(1)))) return std::nullopt;
    return text.substr(1, end - 1);
  }
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return text;
  if (!IsPort(text.substr(colon + 1))) return std::nullopt;
  return text.substr(0, colon);
}

bool Matches(std::string_view pattern, std::string_view host) {
  if (!pattern.starts_with("*.")) return text::EqualsIgnoreCase(pattern, host);
  const size_t dot = host.find('.');
  return dot != std::string_view::npos && dot > 0 && text::EqualsIgnoreCase(pattern.substr(1), host.substr(dot));
}

std::vector<std::string> Canonical(std::vector<std::string> names) {
  for (std::string& name : names) {
    if (name.starts_with('[') && name.ends_with(']')) name = name.substr(1, name.size() - 2);
    if (name.ends_with('.')) name.pop_back();
  }
  return names;
}

}  // namespace

HostNames::HostNames(std::vector<std::string> configured) : configured_(Canonical(std::move(configured))) {}

void HostNames::SetCertificateNames(std::vector<std::string> names) { certificate_ = Canonical(std::move(names)); }

bool HostNames::IsOurs(std::string_view host_and_port, const AddrPort& local) const {
  const std::optional<std::string_view> split = HostOf(host_and_port);
  if (!split || split->empty()) return false;
  std::string_view host = *split;
  const std::optional<Ip> ip = ParseIp(host);
  if (ip == local.ip) return true;
  if (host.ends_with('.')) host.remove_suffix(1);
  if (text::EqualsIgnoreCase(host, "peer")) return true;
  if (text::EqualsIgnoreCase(host, "localhost") && local.IsLoopback()) return true;
  const auto matches = [&](const std::string& name) { return ip ? ParseIp(name) == ip : Matches(name, host); };
  return std::any_of(configured_.begin(), configured_.end(), matches) ||
         std::any_of(certificate_.begin(), certificate_.end(), matches);
}

}  // namespace relay
