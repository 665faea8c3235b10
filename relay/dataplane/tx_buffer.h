// Finished frames on their way out of one port, by one worker.
#ifndef RELAYD_RELAY_DATAPLANE_TX_BUFFER_H_
#define RELAYD_RELAY_DATAPLANE_TX_BUFFER_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "relay/core/counters.h"
#include "relay/core/port_counters.h"
#include "relay/dataplane/mbuf.h"

struct rte_ring;

namespace relay {

// What a frame counts as once it is sent.
struct SentAs {
  MbufNote::Kind kind;
  uint8_t transport_in;  // kForward; as Transport.
  uint8_t transport_out;
  uint16_t payload_bytes;
};

// Where the frames go: this worker's own transmit queue, or, on a port with fewer queues than workers, a ring to the
// worker that has one.
class TxBuffer {
 public:
  // What one flush asks the port for, and how far a port that is behind may fall before frames are dropped: a few
  // bursts, so that nothing waits longer than it is worth.
  static constexpr uint16_t kCapacity = 256;

  struct Target {
    uint16_t port_id = 0;
    uint16_t queue = 0;
    rte_ring* handoff = nullptr;  // Not null: instead of the queue.
  };
  // All outlive the buffer.
  TxBuffer(const Target& target, Counters& counters, PortCounters& port_counters)
      : target_(target), counters_(counters), port_counters_(port_counters) {}
  ~TxBuffer();  // Frees what is left.
  TxBuffer(const TxBuffer&) = delete;
  TxBuffer& operator=(const TxBuffer&) = delete;

  // Takes the frame, or drops and counts it where there is no room.
  void Add(rte_mbuf* frame, const SentAs& as) {
    if (size_ == kCapacity && !MakeRoom()) return Drop(frame, as);
    frames_[size_] = frame;
    as_[size_] = as;
    ++size_;
  }
  // Sends what the port takes; the rest waits for the next flush.
  void Flush() {
    if (size_ != 0) Send();
  }
  // Gives up what is left: counted as dropped.
  void Abandon();
  size_t size() const { return size_; }

 private:
  bool MakeRoom();
  void Drop(rte_mbuf* frame, const SentAs& as);
  void Send();
  uint16_t HandOff();
  void CountSent(uint16_t sent);

  const Target target_;
  Counters& counters_;
  PortCounters& port_counters_;
  uint16_t size_ = 0;
  std::array<rte_mbuf*, kCapacity> frames_;
  std::array<SentAs, kCapacity> as_;
};

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_TX_BUFFER_H_
