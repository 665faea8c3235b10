// Many datagrams a system call, for relay-client's two sockets. Trains come in by UDP_GRO and leave by UDP_SEGMENT;
// headers are put on and taken off by gathering, so that no payload is copied.
#ifndef RELAYD_RELAY_CLIENT_UDP_BATCH_H_
#define RELAYD_RELAY_CLIENT_UDP_BATCH_H_

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "disco/addr_port.h"
#include "relay/control/fd.h"
#include "relay/dataplane/ancillary.h"
#include "relay/dataplane/train.h"

namespace relay::client {

// A UDP socket on a free port, for both families, or for IPv4 alone where the kernel has no IPv6.
absl::StatusOr<Fd> OpenUdp();
// One that is bound to `local`.
absl::StatusOr<Fd> BindUdp(const disco::AddrPort& local);

// Errors by which the kernel says that it has no way there, or no leave to use it; the others are about one datagram,
// or pass by themselves.
bool IsPathError(int error);

class ReceiveBatch {
 public:
  static constexpr size_t kMessages = 32;

  struct Message {
    disco::AddrPort from;
    Train train;  // Its bytes are valid until the next Receive.
  };

  ReceiveBatch();
  // Takes what there is without waiting, kMessages at most; empty if there is nothing.
  std::span<const Message> Receive(int fd);

 private:
  static constexpr size_t kMessageSize = 65536;
  std::vector<uint8_t> memory_;
  std::array<iovec, kMessages> iov_{};
  std::array<SocketAddress, kMessages> from_{};
  std::array<ReceiveControl, kMessages> control_{};
  std::array<mmsghdr, kMessages> headers_{};
  std::array<Message, kMessages> messages_{};
};

// Datagrams for one destination. What it is given stays where it is until Send.
class SendBatch {
 public:
  using Clock = std::chrono::steady_clock;

  SendBatch();
  // One datagram: `header`, which may be empty, then `payload`.
  void Add(std::span<const uint8_t> header, std::span<const uint8_t> payload);
  bool empty() const { return sizes_.empty(); }
  bool sends_trains() const { return gso_; }  // Not on kernels that corrupt them.

  // Sends all, in order, and is empty again; waits a few milliseconds at most where the way out is full. 0, or the
  // error by which one was refused: one that IsPathError, if there was one. A train that is refused is repeated as
  // single datagrams.
  int Send(int fd, const disco::AddrPort& to);

 private:
  static constexpr std::chrono::seconds kRefusalLifetime{5};  // Then trains are tried again.
  static constexpr size_t kMessages = 64;

  size_t FillMessages(size_t first, bool trains, SocketAddress& to, socklen_t to_size);

  std::vector<iovec> iov_;     // Two a datagram.
  std::vector<size_t> sizes_;  // By datagram.
  std::array<mmsghdr, kMessages> messages_{};
  std::array<size_t, kMessages> counts_{};  // Datagrams in each message.
  std::array<SendControl, kMessages> control_{};
  bool gso_;
  Clock::time_point trains_from_{};
};

}  // namespace relay::client

#endif  // RELAYD_RELAY_CLIENT_UDP_BATCH_H_
