// "Too big" answers of our own: ICMPv4 type 3 code 4 (RFC 1191) and ICMPv6 type 2 (RFC 4443 section 3.2). Bytes alone.
#ifndef RELAYD_RELAY_DATAPLANE_ICMP_H_
#define RELAYD_RELAY_DATAPLANE_ICMP_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "relay/dataplane/frame.h"

namespace relay {

// Of the IP packet: RFC 1812 section 4.3.2.3 and RFC 4443 section 2.4(c).
inline constexpr size_t kMaxIcmpv4Bytes = 576;
inline constexpr size_t kMaxIcmpv6Bytes = 1280;
// Of the longest frame that WriteTooBig writes.
inline constexpr size_t kMaxTooBigBytes = kEthernetBytes + kVlanTagBytes + kMaxIcmpv6Bytes;

// The MTU to tell the sender of `in`, which is too long for `to`'s way out: that way's MTU less the growth of the IP
// header, but never below what every link of the sender's family takes. Always less than the length of `in`'s own IP
// packet, unless that floor applies; may be more than `out_mtu` (IPv6 in, IPv4 out).
uint16_t TooBigMtu(const Frame& in, uint16_t out_mtu, const Path& to);

// Writes the whole answer to `in` (kRelay) at `out` and returns its size: from the address that was hit to the sender,
// back the way it came. `original`: the frame's first bytes, before anything was written there; all of it that is
// quoted must be in one piece. 0 if nothing may be sent, because the source is not one host's (RFC 1122 section 3.2.2,
// RFC 4443 section 2.4(e)), or if `out` or `original` is too short. kMaxTooBigBytes are always enough.
size_t WriteTooBig(const Frame& in, std::span<const uint8_t> original, uint16_t mtu, const MacAddress& own,
                   std::span<uint8_t> out);

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_ICMP_H_
