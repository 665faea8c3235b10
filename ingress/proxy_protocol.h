// The PROXY protocol (HAProxy, doc/proxy-protocol.txt), versions 1 and 2: whose connection a proxy passes on.
#ifndef RELAYD_INGRESS_PROXY_PROTOCOL_H_
#define RELAYD_INGRESS_PROXY_PROTOCOL_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "disco/addr_port.h"

namespace ingress {

using disco::AddrPort;

struct ProxyHeader {
  // The addresses are those of the TCP connection itself: a health check of the proxy's own (LOCAL), or the proxy does
  // not know better (UNKNOWN, a family other than TCP over IPv4 or IPv6). `source` and `destination` are zero then.
  bool local = true;
  AddrPort source = {};
  AddrPort destination = {};
  size_t size = 0;  // Bytes of the header; what the client sent follows.

  friend bool operator==(const ProxyHeader&, const ProxyHeader&) = default;
};

// The longest line of version 1, its CRLF included: what the protocol asks of receivers.
inline constexpr size_t kMaxProxyV1Size = 107;
// 16 bytes, and then what senders keep to, because it fits the smallest segment that TCP may be limited to.
inline constexpr size_t kMaxProxyHeaderSize = 16 + 536;

enum class ProxyState : uint8_t { kReading, kDone, kMalformed };

// `bytes`: all of the connection so far. Fills `out` if kDone, and kDone and kMalformed stay as they are however the
// bytes go on. Keeps nothing between calls: a header is so short that reading it again costs nothing. In version 2,
// what TLVs say is skipped, but for a checksum, which must be right.
ProxyState ReadProxyHeader(std::string_view bytes, ProxyHeader& out);

// Headers for a connection. If one address is IPv6, the other one is written in its v4-mapped form. Scopes are lost.
std::string WriteProxyV1(const AddrPort& source, const AddrPort& destination);
std::string WriteProxyV2(const AddrPort& source, const AddrPort& destination);

}  // namespace ingress

#endif  // RELAYD_INGRESS_PROXY_PROTOCOL_H_
