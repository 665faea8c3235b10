#include "bench/measure/flow_tracker.h"

#include <cassert>
#include <limits>
#include <new>

namespace bench {
namespace {

constexpr auto kUnordered = std::memory_order_relaxed;

void Add(std::atomic<uint64_t>& word, uint64_t n) {  // Plain instructions: there is one writer.
  word.store(word.load(kUnordered) + n, kUnordered);
}

// A zeroed page costs nothing until it is written.
void* Zeroed(size_t count, size_t size) {
  void* const memory = std::calloc(count, size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

FlowTotals& FlowTotals::operator+=(const FlowTotals& other) {
  received += other.received;
  bytes += other.bytes;
  missing += other.missing;
  reordered += other.reordered;
  duplicated += other.duplicated;
  late += other.late;
  corrupted += other.corrupted;
  return *this;
}

FlowTotals& FlowTotals::operator-=(const FlowTotals& earlier) {
  received -= earlier.received;
  bytes -= earlier.bytes;
  missing = missing > earlier.missing ? missing - earlier.missing : 0;  // Gaps may have been filled since.
  reordered -= earlier.reordered;
  duplicated -= earlier.duplicated;
  late -= earlier.late;
  corrupted -= earlier.corrupted;
  return *this;
}

FlowTracker::FlowTracker(size_t flows)
    : flows_(flows), states_(static_cast<State*>(Zeroed(flows == 0 ? 1 : flows, sizeof(State)))) {}

Arrival FlowTracker::Record(uint32_t flow, uint64_t sequence, size_t payload_bytes) {
  if (flow >= flows_) return Arrival::kUnknownFlow;
  State& state = states_[flow];
  const uint64_t next = state.next;
  if (sequence < next) return RecordOld(state, next - 1 - sequence, payload_bytes);
  const uint64_t ahead = sequence - next;  // So many are missing before it.
  state.window = ahead + 1 >= kWindow ? 1 : state.window << (ahead + 1) | 1;
  state.next = sequence + 1;
  state.received = state.received + 1;
  Add(totals_.received, 1);
  Add(totals_.bytes, payload_bytes);
  if (ahead != 0) Add(totals_.missing, ahead);
  return Arrival::kInOrder;
}

// `behind`: the distance to the highest sequence seen.
Arrival FlowTracker::RecordOld(State& state, uint64_t behind, size_t payload_bytes) {
  constexpr uint32_t kMost = std::numeric_limits<uint32_t>::max();
  if (behind >= kWindow) {
    if (state.late != 0xffff) state.late = state.late + 1;
    Add(totals_.late, 1);
    return Arrival::kLate;
  }
  const uint64_t bit = uint64_t{1} << behind;
  if ((state.window & bit) != 0) {
    if (state.duplicated != kMost) ++state.duplicated;
    Add(totals_.duplicated, 1);
    return Arrival::kDuplicated;
  }
  state.window |= bit;
  state.received = state.received + 1;
  if (state.reordered != kMost) ++state.reordered;
  Add(totals_.received, 1);
  Add(totals_.bytes, payload_bytes);
  Add(totals_.reordered, 1);
  totals_.missing.store(totals_.missing.load(kUnordered) - 1, kUnordered);
  return Arrival::kReordered;
}

void FlowTracker::RecordCorrupt() { Add(totals_.corrupted, 1); }

void FlowTracker::RecordCorrupt(uint32_t flow) {
  Add(totals_.corrupted, 1);
  if (flow >= flows_) return;
  State& state = states_[flow];
  if (state.corrupted != 0xffff) state.corrupted = state.corrupted + 1;
}

FlowTotals FlowTracker::totals() const {
  return {.received = totals_.received.load(kUnordered),
          .bytes = totals_.bytes.load(kUnordered),
          .missing = totals_.missing.load(kUnordered),
          .reordered = totals_.reordered.load(kUnordered),
          .duplicated = totals_.duplicated.load(kUnordered),
          .late = totals_.late.load(kUnordered),
          .corrupted = totals_.corrupted.load(kUnordered)};
}

FlowTotals FlowTracker::OfFlow(uint32_t flow) const {
  assert(flow < flows_);
  const State& state = states_[flow];
  return {.received = state.received,
          .bytes = 0,
          .missing = state.next - state.received,
          .reordered = state.reordered,
          .duplicated = state.duplicated,
          .late = state.late,
          .corrupted = state.corrupted};
}

}  // namespace bench
