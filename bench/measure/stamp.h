// What every generated payload carries, so that its receiver can tell loss, order, age and damage.
//
// The body (the UDP payload behind the 8-byte Geneve header), four words in the machine's byte order, because both ends
// read one clock and so are on one machine (offsets are a little-endian one's):
//
//    0  magic 4, run 4            whose it is
//    8  flow 4, body size 2, coverage 1, zero 1
//   16  sequence 8                from 0 in each flow
//   24  intended send time 8      when it should have left, not when it did: no coordinated omission
//   32  filler                    a piece of one fixed pattern, from where in it the sequence and flow decide
//   end-8  checksum 8             over the first 32 bytes, at the very end of the body
//
// A damaged, cut, or spliced body is told by the checksum, which depends on every field and sits at the other end, and
// by comparing the filler with the pattern, which costs less than a checksum of it and misses nothing. Payloads of
// throughput runs may leave the filler out of it (Coverage::kHeader): then it is neither written nor looked at.
// Figures: measure_bench, WriteStamp and ReadStamp.
#ifndef RELAYD_BENCH_MEASURE_STAMP_H_
#define RELAYD_BENCH_MEASURE_STAMP_H_

#include <cstddef>
#include <cstdint>
#include <span>

namespace bench {

constexpr size_t kMinBody = 40;               // Without filler.
constexpr size_t kMinPayload = kMinBody + 8;  // With the Geneve header: the least UDP payload.
constexpr size_t kMaxBody = 65'499;           // The largest UDP payload over IPv4 less the Geneve header.

struct Stamp {
  uint32_t run = 0;   // Random for each run (or trial), so that stragglers of another are not taken for ours.
  uint32_t flow = 0;  // FlowOf.
  uint64_t sequence = 0;
  int64_t intended_ns = 0;

  friend bool operator==(const Stamp&, const Stamp&) = default;
};

// Flows are pairs and directions: direction 0 is from the pair's first client to its second.
constexpr uint32_t FlowOf(uint32_t pair, uint32_t direction) { return pair * 2 + direction; }
constexpr uint32_t PairOf(uint32_t flow) { return flow / 2; }
constexpr uint32_t DirectionOf(uint32_t flow) { return flow % 2; }

enum class Coverage : uint8_t { kHeader = 1, kAll = 2 };

// Fills `body`, which is kMinBody to kMaxBody long.
void WriteStamp(std::span<uint8_t> body, const Stamp& stamp, Coverage coverage);

enum class StampStatus : uint8_t {
  kOk,
  kNotOurs,  // Something else, or of another run; `stamp` is not set.
  kCorrupt,  // Ours and damaged; `stamp` is not set, for nothing in it can be believed.
};

StampStatus ReadStamp(std::span<const uint8_t> body, uint32_t run, Stamp& stamp);

}  // namespace bench

#endif  // RELAYD_BENCH_MEASURE_STAMP_H_
