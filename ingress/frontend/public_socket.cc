#include "ingress/frontend/public_socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

#include "ingress/tcp_socket.h"
#include "relay/control/text.h"

namespace ingress {
namespace {

// Connections that the kernel has accepted and we have not; it takes what net.core.somaxconn allows of this.
constexpr int kBacklog = 4096;

void SetInt(int fd, int level, int option, int value) { setsockopt(fd, level, option, &value, sizeof(value)); }

absl::Status ListenError(const AddrPort& addr, int error) {
  return absl::UnavailableError(relay::text::Cat("cannot listen on ", addr.ToString(),
                                                 " (--funnel_listen): ", std::generic_category().message(error)));
}

}  // namespace

void SetConnectionOptions(int fd, std::chrono::seconds keepalive) {
  SetInt(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  // What is acknowledged at once otherwise (the SYN of a node, its answer, the client's hello) is acknowledged with
  // what we send next.
  SetInt(fd, IPPROTO_TCP, TCP_QUICKACK, 0);
  SetInt(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  SetInt(fd, IPPROTO_TCP, TCP_KEEPIDLE, std::max(1, static_cast<int>(keepalive.count())));
}

absl::StatusOr<relay::Fd> OpenListener(const AddrPort& addr, bool v6_only) {
  relay::Fd fd(socket(addr.IsIpv4() ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return ListenError(addr, errno);
  SetInt(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (!addr.IsIpv4()) SetInt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, v6_only ? 1 : 0);
  sockaddr_storage address{};
  const socklen_t size = ToSockaddr(addr, address);
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 || listen(fd.get(), kBacklog) != 0) {
    return ListenError(addr, errno);
  }
  return fd;
}

}  // namespace ingress
