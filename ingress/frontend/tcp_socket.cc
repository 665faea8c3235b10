#include "ingress/frontend/tcp_socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

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

AddrPort FromSockaddr(const sockaddr_storage& address) {
  AddrPort addr;
  if (address.ss_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &address, sizeof(v4));
    std::array<uint8_t, 4> ip{};
    std::memcpy(ip.data(), &v4.sin_addr, ip.size());
    return AddrPort::FromIpv4(ip, ntohs(v4.sin_port));
  }
  if (address.ss_family != AF_INET6) return addr;
  sockaddr_in6 v6{};
  std::memcpy(&v6, &address, sizeof(v6));
  std::memcpy(addr.ip.data(), &v6.sin6_addr, addr.ip.size());
  addr.port = ntohs(v6.sin6_port);
  if (addr.IsLinkLocal() && !addr.IsIpv4()) addr.scope = v6.sin6_scope_id;
  return addr;
}

socklen_t ToSockaddr(const AddrPort& addr, sockaddr_storage& out) {
  out = {};
  if (addr.IsIpv4()) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(addr.port);
    std::memcpy(&v4.sin_addr, addr.ip.data() + 12, 4);
    std::memcpy(&out, &v4, sizeof(v4));
    return sizeof(v4);
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(addr.port);
  v6.sin6_scope_id = addr.scope;
  std::memcpy(&v6.sin6_addr, addr.ip.data(), addr.ip.size());
  std::memcpy(&out, &v6, sizeof(v6));
  return sizeof(v6);
}

AddrPort LocalAddress(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  return FromSockaddr(address);
}

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

void ResetOnClose(int fd) {
  const linger now{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

}  // namespace ingress
