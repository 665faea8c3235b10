// What became of each flow's packets: 32 bytes a flow, one cache line for two.
//
//   in order     its sequence is the highest so far
//   reordered    it is lower (RFC 4737 section 3), and comes for the first time
//   duplicated   it has come before: known of the last 64 numbers
//   late         it is lower by more than that: reordered or duplicated, nobody knows. Not taken for received, so that
//                a duplicate never hides a loss: loss is overstated by `late` at most.
//   lost         it should have come, and did not come intact (a corrupted packet is lost, too)
#ifndef RELAYD_BENCH_MEASURE_FLOW_TRACKER_H_
#define RELAYD_BENCH_MEASURE_FLOW_TRACKER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

namespace bench {

enum class Arrival : uint8_t { kInOrder, kReordered, kDuplicated, kLate, kUnknownFlow };

// Of one flow, or of all. What is not a distinct packet is an event: arrivals = received + duplicated + late.
struct FlowTotals {
  uint64_t received = 0;  // Distinct packets, intact.
  uint64_t bytes = 0;     // Theirs, UDP payload. Not kept for each flow.
  uint64_t missing = 0;   // Gaps below the highest sequence of each flow. Lost() knows of lost tails, too.
  uint64_t reordered = 0;
  uint64_t duplicated = 0;
  uint64_t late = 0;
  uint64_t corrupted = 0;

  FlowTotals& operator+=(const FlowTotals& other);
  FlowTotals& operator-=(const FlowTotals& earlier);  // What happened since.
  // Of `sent` packets. (Never less than 0: what is on its way is counted as lost until it comes.)
  uint64_t Lost(uint64_t sent) const { return sent > received ? sent - received : 0; }
};

// Written by one thread, the one that receives these flows; totals() may be asked by any.
class FlowTracker {
 public:
  static constexpr uint64_t kWindow = 64;

  // Memory is touched only as flows are heard of.
  explicit FlowTracker(size_t flows);

  // A good stamp came, on a UDP payload of so many bytes.
  Arrival Record(uint32_t flow, uint64_t sequence, size_t payload_bytes);
  // A corrupted one came; its flow, if known from elsewhere (the VNI and receiver).
  void RecordCorrupt();
  void RecordCorrupt(uint32_t flow);
  // With many flows, for a burst's packets before the first Record.
  void Prefetch(uint32_t flow) const {
    if (flow < flows_) __builtin_prefetch(&states_[flow], 1);
  }

  size_t flows() const { return flows_; }
  FlowTotals totals() const;
  // For the writer only. Counts of one flow saturate: reordered and duplicated at 2^32 - 1, late and corrupted at
  // 65,535.
  FlowTotals OfFlow(uint32_t flow) const;
  // For the writer only: one past the highest sequence seen, 0 if none was.
  uint64_t NextOf(uint32_t flow) const { return states_[flow].next; }

 private:
  struct State {
    uint64_t next : 48;  // One past the highest sequence seen.
    uint64_t late : 16;
    uint64_t received : 48;
    uint64_t corrupted : 16;
    uint64_t window;  // Bit i: next - 1 - i has come.
    uint32_t reordered;
    uint32_t duplicated;
  };
  static_assert(sizeof(State) == 32);
  struct Free {
    void operator()(State* states) const { std::free(states); }
  };
  struct AtomicTotals {
    std::atomic<uint64_t> received{0}, bytes{0}, missing{0}, reordered{0}, duplicated{0}, late{0}, corrupted{0};
  };

  Arrival RecordOld(State& state, uint64_t behind, size_t payload_bytes);

  size_t flows_;
  std::unique_ptr<State[], Free> states_;
  AtomicTotals totals_;
};

}  // namespace bench

#endif  // RELAYD_BENCH_MEASURE_FLOW_TRACKER_H_
