// The load of one trial: stamped packets of all flows out, and a book of what comes back. Without I/O but for the Link.
#ifndef RELAYD_BENCH_RELAY_BENCH_LOAD_H_
#define RELAYD_BENCH_RELAY_BENCH_LOAD_H_

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "bench/measure/flow_tracker.h"
#include "bench/measure/latency_histogram.h"
#include "bench/measure/pacer.h"
#include "bench/measure/sizes.h"
#include "bench/measure/stamp.h"
#include "bench/relay_bench/handshakes.h"
#include "bench/relay_bench/link.h"
#include "bench/relay_bench/pairs.h"
#include "geneve/geneve.h"

namespace bench {

// xorshift64*: fast, and the same everywhere for one seed.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15 | 1) {}
  uint64_t Next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545F4914F6CDD1D;
  }
  uint32_t Below(uint32_t n) { return static_cast<uint32_t>((Next() >> 32) * n >> 32); }

 private:
  uint64_t state_;
};

// Numbers that are used at random: zero, on huge pages where there are any, touched as used.
class BigArray {
 public:
  BigArray() = default;
  explicit BigArray(size_t size);
  uint32_t& operator[](size_t i) { return words_[i]; }
  uint32_t operator[](size_t i) const { return words_[i]; }

 private:
  struct Unmap {
    size_t bytes;
    void operator()(uint32_t* words) const;
  };
  std::unique_ptr<uint32_t[], Unmap> words_{nullptr, Unmap{0}};
};

// What came that should not have: each is a fault of the relay's, or somebody else's packet.
struct Strays {
  uint64_t not_ours = 0;   // Neither a stamp of this run nor a handshake message that somebody waits for.
  uint64_t wrong_leg = 0;  // A good stamp at another leg than the one that it was for. Also counted as corrupted.
  uint64_t wrong_vni = 0;  // A good stamp under another VNI. Also counted as corrupted.
};

class Load {
 public:
  struct Options {
    SizeMix sizes = SizeMix::Fixed(72);
    Coverage coverage = Coverage::kAll;
    bool both_directions = true;
    bool reflector = false;
    uint32_t run_length = 1;                                     // Consecutive packets of one flow.
    relay::Duration max_behind = std::chrono::milliseconds(10);  // See Pacer.
    double handshake_share = 0;
    uint32_t probe_run = 0;
    uint64_t seed = 1;
  };

  // All of them outlive it. `pairs`: the bound ones, which the load is for; the numbers of flows count all pairs.
  Load(const Options& options, Link& link, std::span<const Pair> all, Handshakes& handshakes);

  // The pairs that take part. At least one before Begin.
  void SetBound(std::vector<uint32_t> pairs) { bound_ = std::move(pairs); }

  // A new trial: sequences begin at 0, books are empty. `per_second` 0: as fast as the link takes it.
  void Begin(uint32_t run, double per_second, relay::Instant now);
  // One burst, if one is due; returns how many were sent.
  uint32_t Send(relay::Instant now);
  // Books a burst that came. Also before Begin.
  void Receive(std::span<const Incoming> burst, relay::Instant now);
  // The sending ends: what was due and is not sent is the generator's loss.
  void End(relay::Instant now);

  const Pacer& pacer() const { return *pacer_; }
  FlowTotals totals() const { return tracker_->totals(); }
  const LatencyHistogram& latency() const { return latency_; }
  const Strays& strays() const { return strays_; }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  uint32_t NextFlow();
  // Into flows_ from `from` on, and what they need into the cache.
  void ChooseFlows(uint32_t from);
  void Fill(const Outgoing& room, uint32_t flow, int64_t intended_ns);
  void Unsend(uint32_t flow);
  void StartHandshakes(uint32_t packets, relay::Instant now);
  void ReceiveControl(const Incoming& in, const geneve::Header& header, relay::Instant now);

  const Options options_;
  Link& link_;
  const std::span<const Pair> all_;
  Handshakes& handshakes_;
  std::vector<uint32_t> bound_;
  bool contiguous_ = false;  // bound_ is first_, first_ + 1, ...: no need to look it up.
  uint32_t first_ = 0;
  const uint32_t burst_;

  Random random_;
  uint32_t run_ = 0;
  std::unique_ptr<Pacer> pacer_;
  BigArray sequences_;  // By flow; next to be sent.
  BigArray vnis_;       // By pair: what a packet needs of it, apart from the rest.
  std::unique_ptr<FlowTracker> tracker_;
  LatencyHistogram latency_;
  Strays strays_;
  double handshakes_due_ = 0;

  // The flows of the next burst, chosen a burst ahead, so that what they need is in the cache by then.
  std::array<uint32_t, kMaxBurst> flows_{};
  uint32_t current_ = kNone;
  uint32_t left_in_run_ = 0;
  uint64_t size_at_ = 0;
};

}  // namespace bench

#endif  // RELAYD_BENCH_RELAY_BENCH_LOAD_H_
