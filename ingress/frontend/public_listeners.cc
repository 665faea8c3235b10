#include "ingress/frontend/public_listeners.h"

#include <fcntl.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "ingress/frontend/public_socket.h"
#include "ingress/tcp_socket.h"
#include "relay/control/text.h"

namespace ingress {
namespace {

struct Passed {
  int fd;
  AddrPort addr;
};

std::vector<Passed> PassedSockets(std::vector<std::string>& warnings) {
  std::vector<Passed> sockets;
  const int count = std::max(0, sd_listen_fds(0));
  for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + count; ++fd) {
    const bool tcp =
        sd_is_socket_inet(fd, AF_INET, SOCK_STREAM, 1, 0) > 0 || sd_is_socket_inet(fd, AF_INET6, SOCK_STREAM, 1, 0) > 0;
    if (tcp) {
      sockets.push_back({fd, LocalAddr(fd)});
    } else {
      warnings.push_back(
          relay::text::Cat("LISTEN_FDS: descriptor ", fd, " is no listening TCP socket, and is not used"));
    }
  }
  return sockets;
}

// The dual-stack wildcard would take the port from 0.0.0.0's.
bool HasIpv4Wildcard(const FrontendOptions& options, uint16_t port) {
  return std::any_of(options.listen.begin(), options.listen.end(), [port](const FrontendOptions::Listener& listener) {
    return listener.addr.IsIpv4() && listener.addr.port == port;
  });
}

absl::StatusOr<relay::Fd> TakeOrOpen(const FrontendOptions& options, const AddrPort& addr,
                                     std::vector<Passed>& passed) {
  const auto found = std::find_if(passed.begin(), passed.end(), [&](const Passed& p) { return p.addr == addr; });
  if (found == passed.end()) return OpenListener(addr, HasIpv4Wildcard(options, addr.port));
  relay::Fd fd(found->fd);
  passed.erase(found);
  fcntl(fd.get(), F_SETFL, fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
  return fd;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const PublicListeners>> OpenPublicListeners(const FrontendOptions& options,
                                                                           std::vector<std::string>& warnings) {
  std::vector<Passed> passed = PassedSockets(warnings);
  auto listeners = std::make_shared<PublicListeners>();
  for (const FrontendOptions::Listener& wanted : options.listen) {
    absl::StatusOr<relay::Fd> fd = TakeOrOpen(options, wanted.addr, passed);
    if (!fd.ok()) return fd.status();
    SetConnectionOptions(fd->get(), std::chrono::duration_cast<std::chrono::seconds>(options.keepalive));
    const AddrPort local = LocalAddr(fd->get());
    const uint16_t port = wanted.public_port != 0 ? wanted.public_port : local.port;
    listeners->push_back({.fd = std::move(*fd), .local = local, .port = port});
  }
  for (const Passed& rest : passed) {
    warnings.push_back(
        relay::text::Cat("LISTEN_FDS: ", rest.addr.ToString(), " is not in --funnel_listen, and is not used"));
  }
  return listeners;
}

}  // namespace ingress
