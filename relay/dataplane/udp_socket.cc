#include "relay/dataplane/udp_socket.h"

#include <linux/sock_diag.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "relay/dataplane/ancillary.h"

namespace relay {

namespace {

constexpr int kPortAttempts = 32;  // Free ports tried until one is free in both families.

bool Set(int fd, int level, int name, int value) { return setsockopt(fd, level, name, &value, sizeof(value)) == 0; }

// FORCE passes the sysctl limits, and needs CAP_NET_ADMIN.
void SetBuffer(int fd, int force_name, int name, int bytes) {
  if (!Set(fd, SOL_SOCKET, force_name, bytes)) Set(fd, SOL_SOCKET, name, bytes);
}

std::string AddressText(UdpSocket::Family family, uint16_t port) {
  return absl::StrCat("udp ", family == UdpSocket::Family::kIpv4 ? "0.0.0.0" : "[::]", ":", port);
}

absl::Status ErrnoStatus(absl::StatusCode code, const std::string& what, int error) {
  return absl::Status(code, absl::StrCat(what, ": ", std::strerror(error)));
}

}  // namespace

absl::StatusOr<UdpSocket> UdpSocket::Open(const Options& options) {
  const int domain = options.family == Family::kIpv4 ? AF_INET : AF_INET6;
  const int fd = socket(domain, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP);
  if (fd < 0) {
    const bool lacks = errno == EAFNOSUPPORT || errno == EPROTONOSUPPORT;
    return ErrnoStatus(lacks ? absl::StatusCode::kUnimplemented : absl::StatusCode::kInternal,
                       AddressText(options.family, options.port), errno);
  }
  UdpSocket out(fd, options.family);
  if (const absl::Status status = out.SetOptions(options); !status.ok()) return status;
  if (const absl::Status status = out.Bind(options); !status.ok()) return status;
  return out;
}

absl::Status UdpSocket::SetOptions(const Options& options) const {
  const auto error = [&](absl::StatusCode code, const char* option) {
    return ErrnoStatus(code, absl::StrCat(AddressText(family_, options.port), ": ", option), errno);
  };
  if (family_ != Family::kIpv4) {
    if (!Set(fd_, IPPROTO_IPV6, IPV6_V6ONLY, family_ == Family::kIpv6)) {
      return error(absl::StatusCode::kUnimplemented, "IPV6_V6ONLY");
    }
    // On a dual-stack socket this tells of IPv4 packets too, as v4-mapped addresses.
    if (!Set(fd_, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)) return error(absl::StatusCode::kInternal, "IPV6_RECVPKTINFO");
  } else if (!Set(fd_, IPPROTO_IP, IP_PKTINFO, 1)) {
    return error(absl::StatusCode::kInternal, "IP_PKTINFO");
  }
  if (options.joins && !Set(fd_, SOL_SOCKET, SO_REUSEPORT, 1)) {
    return error(absl::StatusCode::kInternal, "SO_REUSEPORT");
  }
  const timeval idle_wait{.tv_sec = 0, .tv_usec = suseconds_t{kIdleWaitMs} * 1000};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &idle_wait, sizeof(idle_wait));
  if (options.gro) Set(fd_, IPPROTO_UDP, UDP_GRO, 1);
  if (options.buffer_bytes > 0) {
    SetBuffer(fd_, SO_RCVBUFFORCE, SO_RCVBUF, options.buffer_bytes);
    SetBuffer(fd_, SO_SNDBUFFORCE, SO_SNDBUF, options.buffer_bytes);
  }
  return absl::OkStatus();
}

absl::Status UdpSocket::Bind(const Options& options) {
  const std::array<uint8_t, 16> any_v6{};
  SocketAddress address;
  const socklen_t size =
      WriteAddress(family_ == Family::kIpv4 ? AddrPort::FromIpv4({0, 0, 0, 0}, options.port)
                                            : AddrPort{.ip = any_v6, .scope = 0, .port = options.port, .zero = 0},
                   address);
  if (bind(fd_, &address.any, size) != 0) {
    const bool taken = errno == EADDRINUSE;
    return ErrnoStatus(taken ? absl::StatusCode::kAlreadyExists : absl::StatusCode::kInternal,
                       absl::StrCat("cannot bind ", AddressText(family_, options.port)), errno);
  }
  socklen_t length = sizeof(address);
  if (getsockname(fd_, &address.any, &length) != 0) {
    return ErrnoStatus(absl::StatusCode::kInternal, "getsockname", errno);
  }
  port_ = ReadAddress(address).port;
  // Only now: bound, the port is ours alone, and those who come after can but join. A lone worker lets nobody in.
  if (options.shares && !Set(fd_, SOL_SOCKET, SO_REUSEPORT, 1)) {
    return ErrnoStatus(absl::StatusCode::kInternal, "SO_REUSEPORT", errno);
  }
  return absl::OkStatus();
}

UdpSocket::UdpSocket(UdpSocket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), family_(other.family_), port_(other.port_) {}

UdpSocket& UdpSocket::operator=(UdpSocket&& other) noexcept {
  std::swap(fd_, other.fd_);
  family_ = other.family_;
  port_ = other.port_;
  return *this;
}

UdpSocket::~UdpSocket() {
  if (fd_ >= 0) close(fd_);
}

int UdpSocket::receive_buffer_bytes() const {
  int bytes = 0;
  socklen_t size = sizeof(bytes);
  return getsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &bytes, &size) == 0 ? bytes / 2 : 0;  // The kernel doubles it.
}

bool UdpSocket::HasGso() const {
  int segment = 0;
  socklen_t size = sizeof(segment);
  return getsockopt(fd_, IPPROTO_UDP, UDP_SEGMENT, &segment, &size) == 0;
}

uint32_t UdpSocket::drops() const {
  std::array<uint32_t, SK_MEMINFO_VARS> info{};
  socklen_t size = sizeof(info);
  return getsockopt(fd_, SOL_SOCKET, SO_MEMINFO, info.data(), &size) == 0 ? info[SK_MEMINFO_DROPS] : 0;
}

void UdpSocket::Shutdown() const {
  // ENOTCONN for a socket without a peer, and yet it wakes every reader (inet_shutdown).
  shutdown(fd_, SHUT_RD);
}

namespace {

// The sets of one port, or why not. The first socket of each family excludes others, the rest join it.
absl::StatusOr<std::vector<SocketSet>> OpenOnFamilies(const SocketSetOptions& options,
                                                      const std::vector<UdpSocket::Family>& families) {
  std::vector<SocketSet> sets(options.workers);
  uint16_t port = options.port;
  for (SocketSet& set : sets) {
    for (const UdpSocket::Family family : families) {
      absl::StatusOr<UdpSocket> socket = UdpSocket::Open({.family = family,
                                                          .port = port,
                                                          .gro = options.gro,
                                                          .buffer_bytes = options.buffer_bytes,
                                                          .joins = &set != &sets.front(),
                                                          .shares = options.workers > 1});
      if (!socket.ok()) return socket.status();
      port = socket->port();
      set.push_back(*std::move(socket));
    }
  }
  return sets;
}

}  // namespace

absl::StatusOr<std::vector<SocketSet>> OpenSocketSets(const SocketSetOptions& options) {
  using Family = UdpSocket::Family;
  absl::StatusOr<std::vector<SocketSet>> sets = absl::UnimplementedError("no dual-stack sockets");
  if (options.allow_dual) sets = OpenOnFamilies(options, {Family::kDual});
  if (!absl::IsUnimplemented(sets.status())) return sets;
  // A port that the kernel picked for IPv4 may be taken in IPv6; another one will do.
  for (int attempt = 0; attempt < kPortAttempts; ++attempt) {
    sets = OpenOnFamilies(options, {Family::kIpv4, Family::kIpv6});
    if (options.port != 0 || !absl::IsAlreadyExists(sets.status())) break;
  }
  if (!absl::IsUnimplemented(sets.status())) return sets;
  return OpenOnFamilies(options, {Family::kIpv4});
}

}  // namespace relay
