// Datagrams over kernel UDP sockets: a socket a leg, as far as descriptors go.
#ifndef RELAYD_BENCH_RELAY_BENCH_SOCKET_LINK_H_
#define RELAYD_BENCH_RELAY_BENCH_SOCKET_LINK_H_

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <vector>

#include "bench/relay_bench/link.h"
#include "bench/relay_bench/options.h"
#include "relay/control/fd.h"
#include "relay/dataplane/ancillary.h"

namespace bench {

class SocketLink : public Link {
 public:
  // `legs` is even; `extra` more have a socket of their own each. Beyond what descriptors allow, legs share sockets,
  // each of which then serves first clients only, or second ones. SetRelay opens them.
  SocketLink(const SocketOptions& options, uint32_t legs, uint32_t extra);

  absl::Status SetRelay(const disco::AddrPort& relay) override;
  std::span<Outgoing> Prepare(uint32_t count, Use use) override;
  uint32_t Send(uint32_t count) override;
  std::span<const Incoming> Receive() override;
  void Wait(relay::Instant until) override;
  uint32_t max_payload() const override { return options_.payload_room; }
  std::vector<std::string> Notes() const override;

 private:
  static constexpr size_t kMessages = 64;
  static constexpr size_t kFewSockets = 4;  // So few are asked without epoll.

  uint32_t SocketOf(uint32_t leg) const;
  absl::Status Open(uint32_t index, const disco::AddrPort& relay);
  uint32_t SendTrain(uint32_t first, uint32_t count);
  uint32_t SendPlain(uint32_t first, uint32_t count);
  // Takes what one socket has, up to the room that is left; true if it may have more.
  bool ReceiveFrom(uint32_t socket, size_t& messages);

  const SocketOptions options_;
  const uint32_t legs_;
  const uint32_t extra_;
  uint32_t leg_sockets_ = 0;  // Even. Those of the extra legs follow.
  std::vector<relay::Fd> sockets_;
  relay::Fd epoll_;

  std::vector<uint8_t> out_memory_;
  std::array<Outgoing, kMaxBurst> out_{};
  std::array<iovec, kMaxBurst> out_iov_{};
  std::array<mmsghdr, kMaxBurst> out_headers_{};
  relay::SendControl control_{};

  size_t message_size_ = 0;
  std::vector<uint8_t> in_memory_;
  std::array<iovec, kMessages> in_iov_{};
  std::array<mmsghdr, kMessages> in_headers_{};
  std::array<relay::ReceiveControl, kMessages> in_control_{};
  std::vector<Incoming> in_;
  std::vector<uint32_t> ready_;  // Sockets that may have something.
  std::array<epoll_event, 64> events_{};
};

}  // namespace bench

#endif  // RELAYD_BENCH_RELAY_BENCH_SOCKET_LINK_H_
