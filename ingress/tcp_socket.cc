#include "ingress/tcp_socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "relay/control/text.h"

namespace ingress {
namespace {

relay::Fd OpenSocket(const AddrPort& addr) {
  return relay::Fd(socket(addr.IsIpv4() ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

void Set(int fd, int level, int option) {
  const int on = 1;
  setsockopt(fd, level, option, &on, sizeof(on));
}

// Finds out that the other side is gone, a minute and a few probes later.
void KeepAlive(int fd) {
  const int idle_s = 60;
  Set(fd, SOL_SOCKET, SO_KEEPALIVE);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &idle_s, sizeof(idle_s));
}

}  // namespace

socklen_t ToSockaddr(const AddrPort& addr, sockaddr_storage& out) {
  std::memset(&out, 0, sizeof(out));
  if (addr.IsIpv4()) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(out);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(addr.port);
    std::memcpy(&v4.sin_addr, addr.ip.data() + 12, sizeof(v4.sin_addr));
    return sizeof(v4);
  }
  auto& v6 = reinterpret_cast<sockaddr_in6&>(out);
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(addr.port);
  v6.sin6_scope_id = addr.scope;
  std::copy(addr.ip.begin(), addr.ip.end(), v6.sin6_addr.s6_addr);
  return sizeof(v6);
}

AddrPort FromSockaddr(const sockaddr_storage& from) {
  if (from.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(from);
    std::array<uint8_t, 4> ip;
    std::memcpy(ip.data(), &v4.sin_addr, ip.size());
    return AddrPort::FromIpv4(ip, ntohs(v4.sin_port));
  }
  AddrPort addr;
  if (from.ss_family != AF_INET6) return addr;
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(from);
  std::copy(std::begin(v6.sin6_addr.s6_addr), std::end(v6.sin6_addr.s6_addr), addr.ip.begin());
  addr.port = ntohs(v6.sin6_port);
  addr.scope = IN6_IS_ADDR_LINKLOCAL(&v6.sin6_addr) ? v6.sin6_scope_id : 0;
  return addr;
}

absl::StatusOr<relay::Fd> ListenTcp(const AddrPort& addr, int backlog) {
  sockaddr_storage to;
  const socklen_t size = ToSockaddr(addr, to);
  relay::Fd fd = OpenSocket(addr);
  if (fd.get() >= 0) {
    Set(fd.get(), SOL_SOCKET, SO_REUSEADDR);
    // What is accepted inherits these.
    Set(fd.get(), IPPROTO_TCP, TCP_NODELAY);
    KeepAlive(fd.get());
    if (!addr.IsIpv4()) Set(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY);
  }
  if (fd.get() < 0 || bind(fd.get(), reinterpret_cast<const sockaddr*>(&to), size) != 0 ||
      listen(fd.get(), backlog) != 0) {
    return absl::UnavailableError(relay::text::Cat("cannot listen on ", addr.ToString(), ": ", std::strerror(errno)));
  }
  return fd;
}

relay::Fd AcceptTcp(int listener, AddrPort& remote) {
  sockaddr_storage from;
  socklen_t size = sizeof(from);
  relay::Fd fd(accept4(listener, reinterpret_cast<sockaddr*>(&from), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (fd.get() < 0) return fd;
  remote = FromSockaddr(from);
  return fd;
}

relay::Fd ConnectTcp(const AddrPort& addr) {
  sockaddr_storage to;
  const socklen_t size = ToSockaddr(addr, to);
  relay::Fd fd = OpenSocket(addr);
  if (fd.get() < 0) return fd;
  Set(fd.get(), IPPROTO_TCP, TCP_NODELAY);
  if (!addr.IsLoopback()) KeepAlive(fd.get());  // This machine tells when its own are gone.
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), size) == 0 || errno == EINPROGRESS) return fd;
  const int error = errno;
  fd = relay::Fd();
  errno = error;
  return fd;
}

AddrPort LocalAddr(int fd) {
  sockaddr_storage local{};
  socklen_t size = sizeof(local);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&local), &size) != 0) return {};
  return FromSockaddr(local);
}

void ResetOnClose(int fd) {
  const linger reset{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
}

}  // namespace ingress
