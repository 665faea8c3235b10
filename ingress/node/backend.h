// How a serve config writes what connections go to.
#ifndef RELAYD_INGRESS_NODE_BACKEND_H_
#define RELAYD_INGRESS_NODE_BACKEND_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "ingress/node/serve_config.h"

namespace ingress {

// No DNS: hosts are `localhost` and IP addresses. An error is a reason alone, without file and line.
// Of Proxy: `3000`, `host:port`, or `http(s)://host[:port][/prefix]`, `https+insecure://` too.
absl::StatusOr<Backend> ParseProxyTarget(std::string_view text);
// Of TCPForward and AcmeTLS: `host:port`.
absl::StatusOr<Backend> ParseForwardTarget(std::string_view text);
// Of Redirect: `http(s)://…` or a path, behind `301:` and the like if it is not to be 302.
absl::StatusOr<RedirectHandler> ParseRedirect(std::string_view text);

// Is it an address that this machine answers at? Asks the kernel where the address does not tell.
bool IsOwnAddress(const AddrPort& addr);

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_BACKEND_H_
