// Sends datagrams out of the kernel sockets that the relay is bound to: what KernelPath::SocketSend asks for.
#ifndef RELAYD_RELAY_DATAPLANE_KERNEL_SENDER_H_
#define RELAYD_RELAY_DATAPLANE_KERNEL_SENDER_H_

#include <cstdint>
#include <span>

#include "relay/core/path.h"
#include "relay/dataplane/udp_socket.h"

namespace relay {

class KernelSender {
 public:
  // Sockets bound to the relay's port, which outlive this and its copies; one dual-stack socket may be both, -1 is
  // none.
  KernelSender(int fd_v4, int fd_v6) : fd_v4_(fd_v4), fd_v6_(fd_v6) {}
  explicit KernelSender(const SocketSet& sockets);

  // Never blocks. 0, or an errno: why the kernel refuses; EBADF if there is no socket of this family.
  int operator()(const Path& to, std::span<const uint8_t> payload) const;

 private:
  int fd_v4_;
  int fd_v6_;
};

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_KERNEL_SENDER_H_
