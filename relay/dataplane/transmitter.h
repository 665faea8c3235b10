// Sends what the coalescer has put together, and counts where each datagram's life ends.
#ifndef RELAYD_RELAY_DATAPLANE_TRANSMITTER_H_
#define RELAYD_RELAY_DATAPLANE_TRANSMITTER_H_

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <span>

#include "relay/core/counters.h"
#include "relay/core/time.h"
#include "relay/dataplane/ancillary.h"
#include "relay/dataplane/coalescer.h"
#include "relay/dataplane/gso.h"
#include "relay/dataplane/udp_socket.h"

namespace relay {

class Transmitter {
 public:
  // `sockets` and `counters` outlive it. `gso` false: trains are sent as single datagrams.
  Transmitter(const SocketSet& sockets, bool gso, Counters& counters);

  // Sends the whole burst, in order. Waits kMaxWaits milliseconds at most for room in the socket's buffer, so the
  // caller is offline in the Qsbr.
  void Send(const Coalescer& burst, Instant now);

 private:
  static constexpr int kMaxWaits = 8;

  // A header and what it points to, for one message each.
  template <size_t N>
  struct Headers {
    std::array<mmsghdr, N> headers;
    std::array<SocketAddress, N> names;
    std::array<SendControl, N> controls;
    void Fill(size_t i, const Path& to, iovec* vectors, size_t vector_count);
  };

  void Prepare(const Coalescer& burst);
  template <typename Sent, typename Failed>
  void SendAll(int fd, std::span<mmsghdr> headers, Sent sent, Failed failed);
  void SendRun(const Coalescer& burst, size_t begin, size_t end);
  void SendSingly(const Coalescer& burst, const Outgoing& message);
  bool WaitForRoom(int fd, int error);
  int SocketFor(const Path& to) const { return to.IsIpv4() ? fd_v4_ : fd_v6_; }
  bool IsSplit(const Outgoing& message) const;
  void CountSent(const Outgoing& message);

  const int fd_v4_;
  const int fd_v6_;
  const bool gso_;
  Counters& counters_;
  GsoRefusals refusals_;
  Instant now_{};       // Of the burst.
  int waits_left_ = 0;  // Of the burst.

  Headers<Coalescer::kMaxPieces> messages_;
  std::array<iovec, Coalescer::kMaxPieces> vectors_;
  Headers<kMaxTrainSegments> singles_;
  std::array<iovec, kMaxTrainSegments> single_vectors_;
};

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_TRANSMITTER_H_
