#include "relay/dataplane/netlink.h"

#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace relay::netlink {

namespace {

constexpr std::chrono::seconds kMostTime{2};
constexpr size_t kMostBytes = size_t{64} << 20;
constexpr size_t kReceiveBytes = size_t{64} << 10;  // The kernel fills at most half of it.
constexpr uint32_t kSequence = 1;                   // Each socket asks once.
constexpr uint16_t kTypeMask = 0x3fff;              // Without NLA_F_NESTED and NLA_F_NET_BYTEORDER.

absl::Status Error(const char* what, int error) {
  return absl::InternalError(absl::StrCat("netlink: ", what, ": ", std::strerror(error)));
}

class Socket {
 public:
  Socket() : fd_(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)) {}
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

absl::Status Request(int fd, uint16_t type, Payload body) {
  nlmsghdr header{};
  header.nlmsg_len = static_cast<uint32_t>(NLMSG_LENGTH(body.size()));
  header.nlmsg_type = type;
  header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  header.nlmsg_seq = kSequence;
  std::vector<uint8_t> message(NLMSG_SPACE(body.size()));
  std::memcpy(message.data(), &header, sizeof(header));
  std::ranges::copy(body, message.begin() + NLMSG_HDRLEN);
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  const timeval wait{.tv_sec = 1, .tv_usec = 0};
  if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) != 0) return Error("SO_RCVTIMEO", errno);
  if (sendto(fd, message.data(), message.size(), 0, reinterpret_cast<const sockaddr*>(&kernel), sizeof(kernel)) < 0) {
    return Error("cannot ask", errno);
  }
  return absl::OkStatus();
}

// One datagram of the kernel's; empty if it is somebody else's.
absl::Status Receive(int fd, std::vector<uint8_t>& buffer, Payload& out) {
  out = {};
  sockaddr_nl from{};
  iovec vector{.iov_base = buffer.data(), .iov_len = buffer.size()};
  msghdr message{};
  message.msg_name = &from;
  message.msg_namelen = sizeof(from);
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  const ssize_t size = recvmsg(fd, &message, 0);
  if (size < 0) return errno == EINTR ? absl::OkStatus() : Error("no answer", errno);
  if ((message.msg_flags & MSG_TRUNC) != 0) return Error("an answer was cut", EMSGSIZE);
  if (message.msg_namelen == sizeof(from) && from.nl_pid == 0) out = Payload(buffer).first(static_cast<size_t>(size));
  return absl::OkStatus();
}

// Reads one datagram's messages; true if the answer ends with it.
absl::StatusOr<bool> Handle(Payload datagram, uint16_t answer, const std::function<void(Payload)>& each) {
  while (const std::optional<nlmsghdr> header = Read<nlmsghdr>(datagram)) {
    if (header->nlmsg_len < NLMSG_HDRLEN || header->nlmsg_len > datagram.size()) return Error("bad answer", EBADMSG);
    const Payload payload = datagram.first(header->nlmsg_len).subspan(NLMSG_HDRLEN);
    datagram = datagram.subspan(std::min<size_t>(NLMSG_ALIGN(header->nlmsg_len), datagram.size()));
    if (header->nlmsg_seq != kSequence) continue;
    if (header->nlmsg_type == NLMSG_DONE) return true;
    if (header->nlmsg_type == NLMSG_ERROR) return Error("refused", -Read<int>(payload).value_or(-EBADMSG));
    if (header->nlmsg_type == answer) each(payload);
  }
  return false;
}

}  // namespace

absl::Status Dump(uint16_t request, uint16_t answer, Payload body, const std::function<void(Payload)>& each) {
  const Socket socket;
  if (socket.fd() < 0) return Error("cannot open a socket", errno);
  if (absl::Status status = Request(socket.fd(), request, body); !status.ok()) return status;
  const auto deadline = std::chrono::steady_clock::now() + kMostTime;
  std::vector<uint8_t> buffer(kReceiveBytes);
  for (size_t total = 0; total < kMostBytes && std::chrono::steady_clock::now() < deadline;) {
    Payload datagram;
    if (absl::Status status = Receive(socket.fd(), buffer, datagram); !status.ok()) return status;
    total += datagram.size();
    const absl::StatusOr<bool> done = Handle(datagram, answer, each);
    if (!done.ok()) return done.status();
    if (*done) return absl::OkStatus();
  }
  return Error("the answer does not end", EFBIG);
}

Payload Attribute(Payload attributes, uint16_t type) {
  while (const std::optional<rtattr> header = Read<rtattr>(attributes)) {
    if (header->rta_len < sizeof(rtattr) || header->rta_len > attributes.size()) break;
    if ((header->rta_type & kTypeMask) == type) {
      return attributes.first(header->rta_len).subspan(std::min<size_t>(RTA_LENGTH(0), header->rta_len));
    }
    attributes = attributes.subspan(std::min<size_t>(RTA_ALIGN(header->rta_len), attributes.size()));
  }
  return {};
}

}  // namespace relay::netlink
