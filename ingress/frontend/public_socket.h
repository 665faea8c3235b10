// The frontend's sockets: listeners that the public reaches, and what every connection has set.
#ifndef RELAYD_INGRESS_FRONTEND_PUBLIC_SOCKET_H_
#define RELAYD_INGRESS_FRONTEND_PUBLIC_SOCKET_H_

#include <chrono>

#include "absl/status/statusor.h"
#include "disco/addr_port.h"
#include "relay/control/fd.h"

namespace ingress {

using disco::AddrPort;

// What is set on a listener holds for the connections it accepts (tcp(7)), which saves three calls each.
void SetConnectionOptions(int fd, std::chrono::seconds keepalive);

// Bound and listening. `v6_only`: 0.0.0.0 has a listener of its own on that port.
absl::StatusOr<relay::Fd> OpenListener(const AddrPort& addr, bool v6_only);

}  // namespace ingress

#endif  // RELAYD_INGRESS_FRONTEND_PUBLIC_SOCKET_H_
