#include "relay/dataplane/receive_batch.h"

#include <algorithm>
#include <cerrno>
#include <span>

namespace relay {

ReceiveBatch::ReceiveBatch(uint16_t local_port) : local_port_(local_port), memory_(kStride * kMaxMessages) {
  auto* const bytes = static_cast<uint8_t*>(memory_.data());
  for (size_t i = 0; i < kMaxMessages; ++i) {
    vectors_[i] = {.iov_base = bytes + i * kStride, .iov_len = kBufferSize};
    headers_[i] = {};
    headers_[i].msg_hdr.msg_name = &messages_[i].name;
    headers_[i].msg_hdr.msg_iov = &vectors_[i];
    headers_[i].msg_hdr.msg_iovlen = 1;
    headers_[i].msg_hdr.msg_control = messages_[i].control.bytes.data();
  }
}

int ReceiveBatch::Receive(int fd, int flags) {
  for (uint32_t i = 0; i < limit_; ++i) {  // What the kernel overwrote.
    headers_[i].msg_hdr.msg_namelen = sizeof(SocketAddress);
    headers_[i].msg_hdr.msg_controllen = sizeof(ReceiveControl);
  }
  const int count = recvmmsg(fd, headers_.data(), limit_, flags | MSG_WAITFORONE, nullptr);
  if (count < 0) return -errno;
  uint64_t bytes = 0;
  for (int i = 0; i < count; ++i) bytes += headers_[static_cast<size_t>(i)].msg_len;
  limit_ = NextLimit(bytes, static_cast<uint64_t>(count));
  return count;
}

std::optional<Datagrams> ReceiveBatch::Read(int i) const {
  const auto index = static_cast<size_t>(i);
  const msghdr& header = headers_[index].msg_hdr;
  if (header.msg_namelen == 0) return std::nullopt;
  Datagrams out;
  out.from.remote = ReadAddress(messages_[index].name);
  out.from.local_port = local_port_;
  const uint32_t gro_size = ReadControl(header, out.from);
  const std::span bytes(static_cast<const uint8_t*>(vectors_[index].iov_base), headers_[index].msg_len);
  out.train = Train::Of(bytes, gro_size);
  out.truncated = (header.msg_flags & MSG_TRUNC) != 0;
  return out;
}

}  // namespace relay
