// Latencies in a log-linear histogram: three significant digits from 1 ns to 100 s in fixed memory.
//
// Below 2048 ns every nanosecond has a bucket; above, every power of two has 1024. A bucket is thus never wider than
// 1/1024 of its values, and a percentile, which is a bucket's middle, is within 0.05 % of the recorded one.
#ifndef RELAYD_BENCH_MEASURE_LATENCY_HISTOGRAM_H_
#define RELAYD_BENCH_MEASURE_LATENCY_HISTOGRAM_H_

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace bench {

struct LatencySummary {
  uint64_t count = 0;
  int64_t min_ns = 0;
  int64_t p50_ns = 0;
  int64_t p90_ns = 0;
  int64_t p99_ns = 0;
  int64_t p999_ns = 0;
  int64_t p9999_ns = 0;
  int64_t max_ns = 0;
  double mean_ns = 0;
};

struct PercentilePoint {
  double percent;
  int64_t ns;
};

// Written by one thread. Any other may read at the same time (Merge from it, ask it): it sees some moment of the
// writer's, give or take the records of that instant.
class LatencyHistogram {
 public:
  static constexpr int64_t kMinNs = 1;
  static constexpr int64_t kMaxNs = 100'000'000'000;
  static constexpr size_t kBuckets = size_t{28} * 1024;
  static constexpr size_t kMemoryBytes = kBuckets * sizeof(uint64_t);  // 224 KiB, allocated at construction.

  LatencyHistogram();

  // A latency beyond the bounds counts as the bound (`clamped` tells how many). A few ns: measure_bench, Record.
  void Record(int64_t ns) {
    if (ns < kMinNs || ns > kMaxNs) ns = Clamp(ns);
    Bump(counts_[BucketOf(static_cast<uint64_t>(ns))]);
    if (ns > max_ns_.load(std::memory_order_relaxed)) max_ns_.store(ns, std::memory_order_relaxed);
    if (ns < min_ns_.load(std::memory_order_relaxed)) min_ns_.store(ns, std::memory_order_relaxed);
  }

  // Adds what the other one holds.
  void Merge(const LatencyHistogram& other);
  // Takes off an earlier state of this histogram: what is left was recorded since. Its min and max are then those of
  // buckets.
  void Subtract(const LatencyHistogram& earlier);
  void Clear();

  uint64_t count() const;
  uint64_t clamped() const { return clamped_.load(std::memory_order_relaxed); }
  // The latency that `percent` (0 to 100) of the records do not exceed; 0 if there are none.
  int64_t Percentile(double percent) const;
  double MeanNs() const;
  LatencySummary Summary() const;
  // For a plot whose axis is 1 / (1 - share): 0, then ten steps to every nine, up to one record in `count`.
  std::vector<PercentilePoint> Curve() const;

 private:
  static constexpr size_t BucketOf(uint64_t ns) {
    const int width = std::bit_width(ns);
    const int shift = width > 11 ? width - 11 : 0;
    return (static_cast<size_t>(shift) << 10) + (ns >> shift);
  }
  static void Bump(std::atomic<uint64_t>& word) {  // Plain instructions: there is one writer.
    word.store(word.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  int64_t Clamp(int64_t ns);
  // What the ranks, which rise, have: one walk over the buckets.
  std::vector<int64_t> AtRanks(const std::vector<uint64_t>& ranks) const;
  int64_t ValueOf(size_t bucket) const;

  std::unique_ptr<std::atomic<uint64_t>[]> counts_;
  std::atomic<int64_t> min_ns_{kMaxNs};
  std::atomic<int64_t> max_ns_{0};
  std::atomic<uint64_t> clamped_{0};
};

}  // namespace bench

#endif  // RELAYD_BENCH_MEASURE_LATENCY_HISTOGRAM_H_
