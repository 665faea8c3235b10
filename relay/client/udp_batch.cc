#include "relay/client/udp_batch.h"

#include <linux/udp.h>
#include <netinet/in.h>
#include <sys/time.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "relay/core/path.h"
#include "relay/dataplane/gso.h"

namespace relay::client {
namespace {

constexpr int kSocketBuffer = 4 << 20;
constexpr timeval kSendPatience{.tv_sec = 0, .tv_usec = 10'000};

bool Set(int fd, int level, int name, int value) { return setsockopt(fd, level, name, &value, sizeof(value)) == 0; }

absl::StatusOr<Fd> Open(int family) {
  Fd fd(socket(family, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP));
  if (fd.get() < 0) return absl::ErrnoToStatus(errno, "cannot open a UDP socket");
  if (family == AF_INET6) Set(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
  Set(fd.get(), IPPROTO_UDP, UDP_GRO, 1);  // Where the kernel has it.
  // The FORCE forms pass the sysctl limits and need CAP_NET_ADMIN.
  if (!Set(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, kSocketBuffer)) Set(fd.get(), SOL_SOCKET, SO_RCVBUF, kSocketBuffer);
  if (!Set(fd.get(), SOL_SOCKET, SO_SNDBUFFORCE, kSocketBuffer)) Set(fd.get(), SOL_SOCKET, SO_SNDBUF, kSocketBuffer);
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &kSendPatience, sizeof(kSendPatience));
  return fd;
}

bool KernelSendsTrains() {
  utsname name;
  return uname(&name) == 0 && !KernelCorruptsTrains(name.release);
}

}  // namespace

absl::StatusOr<Fd> OpenUdp() {
  // The kernel binds it to a free port with the first packet.
  absl::StatusOr<Fd> fd = Open(AF_INET6);
  return fd.ok() ? std::move(fd) : Open(AF_INET);
}

absl::StatusOr<Fd> BindUdp(const disco::AddrPort& local) {
  absl::StatusOr<Fd> fd = Open(local.IsIpv4() ? AF_INET : AF_INET6);
  if (!fd.ok()) return fd;
  SocketAddress address;
  const socklen_t size = WriteAddress(local, address);
  if (bind(fd->get(), &address.any, size) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot listen on udp ", local.ToString()));
  }
  return fd;
}

bool IsPathError(int error) {
  static constexpr std::array kErrors = {ENETUNREACH, EHOSTUNREACH, ENETDOWN, EHOSTDOWN, ENODEV,      EADDRNOTAVAIL,
                                         EINVAL,      EAFNOSUPPORT, EACCES,   EPERM,     ECONNREFUSED};
  return std::find(kErrors.begin(), kErrors.end(), error) != kErrors.end();
}

ReceiveBatch::ReceiveBatch() : memory_(kMessages * kMessageSize) {
  for (size_t i = 0; i < kMessages; ++i) {
    iov_[i] = {.iov_base = &memory_[i * kMessageSize], .iov_len = kMessageSize};
    headers_[i].msg_hdr = {.msg_name = &from_[i],
                           .msg_namelen = 0,
                           .msg_iov = &iov_[i],
                           .msg_iovlen = 1,
                           .msg_control = &control_[i],
                           .msg_controllen = 0,
                           .msg_flags = 0};
  }
}

std::span<const ReceiveBatch::Message> ReceiveBatch::Receive(int fd) {
  for (mmsghdr& header : headers_) {  // The kernel shortens them to what it wrote.
    header.msg_hdr.msg_namelen = sizeof(SocketAddress);
    header.msg_hdr.msg_controllen = sizeof(ReceiveControl);
  }
  const int count = recvmmsg(fd, headers_.data(), kMessages, MSG_DONTWAIT, nullptr);
  if (count <= 0) return {};
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
    Path path;
    const uint32_t segment_size = ReadControl(headers_[i].msg_hdr, path);
    const std::span<const uint8_t> bytes(&memory_[i * kMessageSize], headers_[i].msg_len);
    messages_[i] = {.from = ReadAddress(from_[i]), .train = Train::Of(bytes, segment_size)};
  }
  return std::span(messages_).first(static_cast<size_t>(count));
}

SendBatch::SendBatch() : gso_(KernelSendsTrains()) {}

void SendBatch::Add(std::span<const uint8_t> header, std::span<const uint8_t> payload) {
  iov_.push_back({.iov_base = const_cast<uint8_t*>(header.data()), .iov_len = header.size()});
  iov_.push_back({.iov_base = const_cast<uint8_t*>(payload.data()), .iov_len = payload.size()});
  sizes_.push_back(header.size() + payload.size());
}

// Fills messages_ with datagrams from `first` on, merging those of one size, and returns how many messages there are.
size_t SendBatch::FillMessages(size_t first, bool trains, SocketAddress& to, socklen_t to_size) {
  size_t filled = 0;
  while (first < sizes_.size() && filled < kMessages) {
    const size_t segment = sizes_[first];
    size_t count = 1;
    size_t bytes = segment;
    while (trains && first + count < sizes_.size() && count < kMaxTrainSegments) {
      const size_t next = sizes_[first + count];
      if (next > segment || bytes + next > kMaxTrainBytes) break;
      bytes += next;
      ++count;
      if (next < segment) break;  // Only the last one may be shorter.
    }
    msghdr& message = messages_[filled].msg_hdr;
    message = {.msg_name = &to,
               .msg_namelen = to_size,
               .msg_iov = &iov_[2 * first],
               .msg_iovlen = 2 * count,
               .msg_control = nullptr,
               .msg_controllen = 0,
               .msg_flags = 0};
    if (count > 1) WriteSegmentSize(static_cast<uint16_t>(segment), control_[filled], message);
    counts_[filled++] = count;
    first += count;
  }
  return filled;
}

int SendBatch::Send(int fd, const disco::AddrPort& to) {
  SocketAddress address;
  const socklen_t size = WriteAddress(to, address);
  const Clock::time_point now = Clock::now();
  int refused = 0;
  size_t first = 0;
  size_t singles_until = 0;  // A refused train is repeated one by one up to here.
  while (first < sizes_.size()) {
    const bool trains = gso_ && now >= trains_from_ && first >= singles_until;
    const size_t messages = FillMessages(first, trains, address, size);
    const int sent = sendmmsg(fd, messages_.data(), static_cast<unsigned>(messages), 0);
    if (sent > 0) {
      for (size_t i = 0; i < static_cast<size_t>(sent); ++i) first += counts_[i];
      continue;
    }
    if (errno == EINTR) continue;
    if (counts_[0] > 1 && RefusesTrain(errno)) {
      singles_until = first + counts_[0];
      trains_from_ = now + kRefusalLifetime;
      continue;
    }
    if (!IsPathError(refused)) refused = errno;
    if (errno == EAGAIN) break;  // Full for longer than our patience: the rest would find it full too.
    first += counts_[0];
  }
  iov_.clear();
  sizes_.clear();
  return refused;
}

}  // namespace relay::client
