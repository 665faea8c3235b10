#include "relay/client/network_watch.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "relay/dataplane/ancillary.h"

namespace relay::client {

NetworkWatch::NetworkWatch() : fd_(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE)) {
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
  if (bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) fd_ = Fd();
}

bool NetworkWatch::Drain() {
  std::array<char, 8192> ignored;  // What changed is not read: what matters is which source address comes of it.
  bool any = false;
  while (true) {
    const ssize_t size = recv(fd_.get(), ignored.data(), ignored.size(), 0);
    if (size < 0 && errno != ENOBUFS) return any;  // ENOBUFS: so much was reported that some was lost.
    any = true;
  }
}

std::optional<disco::AddrPort> SourceTowards(const disco::AddrPort& to) {
  SocketAddress address;
  socklen_t size = WriteAddress(to, address);
  // Connecting a datagram socket sends nothing; it only looks the route up.
  const Fd probe(socket(address.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (connect(probe.get(), &address.any, size) != 0) return std::nullopt;
  size = sizeof(address);
  if (getsockname(probe.get(), &address.any, &size) != 0) return std::nullopt;
  disco::AddrPort source = ReadAddress(address);
  source.port = 0;
  return source;
}

}  // namespace relay::client
