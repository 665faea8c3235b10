#include "relay/dataplane/kernel_sender.h"

#include <sys/socket.h>

#include <cerrno>

#include "relay/dataplane/ancillary.h"

namespace relay {

namespace {

int FdOf(const SocketSet& sockets, UdpSocket::Family family) {
  for (const UdpSocket& socket : sockets) {
    if (socket.family() == family || socket.family() == UdpSocket::Family::kDual) return socket.fd();
  }
  return -1;
}

}  // namespace

KernelSender::KernelSender(const SocketSet& sockets)
    : KernelSender(FdOf(sockets, UdpSocket::Family::kIpv4), FdOf(sockets, UdpSocket::Family::kIpv6)) {}

int KernelSender::operator()(const Path& to, std::span<const uint8_t> payload) const {
  const int fd = to.IsIpv4() ? fd_v4_ : fd_v6_;
  SocketAddress address;
  iovec vector{.iov_base = const_cast<uint8_t*>(payload.data()), .iov_len = payload.size()};  // Sending only reads it.
  msghdr message{};
  message.msg_name = &address;
  message.msg_namelen = WriteAddress(to.remote, address);
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  SendControl control;
  WriteSource(to, control, message);
  ssize_t sent = 0;
  do sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent < 0 ? errno : 0;
}

}  // namespace relay
