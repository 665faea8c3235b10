#include "bench/measure/latency_histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <thread>

namespace bench {
namespace {

// As LatencyHistogram::Percentile says, of sorted values.
int64_t Exact(const std::vector<int64_t>& sorted, double percent) {
  const double exact = percent / 100 * static_cast<double>(sorted.size());
  const auto rank = static_cast<size_t>(std::ceil(exact - 1e-6));
  return sorted[std::clamp<size_t>(rank, 1, sorted.size()) - 1];
}

// Log-normal around `median_ns`, as latencies are, with a few far out.
std::vector<int64_t> Latencies(std::mt19937_64& random, size_t count, double median_ns, double spread) {
  std::lognormal_distribution<double> body(std::log(median_ns), spread);
  std::vector<int64_t> values(count);
  for (int64_t& ns : values) {
    ns = std::clamp(static_cast<int64_t>(body(random)), LatencyHistogram::kMinNs, LatencyHistogram::kMaxNs);
  }
  return values;
}

void ExpectWithinATenthOfAPercent(const LatencyHistogram& histogram, std::vector<int64_t> values) {
  std::sort(values.begin(), values.end());
  ASSERT_EQ(histogram.count(), values.size());
  for (const double percent : {0.0, 1.0, 25.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999, 100.0}) {
    const auto exact = static_cast<double>(Exact(values, percent));
    EXPECT_NEAR(static_cast<double>(histogram.Percentile(percent)), exact, exact * 0.001) << percent;
  }
  double sum = 0;
  for (const int64_t ns : values) sum += static_cast<double>(ns);
  const double mean = sum / static_cast<double>(values.size());
  EXPECT_NEAR(histogram.MeanNs(), mean, mean * 0.001);
  EXPECT_EQ(histogram.Summary().min_ns, values.front());
  EXPECT_EQ(histogram.Summary().max_ns, values.back());
}

TEST(LatencyHistogramTest, PercentilesAreThoseOfSorting) {
  std::mt19937_64 random(1);
  for (const double median_ns : {3.0, 900.0, 40e3, 7e6, 20e9}) {
    for (const double spread : {0.05, 1.0, 4.0}) {
      const std::vector<int64_t> values = Latencies(random, 20'000, median_ns, spread);
      LatencyHistogram histogram;
      for (const int64_t ns : values) histogram.Record(ns);
      ExpectWithinATenthOfAPercent(histogram, values);
    }
  }
}

TEST(LatencyHistogramTest, EveryMagnitudeHasThreeDigits) {
  for (int64_t ns = 1; ns < LatencyHistogram::kMaxNs; ns += 1 + ns / 37) {
    LatencyHistogram histogram;
    histogram.Record(ns);
    histogram.Record(LatencyHistogram::kMaxNs);  // So that the value is not known from min and max.
    histogram.Record(LatencyHistogram::kMinNs);
    EXPECT_NEAR(static_cast<double>(histogram.Percentile(50)), static_cast<double>(ns), static_cast<double>(ns) * 5e-4);
  }
}

TEST(LatencyHistogramTest, MergedIsAsIfRecordedInOne) {
  std::mt19937_64 random(2);
  const std::vector<int64_t> a = Latencies(random, 5'000, 1e4, 1);
  const std::vector<int64_t> b = Latencies(random, 7'000, 1e6, 1);
  LatencyHistogram first;
  LatencyHistogram second;
  for (const int64_t ns : a) first.Record(ns);
  for (const int64_t ns : b) second.Record(ns);
  first.Merge(second);
  std::vector<int64_t> all = a;
  all.insert(all.end(), b.begin(), b.end());
  ExpectWithinATenthOfAPercent(first, all);
}

TEST(LatencyHistogramTest, SubtractLeavesWhatCameSince) {
  LatencyHistogram total;
  for (int i = 0; i < 100; ++i) total.Record(5'000'000);
  LatencyHistogram before;
  before.Merge(total);
  for (int i = 0; i < 10; ++i) total.Record(70'000);
  total.Subtract(before);
  const LatencySummary since = total.Summary();
  EXPECT_EQ(since.count, 10U);
  EXPECT_NEAR(static_cast<double>(since.p50_ns), 70e3, 70);
  EXPECT_NEAR(static_cast<double>(since.max_ns), 70e3, 70);
  total.Subtract(total);
  EXPECT_EQ(total.count(), 0U);
  EXPECT_EQ(total.Summary().max_ns, 0);
}

TEST(LatencyHistogramTest, WhatIsOutOfBoundsIsClampedAndCounted) {
  LatencyHistogram histogram;
  for (const int64_t ns : {int64_t{0}, int64_t{-5}, std::numeric_limits<int64_t>::min()}) histogram.Record(ns);
  histogram.Record(std::numeric_limits<int64_t>::max());
  EXPECT_EQ(histogram.count(), 4U);
  EXPECT_EQ(histogram.clamped(), 4U);
  EXPECT_EQ(histogram.Percentile(50), LatencyHistogram::kMinNs);
  EXPECT_EQ(histogram.Percentile(100), LatencyHistogram::kMaxNs);
  histogram.Clear();
  EXPECT_EQ(histogram.count() + histogram.clamped(), 0U);
}

TEST(LatencyHistogramTest, NothingRecordedIsZero) {
  const LatencyHistogram histogram;
  EXPECT_EQ(histogram.Percentile(99), 0);
  EXPECT_EQ(histogram.MeanNs(), 0);
  EXPECT_EQ(histogram.Summary().count, 0U);
  EXPECT_TRUE(histogram.Curve().empty());
}

TEST(LatencyHistogramTest, TheCurveRisesToTheMaximum) {
  LatencyHistogram histogram;
  for (int64_t ns = 1; ns <= 100'000; ++ns) histogram.Record(ns);
  const std::vector<PercentilePoint> curve = histogram.Curve();
  ASSERT_EQ(curve.size(), 52U);  // Five nines of ten steps, their end, and the maximum.
  for (size_t i = 1; i < curve.size(); ++i) {
    EXPECT_GT(curve[i].percent, curve[i - 1].percent);
    EXPECT_GE(curve[i].ns, curve[i - 1].ns);
    EXPECT_NEAR(static_cast<double>(curve[i].ns), curve[i].percent * 1000, curve[i].percent);
  }
  EXPECT_EQ(curve.back().percent, 100);
  EXPECT_EQ(curve.back().ns, 100'000);
}

TEST(LatencyHistogramTest, IsReadWhileItIsWritten) {
  constexpr uint64_t kRecords = 200'000;
  LatencyHistogram histogram;
  std::thread writer([&histogram] {
    for (uint64_t i = 0; i < kRecords; ++i) histogram.Record(1000 + static_cast<int64_t>(i % 1000));
  });
  uint64_t last = 0;
  while (last < kRecords) {
    LatencyHistogram seen;
    seen.Merge(histogram);
    EXPECT_GE(seen.count(), last);
    last = seen.count();
    if (last > 0) {
      EXPECT_NEAR(static_cast<double>(seen.Percentile(50)), 1500, 501);
    }
  }
  writer.join();
  EXPECT_EQ(histogram.count(), kRecords);
}

}  // namespace
}  // namespace bench
