#include "relay/control/address_list.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "relay/control/text.h"

namespace relay {
namespace {

// The address of an interface, without a port; nullopt: of another family.
std::optional<AddrPort> FromSockaddr(const sockaddr* address) {
  if (address == nullptr) return std::nullopt;
  if (address->sa_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, address, sizeof(v4));
    std::array<uint8_t, 4> ip;
    std::memcpy(ip.data(), &v4.sin_addr, ip.size());
    return AddrPort::FromIpv4(ip, 0);
  }
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, address, sizeof(v6));
    AddrPort out;
    std::memcpy(out.ip.data(), &v6.sin6_addr, out.ip.size());
    out.scope = v6.sin6_scope_id;
    return out;
  }
  return std::nullopt;
}

// Why clients cannot be sent there; empty: they can.
std::string_view Refusal(const AddrPort& address) {
  if (address.port == 0) return "port 0 cannot be reached";
  if (address.IsUnspecified()) return "an unspecified address cannot be reached";
  if (address.IsMulticast() || address.IsBroadcast()) return "it is not a unicast address";
  if (address.scope != 0) return "a zone means nothing to clients on other machines";
  return {};
}

}  // namespace

std::vector<AddrPort> SelectAddresses(std::span<const AddrPort> addresses, uint16_t port, bool ipv6) {
  std::vector<AddrPort> out;
  for (AddrPort address : addresses) {
    if (address.IsUnspecified() || address.IsMulticast() || address.IsBroadcast() || address.IsLinkLocal()) continue;
    if (!ipv6 && !address.IsIpv4()) continue;
    address.scope = 0;
    address.port = port;
    out.push_back(address);
  }
  const auto is_loopback = [](const AddrPort& address) { return address.IsLoopback(); };
  if (!std::all_of(out.begin(), out.end(), is_loopback)) std::erase_if(out, is_loopback);
  std::sort(out.begin(), out.end(),
            [](const AddrPort& a, const AddrPort& b) { return a.IsIpv4() != b.IsIpv4() ? a.IsIpv4() : a < b; });
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

absl::StatusOr<std::vector<AddrPort>> DiscoverAddresses(uint16_t port, bool ipv6) {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) {
    return absl::ErrnoToStatus(errno, "cannot list this machine's addresses (give --addr_ports instead)");
  }
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(list, &freeifaddrs);
  std::vector<AddrPort> found;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if ((entry->ifa_flags & IFF_UP) == 0) continue;
    if (const std::optional<AddrPort> address = FromSockaddr(entry->ifa_addr)) found.push_back(*address);
  }
  return SelectAddresses(found, port, ipv6);
}

absl::StatusOr<std::vector<AddrPort>> ParseAddressList(std::string_view list) {
  std::vector<AddrPort> out;
  for (size_t start = 0; start <= list.size();) {
    const size_t end = std::min(list.find(',', start), list.size());
    const std::string entry(text::Trim(list.substr(start, end - start)));
    start = end + 1;
    const std::optional<AddrPort> address = AddrPort::Parse(entry);
    if (!address) {
      return absl::InvalidArgumentError('"' + entry +
                                        "\" is not ip:port, such as 192.0.2.1:40000 or [2001:db8::1]:40000");
    }
    if (const std::string_view why = Refusal(*address); !why.empty()) {
      return absl::InvalidArgumentError('"' + entry + "\" cannot be advertised: " + std::string(why));
    }
    if (std::find(out.begin(), out.end(), *address) == out.end()) out.push_back(*address);
  }
  return out;
}

}  // namespace relay
