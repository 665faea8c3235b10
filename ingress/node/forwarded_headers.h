// Which fields pass between a public client and a backend. Pure functions.
#ifndef RELAYD_INGRESS_NODE_FORWARDED_HEADERS_H_
#define RELAYD_INGRESS_NODE_FORWARDED_HEADERS_H_

#include <string>
#include <string_view>

#include "disco/addr_port.h"
#include "ingress/node/http_exchange.h"

namespace ingress {

// Of one connection alone (RFC 9110 section 7.6.1): Connection, Keep-Alive, Proxy-*, TE, Trailer, Transfer-Encoding,
// Upgrade, HTTP2-Settings. Names are compared as if `_` were `-`: a CGI-like backend cannot tell them apart either.
bool IsHopByHop(std::string_view name);
// What a backend believes of whoever forwards to it, and so no client may say: Forwarded, X-Forwarded-*, X-Real-IP,
// Tailscale-User-*, Tailscale-Headers-Info, Tailscale-App-Capabilities, Tailscale-Funnel-Request.
bool IsForwarderOnly(std::string_view name);

// Frames or routes a message, which is said outside of HttpFields: Content-Length, Host, Expect.
bool IsMessageFraming(std::string_view name);

// Removes hop-by-hop fields, and those that Connection fields name.
void RemoveHopByHop(HttpFields& fields);
// Of a request or an answer: leaves nothing that frames, routes or identifies.
void CleanTrailers(HttpFields& trailers);
// What the backend gets: forwarder's fields are removed, and ours set. `head` is without hop-by-hop fields already.
void SetForwarded(const disco::AddrPort& source, RequestHead& head);

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_FORWARDED_HEADERS_H_
