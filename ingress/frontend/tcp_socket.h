// TCP sockets as the kernel's calls take them: addresses, listeners, connections to nodes.
#ifndef RELAYD_INGRESS_FRONTEND_TCP_SOCKET_H_
#define RELAYD_INGRESS_FRONTEND_TCP_SOCKET_H_

#include <sys/socket.h>

#include <chrono>
#include <cstdint>

#include "absl/status/statusor.h"
#include "disco/addr_port.h"
#include "relay/control/fd.h"

namespace ingress {

using disco::AddrPort;

AddrPort FromSockaddr(const sockaddr_storage& address);
socklen_t ToSockaddr(const AddrPort& addr, sockaddr_storage& out);
AddrPort LocalAddress(int fd);

// What is set on a listener holds for the connections it accepts (tcp(7)), which saves three calls each.
void SetConnectionOptions(int fd, std::chrono::seconds keepalive);

// Bound and listening. `v6_only`: 0.0.0.0 has a listener of its own on that port.
absl::StatusOr<relay::Fd> OpenListener(const AddrPort& addr, bool v6_only);

// The other side gets a reset when `fd` is closed, and what was not yet sent is thrown away.
void ResetOnClose(int fd);

}  // namespace ingress

#endif  // RELAYD_INGRESS_FRONTEND_TCP_SOCKET_H_
