#include "bench/relay_bench/socket_link.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "relay/dataplane/train.h"

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

namespace bench {
namespace {

constexpr uint32_t kOtherDescriptors = 128;  // What the program has open beside its sockets.

uint32_t DescriptorLimit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<uint32_t>(std::clamp<uint64_t>(limit.rlim_cur, kOtherDescriptors + 4, 1 << 20));
}

absl::Status Failed(const std::string& what) {
  return absl::UnavailableError(absl::StrCat(what, ": ", std::strerror(errno)));
}

}  // namespace

SocketLink::SocketLink(const SocketOptions& options, uint32_t legs, uint32_t extra)
    : options_(options),
      legs_(legs),
      extra_(extra),
      out_memory_(size_t{kMaxBurst} * options.payload_room),
      message_size_(options.gso ? 65536 : options.payload_room),
      in_memory_(kMessages * message_size_) {
  for (size_t i = 0; i < kMaxBurst; ++i) {
    out_[i].payload = &out_memory_[i * options_.payload_room];
    out_iov_[i].iov_base = out_[i].payload;
    out_headers_[i].msg_hdr.msg_iov = &out_iov_[i];
    out_headers_[i].msg_hdr.msg_iovlen = 1;
  }
  for (size_t i = 0; i < kMessages; ++i) {
    in_iov_[i] = {&in_memory_[i * message_size_], message_size_};
    in_headers_[i].msg_hdr.msg_iov = &in_iov_[i];
    in_headers_[i].msg_hdr.msg_iovlen = 1;
  }
}

absl::Status SocketLink::SetRelay(const disco::AddrPort& relay) {
  const uint32_t limit = DescriptorLimit() - kOtherDescriptors - extra_;
  const uint32_t most = options_.max_sockets > 0 ? std::min(options_.max_sockets, limit) : limit;
  leg_sockets_ = std::max(2u, std::min(legs_, most) & ~1u);
  epoll_ = relay::Fd(epoll_create1(EPOLL_CLOEXEC));
  for (uint32_t i = 0; i < leg_sockets_ + extra_; ++i) {
    if (absl::Status opened = Open(i, relay); !opened.ok()) return opened;
  }
  return absl::OkStatus();
}

absl::Status SocketLink::Open(uint32_t index, const disco::AddrPort& relay) {
  relay::Fd fd(socket(relay.IsIpv4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (fd.get() < 0) return Failed("cannot open a socket");
  for (const int option : {SO_RCVBUF, SO_SNDBUF, SO_RCVBUFFORCE, SO_SNDBUFFORCE}) {
    setsockopt(fd.get(), SOL_SOCKET, option, &options_.buffer_bytes, sizeof(int));  // What the kernel will give.
  }
  const int on = 1;
  if (options_.gso && setsockopt(fd.get(), IPPROTO_UDP, UDP_GRO, &on, sizeof(on)) != 0) return Failed("UDP_GRO");
  relay::SocketAddress address{};
  if (!options_.client_addrs.empty()) {
    disco::AddrPort local = options_.client_addrs[index % options_.client_addrs.size()];
    local.port = 0;
    const socklen_t size = relay::WriteAddress(local, address);
    if (bind(fd.get(), &address.any, size) != 0) return Failed("cannot use " + local.IpToString());
  }
  const socklen_t size = relay::WriteAddress(relay, address);
  if (connect(fd.get(), &address.any, size) != 0) return Failed("no way to " + relay.ToString());
  epoll_event event{.events = EPOLLIN, .data = {.u32 = index}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event) != 0) return Failed("epoll_ctl");
  sockets_.push_back(std::move(fd));
  return absl::OkStatus();
}

uint32_t SocketLink::SocketOf(uint32_t leg) const {
  if (leg >= legs_) return leg_sockets_ + (leg - legs_);
  return leg % leg_sockets_;  // Even numbers: the side is kept.
}

std::span<Outgoing> SocketLink::Prepare(uint32_t count, Use) {
  return std::span(out_).first(std::min(count, kMaxBurst));
}

uint32_t SocketLink::Send(uint32_t count) {
  uint32_t sent = 0;
  while (sent < count) {
    uint32_t run = 1;
    const uint32_t socket = SocketOf(out_[sent].leg);
    while (sent + run < count && SocketOf(out_[sent + run].leg) == socket) ++run;
    const uint32_t taken = options_.gso ? SendTrain(sent, run) : SendPlain(sent, run);
    if (taken == 0) break;
    sent += taken;
  }
  return sent;
}

// From the front of [first, first + count), which leave by one socket, what is of one size.
uint32_t SocketLink::SendTrain(uint32_t first, uint32_t count) {
  const uint32_t size = out_[first].size;
  const uint32_t most = std::min(count, size > 0 ? relay::kMaxTrainBytes / size : 1);
  uint32_t segments = 0;
  while (segments < std::min(most, relay::kMaxTrainSegments) && out_[first + segments].size == size) {
    out_iov_[first + segments].iov_len = size;
    ++segments;
  }
  msghdr message{};
  message.msg_iov = &out_iov_[first];
  message.msg_iovlen = segments;
  relay::WriteSource({}, control_, message);
  if (segments > 1) relay::WriteSegmentSize(static_cast<uint16_t>(size), control_, message);
  const int fd = sockets_[SocketOf(out_[first].leg)].get();
  if (sendmsg(fd, &message, MSG_DONTWAIT) >= 0) return segments;
  // Some earlier packet's ICMP error is reported once, in place of this send.
  if (errno == ECONNREFUSED && sendmsg(fd, &message, MSG_DONTWAIT) >= 0) return segments;
  return 0;
}

uint32_t SocketLink::SendPlain(uint32_t first, uint32_t count) {
  for (uint32_t i = first; i < first + count; ++i) out_iov_[i].iov_len = out_[i].size;
  const int fd = sockets_[SocketOf(out_[first].leg)].get();
  int sent = sendmmsg(fd, &out_headers_[first], count, MSG_DONTWAIT);
  if (sent < 0 && errno == ECONNREFUSED) sent = sendmmsg(fd, &out_headers_[first], count, MSG_DONTWAIT);
  return sent > 0 ? static_cast<uint32_t>(sent) : 0;
}

bool SocketLink::ReceiveFrom(uint32_t socket, size_t& messages) {
  const size_t room = kMessages - messages;
  for (size_t i = messages; i < kMessages && options_.gso; ++i) {
    in_headers_[i].msg_hdr.msg_control = in_control_[i].bytes.data();
    in_headers_[i].msg_hdr.msg_controllen = in_control_[i].bytes.size();
  }
  const int taken =
      recvmmsg(sockets_[socket].get(), &in_headers_[messages], static_cast<unsigned>(room), MSG_DONTWAIT, nullptr);
  if (taken <= 0) return false;
  // Which leg a socket shared by several is for, only the packet's content tells.
  const bool own = socket >= leg_sockets_ || legs_ == leg_sockets_;
  const uint32_t leg = socket >= leg_sockets_ ? legs_ + (socket - leg_sockets_) : socket;
  for (size_t i = messages; i < messages + static_cast<size_t>(taken); ++i) {
    relay::Path unused;
    const uint32_t gro_size = options_.gso ? relay::ReadControl(in_headers_[i].msg_hdr, unused) : 0;
    const auto* const bytes = static_cast<const uint8_t*>(in_iov_[i].iov_base);
    const relay::Train train = relay::Train::Of({bytes, in_headers_[i].msg_len}, gro_size);
    for (uint32_t s = 0; s < train.segments; ++s) {
      const std::span<const uint8_t> segment = train.Slice(s, 1).bytes;
      in_.push_back({segment.data(), static_cast<uint32_t>(segment.size()), own ? leg : kUnknownLeg});
    }
  }
  messages += static_cast<size_t>(taken);
  return static_cast<size_t>(taken) == room;
}

std::span<const Incoming> SocketLink::Receive() {
  in_.clear();
  size_t messages = 0;
  if (sockets_.size() <= kFewSockets) {
    for (uint32_t i = 0; i < sockets_.size() && messages < kMessages; ++i) ReceiveFrom(i, messages);
    return in_;
  }
  if (ready_.empty()) {
    const int found = epoll_wait(epoll_.get(), events_.data(), static_cast<int>(events_.size()), 0);
    for (int i = 0; i < found; ++i) ready_.push_back(events_[static_cast<size_t>(i)].data.u32);
  }
  while (!ready_.empty() && messages < kMessages) {
    const uint32_t socket = ready_.back();
    if (ReceiveFrom(socket, messages)) break;  // No room left: the rest of it next time.
    ready_.pop_back();
  }
  return in_;
}

void SocketLink::Wait(relay::Instant until) {
  if (options_.busy_poll || !ready_.empty()) return;
  const auto left = std::max(until - std::chrono::steady_clock::now(), relay::Duration::zero());
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
  const timespec timeout{.tv_sec = seconds.count(), .tv_nsec = (left - seconds).count()};
  pollfd polled{.fd = epoll_.get(), .events = POLLIN, .revents = 0};
  ppoll(&polled, 1, &timeout, nullptr);
}

std::vector<std::string> SocketLink::Notes() const {
  if (leg_sockets_ >= legs_) return {};
  return {absl::StrCat(legs_, " legs share ", leg_sockets_,
                       " sockets, and so source addresses: more descriptors are not to be had (ulimit -n, "
                       "--max_sockets)")};
}

}  // namespace bench
