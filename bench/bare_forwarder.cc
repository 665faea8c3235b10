#include "bench/bare_forwarder.h"

#include <linux/udp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "relay/core/endpoint_table.h"
#include "relay/dataplane/receive_batch.h"

namespace bench {

namespace {

constexpr unsigned kBatch = relay::ReceiveBatch::kMaxMessages;
constexpr size_t kStride = relay::ReceiveBatch::kStride;
constexpr int kSocketBuffer = 8 << 20;

void Check(bool ok, const char* what) {
  if (ok) return;
  std::perror(what);
  std::abort();
}

// What the kernel will give: FORCE needs CAP_NET_ADMIN.
void SetBuffer(int fd, int force_name, int name) {
  if (setsockopt(fd, SOL_SOCKET, force_name, &kSocketBuffer, sizeof(kSocketBuffer)) == 0) return;
  Check(setsockopt(fd, SOL_SOCKET, name, &kSocketBuffer, sizeof(kSocketBuffer)) == 0, "socket buffer");
}

}  // namespace

struct BareForwarder::Batch {
  struct Control {
    alignas(cmsghdr) std::array<uint8_t, CMSG_SPACE(sizeof(int))> bytes;
  };
  relay::Mapping memory{kStride * kBatch};
  std::array<sockaddr_in, kBatch> names;
  std::array<Control, kBatch> controls;
  std::array<iovec, kBatch> vectors;
  std::array<mmsghdr, kBatch> in{};
  std::array<mmsghdr, kBatch> out{};
};

BareForwarder::BareForwarder(std::unique_ptr<Routes> routes)
    : routes_(std::move(routes)),
      batch_(std::make_unique<Batch>()),
      fd_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  Check(fd_ >= 0, "socket");
  const int one = 1;
  SetBuffer(fd_, SO_RCVBUFFORCE, SO_RCVBUF);
  SetBuffer(fd_, SO_SNDBUFFORCE, SO_SNDBUF);
  Check(setsockopt(fd_, IPPROTO_UDP, UDP_GRO, &one, sizeof(one)) == 0, "UDP_GRO");
  sockaddr_in any{};
  any.sin_family = AF_INET;
  socklen_t size = sizeof(any);
  Check(bind(fd_, reinterpret_cast<sockaddr*>(&any), size) == 0, "bind");
  Check(getsockname(fd_, reinterpret_cast<sockaddr*>(&any), &size) == 0, "getsockname");
  port_ = ntohs(any.sin_port);
  for (size_t i = 0; i < kBatch; ++i) {
    Batch& b = *batch_;
    b.vectors[i].iov_base = static_cast<uint8_t*>(b.memory.data()) + i * kStride;
    b.in[i].msg_hdr.msg_name = &b.names[i];
    b.in[i].msg_hdr.msg_iov = &b.vectors[i];
    b.in[i].msg_hdr.msg_iovlen = 1;
    b.in[i].msg_hdr.msg_control = b.controls[i].bytes.data();
  }
}

BareForwarder::~BareForwarder() { close(fd_); }

void BareForwarder::Run() {
  Batch& b = *batch_;
  unsigned limit = kBatch;
  while (true) {
    for (size_t i = 0; i < limit; ++i) {
      b.vectors[i].iov_len = relay::ReceiveBatch::kBufferSize;
      b.in[i].msg_hdr.msg_namelen = sizeof(sockaddr_in);
      b.in[i].msg_hdr.msg_controllen = sizeof(Batch::Control);
    }
    const int received = recvmmsg(fd_, b.in.data(), limit, MSG_WAITFORONE, nullptr);
    if (received <= 0) continue;
    uint64_t bytes = 0;
    for (int i = 0; i < received; ++i) bytes += b.in[static_cast<size_t>(i)].msg_len;
    limit = relay::ReceiveBatch::NextLimit(bytes, static_cast<uint64_t>(received));
    receive_calls_.store(receive_calls_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    const unsigned count = Route(static_cast<unsigned>(received));
    for (unsigned sent = 0; sent < count;) {
      const int n = sendmmsg(fd_, &b.out[sent], count - sent, 0);
      sent += n > 0 ? static_cast<unsigned>(n) : 1;
    }
  }
}

// Fills `out` from `in`; returns the number of messages.
unsigned BareForwarder::Route(unsigned received) {
  Batch& b = *batch_;
  unsigned count = 0;
  uint64_t packets = 0;
  for (unsigned i = 0; i < received; ++i) {
    sockaddr_in& to = (*routes_)[ntohs(b.names[i].sin_port)];
    if (to.sin_family == 0) continue;
    const msghdr& in = b.in[i].msg_hdr;
    msghdr& out = b.out[count++].msg_hdr;
    out = {};
    out.msg_name = &to;
    out.msg_namelen = sizeof(to);
    b.vectors[i].iov_len = b.in[i].msg_len;
    out.msg_iov = &b.vectors[i];
    out.msg_iovlen = 1;
    ++packets;
    cmsghdr* const c = CMSG_FIRSTHDR(&in);
    if (c == nullptr || c->cmsg_type != UDP_GRO) continue;
    int segment = 0;
    std::memcpy(&segment, CMSG_DATA(c), sizeof(segment));
    const auto size = static_cast<uint16_t>(segment);
    packets += (b.in[i].msg_len - 1) / size;
    c->cmsg_type = UDP_SEGMENT;
    c->cmsg_len = CMSG_LEN(sizeof(size));
    std::memcpy(CMSG_DATA(c), &size, sizeof(size));
    out.msg_control = c;
    out.msg_controllen = CMSG_SPACE(sizeof(size));
  }
  packets_.store(packets_.load(std::memory_order_relaxed) + packets, std::memory_order_relaxed);
  return count;
}

}  // namespace bench
