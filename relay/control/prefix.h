// IP prefixes: who a policy speaks of, and whom a limit is counted against.
#ifndef RELAYD_RELAY_CONTROL_PREFIX_H_
#define RELAYD_RELAY_CONTROL_PREFIX_H_

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "disco/addr_port.h"

namespace relay {

using disco::AddrPort;

// In the form that AddrPort holds addresses in: IPv4 is v4-mapped, so an IPv4 prefix has 96 bits and more. Host bits
// are 0.
struct Prefix {
  std::array<uint8_t, 16> ip{};
  uint8_t bits = 0;

  // `192.0.2.0/24`, `2001:db8::/32`; host bits are cleared. nullopt: not of that form, or with a zone.
  static std::optional<Prefix> Parse(std::string_view text);
  // The first `bits` (of 128) of an address.
  static Prefix Of(const AddrPort& addr, uint8_t bits);
  // What the limits count a caller by: its /32, or its /64.
  static Prefix OfSource(const AddrPort& addr) { return Of(addr, addr.IsIpv4() ? 128 : 64); }

  bool IsIpv4() const;
  // An IPv6 prefix never holds an IPv4 address, not even ::/0.
  bool Contains(const AddrPort& addr) const;
  std::string ToString() const;

  template <typename H>
  friend H AbslHashValue(H h, const Prefix& p) {
    return H::combine(std::move(h), p.ip, p.bits);
  }
  friend bool operator==(const Prefix&, const Prefix&) = default;
  friend auto operator<=>(const Prefix&, const Prefix&) = default;
};

}  // namespace relay

#endif  // RELAYD_RELAY_CONTROL_PREFIX_H_
