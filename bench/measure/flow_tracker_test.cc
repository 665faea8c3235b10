#include "bench/measure/flow_tracker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <vector>

namespace bench {
namespace {

// The same, in sets: everything that ever came is remembered.
class Model {
 public:
  Arrival Record(uint64_t sequence) {
    if (came_.empty() || sequence > *came_.rbegin()) {
      came_.insert(sequence);
      ++counts_.received;
      return Arrival::kInOrder;
    }
    if (*came_.rbegin() - sequence >= FlowTracker::kWindow) {
      ++counts_.late;
      return Arrival::kLate;
    }
    if (!came_.insert(sequence).second) {
      ++counts_.duplicated;
      return Arrival::kDuplicated;
    }
    ++counts_.received;
    ++counts_.reordered;
    return Arrival::kReordered;
  }

  FlowTotals counts() const {
    FlowTotals counts = counts_;
    counts.missing = came_.empty() ? 0 : *came_.rbegin() + 1 - came_.size();
    return counts;
  }

 private:
  std::set<uint64_t> came_;
  FlowTotals counts_;
};

void ExpectSame(const FlowTotals& a, const FlowTotals& b) {
  EXPECT_EQ(a.received, b.received);
  EXPECT_EQ(a.missing, b.missing);
  EXPECT_EQ(a.reordered, b.reordered);
  EXPECT_EQ(a.duplicated, b.duplicated);
  EXPECT_EQ(a.late, b.late);
}

struct Weather {
  double loss;
  double duplication;
  double delay;    // The share of packets that come later,
  int delayed_by;  // by up to so many places.
};

// Sequences 0 to `count` as they would arrive.
std::vector<uint64_t> Arrivals(std::mt19937& random, uint64_t count, const Weather& weather) {
  std::uniform_real_distribution<double> chance(0, 1);
  std::vector<std::pair<double, uint64_t>> order;
  for (uint64_t sequence = 0; sequence < count; ++sequence) {
    const int copies = (chance(random) >= weather.loss ? 1 : 0) + (chance(random) < weather.duplication ? 1 : 0);
    for (int i = 0; i < copies; ++i) {
      const double delay = chance(random) < weather.delay ? chance(random) * weather.delayed_by : 0;
      order.emplace_back(static_cast<double>(sequence) + delay + i * chance(random) * 5, sequence);
    }
  }
  std::stable_sort(order.begin(), order.end(), [](auto& a, auto& b) { return a.first < b.first; });
  std::vector<uint64_t> sequences;
  for (const auto& [at, sequence] : order) sequences.push_back(sequence);
  return sequences;
}

TEST(FlowTrackerTest, AgreesWithTheModelInAnyWeather) {
  constexpr uint32_t kFlows = 4;
  constexpr uint64_t kSent = 5'000;
  std::mt19937 random(5);
  for (const Weather& weather : {Weather{0, 0, 0, 0}, Weather{0.01, 0, 0, 0}, Weather{0.3, 0, 0, 0},
                                 Weather{0, 0.05, 0, 0}, Weather{0, 0, 0.1, 20}, Weather{0.1, 0.1, 0.2, 62},
                                 Weather{0.1, 0.1, 0.3, 200}, Weather{0.99, 0.01, 0.5, 1000}}) {
    FlowTracker tracker(kFlows);
    std::vector<Model> models(kFlows);
    std::vector<std::vector<uint64_t>> arrivals;
    for (uint32_t flow = 0; flow < kFlows; ++flow) arrivals.push_back(Arrivals(random, kSent, weather));
    for (size_t i = 0; i < 2 * kSent + 1; ++i) {
      for (uint32_t flow = 0; flow < kFlows; ++flow) {
        if (i >= arrivals[flow].size()) continue;
        const uint64_t sequence = arrivals[flow][i];
        ASSERT_EQ(tracker.Record(flow, sequence, 72), models[flow].Record(sequence)) << i;
      }
    }
    FlowTotals sum;
    for (uint32_t flow = 0; flow < kFlows; ++flow) {
      ExpectSame(tracker.OfFlow(flow), models[flow].counts());
      sum += models[flow].counts();
      const FlowTotals& one = models[flow].counts();
      EXPECT_EQ(one.received + one.duplicated + one.late, arrivals[flow].size());
      EXPECT_EQ(one.received + one.missing, tracker.NextOf(flow));
    }
    ExpectSame(tracker.totals(), sum);
    EXPECT_EQ(tracker.totals().bytes, sum.received * 72);
    EXPECT_EQ(tracker.totals().Lost(kFlows * kSent), kFlows * kSent - sum.received);
  }
}

TEST(FlowTrackerTest, ALostTailIsLost) {
  FlowTracker tracker(1);
  for (uint64_t sequence = 0; sequence < 90; ++sequence) tracker.Record(0, sequence, 72);
  EXPECT_EQ(tracker.totals().missing, 0U);
  EXPECT_EQ(tracker.totals().Lost(100), 10U);
}

TEST(FlowTrackerTest, TheWindowIs64Numbers) {
  FlowTracker tracker(1);
  EXPECT_EQ(tracker.Record(0, 0, 72), Arrival::kInOrder);
  EXPECT_EQ(tracker.Record(0, 63, 72), Arrival::kInOrder);
  EXPECT_EQ(tracker.Record(0, 0, 72), Arrival::kDuplicated);
  EXPECT_EQ(tracker.Record(0, 1, 72), Arrival::kReordered);
  EXPECT_EQ(tracker.Record(0, 64, 72), Arrival::kInOrder);
  EXPECT_EQ(tracker.Record(0, 0, 72), Arrival::kLate);
  EXPECT_EQ(tracker.Record(0, 1, 72), Arrival::kDuplicated);
  EXPECT_EQ(tracker.Record(0, 1'000'000, 72), Arrival::kInOrder);
  EXPECT_EQ(tracker.Record(0, 1'000'000 - 63, 72), Arrival::kReordered);
  EXPECT_EQ(tracker.Record(0, 1'000'000 - 64, 72), Arrival::kLate);
}

TEST(FlowTrackerTest, SequencesBeyond32Bits) {
  constexpr uint64_t kBegin = (uint64_t{1} << 47) - 3;
  FlowTracker tracker(1);
  for (uint64_t i = 0; i < 6; ++i) EXPECT_EQ(tracker.Record(0, kBegin + i, 72), Arrival::kInOrder);
  EXPECT_EQ(tracker.OfFlow(0).missing, kBegin);
}

TEST(FlowTrackerTest, CorruptedAndUnknownFlows) {
  FlowTracker tracker(2);
  EXPECT_EQ(tracker.Record(2, 0, 72), Arrival::kUnknownFlow);
  tracker.RecordCorrupt();
  tracker.RecordCorrupt(1);
  tracker.RecordCorrupt(7);
  EXPECT_EQ(tracker.totals().corrupted, 3U);
  EXPECT_EQ(tracker.OfFlow(1).corrupted, 1U);
  EXPECT_EQ(tracker.OfFlow(0).corrupted, 0U);
  EXPECT_EQ(tracker.totals().received, 0U);
}

TEST(FlowTrackerTest, TheDifferenceOfTwoTotalsIsWhatHappenedBetween) {
  FlowTracker tracker(1);
  for (const uint64_t sequence : {0, 1, 4}) tracker.Record(0, sequence, 72);
  const FlowTotals before = tracker.totals();
  for (const uint64_t sequence : {2, 2, 5, 6}) tracker.Record(0, sequence, 100);
  FlowTotals since = tracker.totals();
  since -= before;
  EXPECT_EQ(since.received, 3U);
  EXPECT_EQ(since.bytes, 300U);
  EXPECT_EQ(since.reordered, 1U);
  EXPECT_EQ(since.duplicated, 1U);
  EXPECT_EQ(since.missing, 0U);
}

}  // namespace
}  // namespace bench
