// TCP sockets as this project uses them: non-blocking, closed on exec, small writes sent at once, keepalive after a
// minute.
#ifndef RELAYD_INGRESS_TCP_SOCKET_H_
#define RELAYD_INGRESS_TCP_SOCKET_H_

#include <sys/socket.h>

#include "absl/status/statusor.h"
#include "disco/addr_port.h"
#include "relay/control/fd.h"

namespace ingress {

using disco::AddrPort;

// An error is one line that names the address.
absl::StatusOr<relay::Fd> ListenTcp(const AddrPort& addr, int backlog);
// None waits: EAGAIN; else why not, in errno. `remote`: who it is.
relay::Fd AcceptTcp(int listener, AddrPort& remote);
// Begins to connect. Without a descriptor (errno): it has failed already.
relay::Fd ConnectTcp(const AddrPort& addr);

AddrPort LocalAddr(int fd);
// As the kernel's calls take addresses; the size of what is used of `out`.
socklen_t ToSockaddr(const AddrPort& addr, sockaddr_storage& out);
AddrPort FromSockaddr(const sockaddr_storage& from);
// Closing it is a reset from now on (RFC 9293 section 3.6.1's ABORT).
void ResetOnClose(int fd);

}  // namespace ingress

#endif  // RELAYD_INGRESS_TCP_SOCKET_H_
