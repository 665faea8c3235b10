#include "bench/measure/pacer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace bench {
namespace {

constexpr int64_t kStart = 7'000'000'000'123;
constexpr int64_t kSecond = 1'000'000'000;

TEST(PacerTest, KeepsItsRateWithoutDrift) {
  std::mt19937 random(6);
  for (const double rate : {1.0, 3.0, 999.0, 123'457.0, 3e6, 14.88e6}) {
    Pacer pacer({.per_second = rate}, kStart);
    int64_t now = kStart - 1;
    int64_t last = 0;
    const double seconds = rate > 1e6 ? 0.25 : 100;
    const int64_t end = kStart + static_cast<int64_t>(seconds * kSecond);
    while (now < end - 1) {
      // Fast rates are looked at now and then, slow ones when something is due, or a little later.
      const int64_t from = rate > 1e5 ? now : std::max(now, pacer.NextDueNs() - 1);
      now = std::min(end - 1, from + 1 + static_cast<int64_t>(random() % 100'000));
      const Pacer::Due due = pacer.Look(now, 1'000'000);
      for (uint32_t i = 0; i < due.count; ++i) {
        const double exact = static_cast<double>(pacer.sent() + i) * 1e9 / rate;
        ASSERT_NEAR(static_cast<double>(pacer.IntendedNs(i) - kStart), exact, 1) << rate;
        ASSERT_LE(pacer.IntendedNs(i), now);
        ASSERT_GE(pacer.IntendedNs(i), last);
        last = pacer.IntendedNs(i);
      }
      pacer.Sent(due.count);
      ASSERT_GT(pacer.NextDueNs(), now);  // All that was due is sent.
    }
    EXPECT_EQ(pacer.sent(), static_cast<uint64_t>(std::ceil(rate * seconds)));
    EXPECT_EQ(pacer.generator_lost(), 0U);
  }
}

TEST(PacerTest, NothingIsDueBeforeTheStart) {
  Pacer pacer({.per_second = 1000}, kStart);
  EXPECT_EQ(pacer.Look(kStart - 1, 32).count, 0U);
  EXPECT_EQ(pacer.Look(kStart, 32).count, 1U);
  EXPECT_EQ(pacer.IntendedNs(0), kStart);
}

TEST(PacerTest, ABurstIsDueAtOnce) {
  Pacer pacer({.per_second = 1000, .burst = 8}, kStart);
  Pacer::Due due = pacer.Look(kStart, 32);
  EXPECT_EQ(due.count, 8U);
  EXPECT_EQ(pacer.IntendedNs(7), kStart);
  pacer.Sent(5);  // The other three stay due.
  EXPECT_EQ(pacer.Look(kStart + 1, 32).count, 3U);
  pacer.Sent(3);
  EXPECT_EQ(pacer.Look(kStart + 7'999'999, 32).count, 0U);
  EXPECT_EQ(pacer.NextDueNs(), kStart + 8'000'000);
  due = pacer.Look(kStart + 8'000'000, 32);
  EXPECT_EQ(due.count, 8U);
  EXPECT_EQ(pacer.IntendedNs(0), kStart + 8'000'000);
}

TEST(PacerTest, AStallKeepsTheScheduleUpToItsBound) {
  Pacer pacer({.per_second = 1e6, .burst = 1, .max_behind_ns = 10'000}, kStart);
  pacer.Sent(pacer.Look(kStart, 32).count);
  // 5 us late: all of it is still to be sent, with the times at which it should have been.
  Pacer::Due due = pacer.Look(kStart + 5'000, 32);
  EXPECT_EQ(due.count, 5U);
  EXPECT_EQ(pacer.IntendedNs(0), kStart + 1'000);
  pacer.Sent(due.count);
  // 100 us later: only what is at most 10 us late.
  due = pacer.Look(kStart + 105'000, 32);
  EXPECT_EQ(due.given_up, 89U);
  EXPECT_EQ(due.count, 11U);
  EXPECT_EQ(pacer.IntendedNs(0), kStart + 95'000);
  EXPECT_EQ(pacer.IntendedNs(10), kStart + 105'000);
}

TEST(PacerTest, WhatCannotBeEnqueuedBecomesTheGeneratorsLoss) {
  Pacer pacer({.per_second = 1e6, .burst = 1, .max_behind_ns = 100'000}, kStart);
  const int64_t end = kStart + kSecond;
  for (int64_t now = kStart; now < end; now += 10'000) pacer.Sent(std::min(pacer.Look(now, 32).count, 4U));
  pacer.Finish(end);
  EXPECT_EQ(pacer.sent(), 400'000U - 3);  // Only one is due at the first look.
  EXPECT_EQ(pacer.sent() + pacer.generator_lost(), 1'000'000U);
  EXPECT_EQ(pacer.Look(end - 1, 32).count, 0U);
}

TEST(PacerTest, UnlimitedIsWhateverThereIsRoomFor) {
  Pacer pacer({}, kStart);
  EXPECT_TRUE(pacer.unlimited());
  const Pacer::Due due = pacer.Look(kStart + 55, 32);
  EXPECT_EQ(due.count, 32U);
  EXPECT_EQ(pacer.IntendedNs(31), kStart + 55);
  pacer.Sent(20);
  pacer.Finish(kStart + kSecond);
  EXPECT_EQ(pacer.sent(), 20U);
  EXPECT_EQ(pacer.generator_lost(), 0U);
}

}  // namespace
}  // namespace bench
