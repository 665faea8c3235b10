// An IP address and a UDP or TCP port, in one canonical form.
#ifndef RELAYD_DISCO_ADDR_PORT_H_
#define RELAYD_DISCO_ADDR_PORT_H_

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "geneve/wire.h"

namespace disco {

// IPv4 is held in its v4-mapped form (RFC 4291 section 2.5.5.2), so that one comparison serves both families and a
// mapped address read from the wire is the IPv4 address. No padding: equality is memcmp.
struct AddrPort {
  std::array<uint8_t, 16> ip{};
  uint32_t scope = 0;  // Interface index of a link-local IPv6 address, else 0.
  uint16_t port = 0;   // Host byte order.
  uint16_t zero = 0;   // Always 0.

  static AddrPort FromIpv4(std::array<uint8_t, 4> ip, uint16_t port);

  bool IsIpv4() const {
    static constexpr std::array<uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return std::equal(kMapped.begin(), kMapped.end(), ip.begin());
  }
  bool IsUnspecified() const;  // 0.0.0.0 or ::, whatever the port.
  bool IsMulticast() const;
  bool IsBroadcast() const;  // 255.255.255.255.
  bool IsLinkLocal() const;  // 169.254.0.0/16 or fe80::/10.
  bool IsLoopback() const;

  // `192.0.2.1:80`, `[2001:db8::1]:80` (RFC 5952), `[fe80::1%3]:80`. Inverse of each other; Parse also takes an
  // interface's name as the zone, if there is one so called.
  std::string ToString() const;
  std::string IpToString() const;
  static std::optional<AddrPort> Parse(std::string_view text);

  friend bool operator==(const AddrPort&, const AddrPort&) = default;
  friend auto operator<=>(const AddrPort&, const AddrPort&) = default;
};
static_assert(sizeof(AddrPort) == 24 && std::has_unique_object_representations_v<AddrPort>);

// The 18 bytes of an address in Disco messages: 16 of address (IPv4 mapped), then the port.
inline constexpr size_t kWireAddrPortSize = 18;
AddrPort ReadAddrPort(wire::Reader& reader);
void WriteAddrPort(const AddrPort& addr, wire::Writer& writer);

}  // namespace disco

#endif  // RELAYD_DISCO_ADDR_PORT_H_
