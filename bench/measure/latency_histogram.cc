#include "bench/measure/latency_histogram.h"

#include <algorithm>
#include <cmath>

namespace bench {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

// The rank (from 1) of the record that `percent` of `count` do not exceed. What is taken off undoes rounding: 99.99 %
// of 10,000 is the 9999th and not, by the last bit of a double, the 10,000th.
uint64_t RankOf(double percent, uint64_t count) {
  const double exact = percent / 100 * static_cast<double>(count);
  const double rank = std::ceil(exact - 1e-9 * std::max(exact, 1.0));
  return std::clamp<uint64_t>(static_cast<uint64_t>(std::max(rank, 1.0)), 1, std::max<uint64_t>(count, 1));
}

}  // namespace

LatencyHistogram::LatencyHistogram() : counts_(std::make_unique<std::atomic<uint64_t>[]>(kBuckets)) {}

int64_t LatencyHistogram::Clamp(int64_t ns) {
  Bump(clamped_);
  return std::clamp(ns, kMinNs, kMaxNs);
}

void LatencyHistogram::Merge(const LatencyHistogram& other) {
  for (size_t i = 0; i < kBuckets; ++i) {
    const uint64_t more = other.counts_[i].load(kRelaxed);
    if (more != 0) counts_[i].store(counts_[i].load(kRelaxed) + more, kRelaxed);
  }
  clamped_.store(clamped() + other.clamped(), kRelaxed);
  min_ns_.store(std::min(min_ns_.load(kRelaxed), other.min_ns_.load(kRelaxed)), kRelaxed);
  max_ns_.store(std::max(max_ns_.load(kRelaxed), other.max_ns_.load(kRelaxed)), kRelaxed);
}

void LatencyHistogram::Subtract(const LatencyHistogram& earlier) {
  size_t lowest = kBuckets;
  size_t highest = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    const uint64_t now = counts_[i].load(kRelaxed);
    const uint64_t left = now - std::min(now, earlier.counts_[i].load(kRelaxed));
    counts_[i].store(left, kRelaxed);
    if (left == 0) continue;
    lowest = std::min(lowest, i);
    highest = i;
  }
  clamped_.store(clamped() - std::min(clamped(), earlier.clamped()), kRelaxed);
  const bool empty = lowest == kBuckets;
  const int64_t min_ns = min_ns_.load(kRelaxed);
  const int64_t max_ns = max_ns_.load(kRelaxed);
  min_ns_.store(empty ? kMaxNs : std::clamp(ValueOf(lowest), min_ns, max_ns), kRelaxed);
  max_ns_.store(empty ? 0 : std::clamp(ValueOf(highest), min_ns, max_ns), kRelaxed);
}

void LatencyHistogram::Clear() {
  for (size_t i = 0; i < kBuckets; ++i) counts_[i].store(0, kRelaxed);
  clamped_.store(0, kRelaxed);
  min_ns_.store(kMaxNs, kRelaxed);
  max_ns_.store(0, kRelaxed);
}

uint64_t LatencyHistogram::count() const {
  uint64_t count = 0;
  for (size_t i = 0; i < kBuckets; ++i) count += counts_[i].load(kRelaxed);
  return count;
}

// The middle of the bucket: what is reported for all in it.
int64_t LatencyHistogram::ValueOf(size_t bucket) const {
  if (bucket < 2048) return static_cast<int64_t>(bucket);
  const int shift = static_cast<int>(bucket >> 10) - 1;
  const int64_t low = static_cast<int64_t>((bucket & 1023) + 1024) << shift;
  return low + (int64_t{1} << shift) / 2;
}

std::vector<int64_t> LatencyHistogram::AtRanks(const std::vector<uint64_t>& ranks) const {
  const int64_t min_ns = min_ns_.load(kRelaxed);
  const int64_t max_ns = std::max(min_ns, max_ns_.load(kRelaxed));
  std::vector<int64_t> values;
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets && values.size() < ranks.size(); ++i) {
    seen += counts_[i].load(kRelaxed);
    while (values.size() < ranks.size() && ranks[values.size()] <= seen) {
      values.push_back(std::clamp(ValueOf(i), min_ns, max_ns));
    }
  }
  values.resize(ranks.size(), 0);
  return values;
}

int64_t LatencyHistogram::Percentile(double percent) const { return AtRanks({RankOf(percent, count())})[0]; }

double LatencyHistogram::MeanNs() const {
  double sum = 0;
  uint64_t records = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    const uint64_t n = counts_[i].load(kRelaxed);
    records += n;
    sum += static_cast<double>(n) * static_cast<double>(ValueOf(i));
  }
  return records == 0 ? 0 : sum / static_cast<double>(records);
}

LatencySummary LatencyHistogram::Summary() const {
  LatencySummary s;
  s.count = count();
  if (s.count == 0) return s;
  const std::vector<int64_t> at = AtRanks(
      {RankOf(50, s.count), RankOf(90, s.count), RankOf(99, s.count), RankOf(99.9, s.count), RankOf(99.99, s.count)});
  s.min_ns = min_ns_.load(kRelaxed);
  s.p50_ns = at[0];
  s.p90_ns = at[1];
  s.p99_ns = at[2];
  s.p999_ns = at[3];
  s.p9999_ns = at[4];
  s.max_ns = max_ns_.load(kRelaxed);
  s.mean_ns = MeanNs();
  return s;
}

std::vector<PercentilePoint> LatencyHistogram::Curve() const {
  constexpr int kStepsPerNine = 10;
  const uint64_t records = count();
  if (records == 0) return {};
  std::vector<double> percents;
  std::vector<uint64_t> ranks;
  for (int step = 0;; ++step) {
    const double beyond = std::pow(10.0, -static_cast<double>(step) / kStepsPerNine);  // The share above.
    if (beyond * static_cast<double>(records) < 1) break;
    percents.push_back(100 * (1 - beyond));
    ranks.push_back(RankOf(percents.back(), records));
  }
  const std::vector<int64_t> values = AtRanks(ranks);
  std::vector<PercentilePoint> curve;
  for (size_t i = 0; i < values.size(); ++i) curve.push_back({percents[i], values[i]});
  curve.push_back({100, max_ns_.load(kRelaxed)});
  return curve;
}

}  // namespace bench
