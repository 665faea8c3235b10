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

// What a frame counts as once it is sent. One word, made in a register: as a struct of bytes it cost 20 cycles a
// packet, because it was written in bytes and copied whole (bench/ring_bench).
class SentAs {
 public:
  using Kind = MbufNote::Kind;
  // By which frames are counted: relayed datagrams by their transports, in * 2 + out; then the other kinds.
  static constexpr size_t kClasses = 8;
  static constexpr size_t ClassOf(Kind kind) { return 3 + static_cast<size_t>(kind); }
  static_assert(static_cast<size_t>(Kind::kForward) == 0 && static_cast<size_t>(Kind::kFromKernel) + 3 < kClasses);

  SentAs() = default;
  // All but kForward, and what goes to the kernel, which has no class.
  explicit SentAs(Kind kind) : bits_(static_cast<uint32_t>(ClassOf(kind))) {}
  // A relayed datagram; transports are as Transport.
  SentAs(uint32_t transport_in, uint32_t transport_out, uint32_t payload_bytes)
      : bits_(payload_bytes << 16 | transport_in << 1 | transport_out) {}
  size_t class_index() const { return bits_ & (kClasses - 1); }
  Kind kind() const { return class_index() < 4 ? Kind::kForward : static_cast<Kind>(class_index() - 3); }
  size_t transports() const { return class_index(); }  // Of kForward.
  uint16_t payload_bytes() const { return static_cast<uint16_t>(bits_ >> 16); }
  static SentAs Read(const MbufNote& note) {
    return note.kind == Kind::kForward ? SentAs(note.transport_in, note.transport_out, note.payload_bytes)
                                       : SentAs(note.kind);
  }

 private:
  uint32_t bits_ = 0;
};

// Where the frames go: this worker's own transmit queue, or, on a port with fewer queues than workers, a ring to the
// worker that has one.
class TxBuffer {
 public:
  // What one flush asks the port for, and how far a port that is behind may fall before frames are dropped: a few
  // bursts, so that nothing waits longer than it is worth.
  static constexpr uint16_t kCapacity = 256;
  static constexpr int64_t kPatienceNs = 5'000'000;

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
  void Add(rte_mbuf* frame, SentAs as) {
    if (size_ == kCapacity && !MakeRoom()) return Drop(frame, as);
    frames_[size_] = frame;
    as_[size_] = as;
    ++size_;
  }
  // Sends what the port takes; the rest waits for the next flush, or is dropped where the port has taken nothing for
  // kPatienceNs: a link that is down must not hold what nobody wants any more, nor cost its workers' time.
  void Flush() {
    if (size_ != 0) Send();
    refused_ = false;
  }
  // The port took nothing the last time.
  bool blocked() const { return blocked_since_ != 0; }
  // Gives up what is left: counted as dropped.
  void Abandon();
  size_t size() const { return size_; }

 private:
  bool MakeRoom();
  void Drop(rte_mbuf* frame, SentAs as);
  void Send();
  void Wait();
  uint16_t HandOff();
  void CountSent(uint16_t sent);

  const Target target_;
  Counters& counters_;
  PortCounters& port_counters_;
  uint64_t blocked_since_ = 0;  // TSC of the first send that was refused; 0: the last one was not.
  bool refused_ = false;        // Since the last flush: not to be tried again for each frame.
  uint16_t size_ = 0;
  std::array<rte_mbuf*, kCapacity> frames_;
  std::array<SentAs, kCapacity> as_;
};

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_TX_BUFFER_H_
