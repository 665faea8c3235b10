// One recvmmsg's worth of datagrams, and where they came from.
#ifndef RELAYD_RELAY_DATAPLANE_RECEIVE_BATCH_H_
#define RELAYD_RELAY_DATAPLANE_RECEIVE_BATCH_H_

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "relay/core/endpoint_table.h"
#include "relay/dataplane/ancillary.h"
#include "relay/dataplane/train.h"

namespace relay {

struct Datagrams {
  Path from;
  Train train;             // Valid until the next Receive.
  bool truncated = false;  // Longer than any UDP payload can be; what is here is not all of it.
};

class ReceiveBatch {
 public:
  // Enough for several datagrams of each of 100 interleaved conversations, so that they coalesce: 0.74 of the bare
  // forwarder's CPU time with 256, 0.97 with 128, 0.73 with 512 (bench/socket_bench, socket_plain_100_ratio).
  static constexpr uint32_t kMaxMessages = 256;
  // Buffers begin 21 cache lines further within a page each: a batch of small datagrams spreads over all sets of the
  // first level cache, and no two copies alias in their low twelve bits.
  static constexpr size_t kBufferSize = 65536;
  static constexpr size_t kStride = kBufferSize + size_t{21} * 64;
  // How many messages to take next, after a batch of `messages` with `bytes` in all: trains are to stay within the
  // second level cache until they are sent. The bare forwarder spends 11 to 15 % more on trains of 1280-byte datagrams
  // with 16 MiB of them in a batch than with 1 MiB (bench/socket_bench).
  static constexpr uint32_t NextLimit(uint64_t bytes, uint64_t messages) {
    constexpr uint64_t kTargetBytes = uint64_t{256} << 10;
    constexpr uint64_t kMinMessages = 4;
    const uint64_t mean = messages == 0 ? 1 : std::max<uint64_t>(bytes / messages, 1);
    return static_cast<uint32_t>(std::clamp<uint64_t>(kTargetBytes / mean, kMinMessages, kMaxMessages));
  }

  explicit ReceiveBatch(uint16_t local_port);

  // Up to kMaxMessages messages; blocks for the first one unless `flags` say otherwise. Returns their number, or
  // -errno.
  int Receive(int fd, int flags);
  // Message `i` of the last Receive; nullopt if it is none (the wake-up of a socket shut down).
  std::optional<Datagrams> Read(int i) const;

 private:
  struct Message {
    SocketAddress name;
    ReceiveControl control;
  };

  const uint16_t local_port_;
  uint32_t limit_ = kMaxMessages;  // Of the next Receive, by the mean size in the last one.
  Mapping memory_;
  std::array<Message, kMaxMessages> messages_;
  std::array<iovec, kMaxMessages> vectors_;
  std::array<mmsghdr, kMaxMessages> headers_;
};

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_RECEIVE_BATCH_H_
