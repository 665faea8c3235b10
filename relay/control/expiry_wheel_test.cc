#include "relay/control/expiry_wheel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

namespace relay {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Instant kStart{hours(77) + milliseconds(33)};

std::vector<uint32_t> TakeAll(ExpiryWheel& wheel, Instant now) {
  std::vector<uint32_t> out;
  while (const std::optional<uint32_t> index = wheel.TakeDue(now)) out.push_back(*index);
  return out;
}

TEST(ExpiryWheelTest, GivesEachWhenItIsDueAndOnce) {
  ExpiryWheel wheel(4);
  EXPECT_FALSE(wheel.HasDue(kStart));
  wheel.Arm(0, kStart, seconds(2));
  wheel.Arm(3, kStart, seconds(1));
  EXPECT_FALSE(wheel.HasDue(kStart + milliseconds(999)));
  EXPECT_TRUE(wheel.HasDue(kStart + milliseconds(1100)));
  EXPECT_EQ(wheel.TakeDue(kStart + milliseconds(1100)), 3u);
  EXPECT_EQ(wheel.TakeDue(kStart + milliseconds(1999)), std::nullopt);
  EXPECT_EQ(wheel.TakeDue(kStart + milliseconds(2100)), 0u);
  EXPECT_EQ(wheel.TakeDue(kStart + hours(1)), std::nullopt);
}

TEST(ExpiryWheelTest, DisarmsFromAnyPlaceInAList) {
  for (uint32_t gone = 0; gone < 3; ++gone) {
    ExpiryWheel wheel(3);
    for (uint32_t i = 0; i < 3; ++i) wheel.Arm(i, kStart, seconds(1));
    wheel.Disarm(gone);
    std::vector<uint32_t> left = {0, 1, 2};
    left.erase(left.begin() + gone);
    EXPECT_THAT(TakeAll(wheel, kStart + seconds(2)), testing::UnorderedElementsAreArray(left));
  }
}

TEST(ExpiryWheelTest, ADisarmedIndexCanBeArmedForAnotherTime) {
  ExpiryWheel wheel(2);
  wheel.Arm(0, kStart, seconds(300));
  wheel.Arm(1, kStart, seconds(300));
  wheel.Disarm(0);
  wheel.Arm(0, kStart, seconds(1));
  EXPECT_THAT(TakeAll(wheel, kStart + seconds(2)), testing::ElementsAre(0));
  EXPECT_THAT(TakeAll(wheel, kStart + seconds(301)), testing::ElementsAre(1));
}

TEST(ExpiryWheelTest, ALongDelayComesDueAtTheSpansEnd) {
  ExpiryWheel wheel(1);
  wheel.Arm(0, kStart, hours(24 * 365 * 50));
  EXPECT_FALSE(wheel.HasDue(kStart + ExpiryWheel::kSpan - milliseconds(1)));
  EXPECT_TRUE(wheel.HasDue(kStart + ExpiryWheel::kSpan + milliseconds(200)));
}

TEST(ExpiryWheelTest, WhatIsArmedAgainWhileTakingWaitsForTheNextTick) {
  ExpiryWheel wheel(1);
  wheel.Arm(0, kStart, seconds(1));
  const Instant now = kStart + seconds(5);
  EXPECT_EQ(wheel.TakeDue(now), 0u);
  wheel.Arm(0, now, Duration(-5));
  EXPECT_EQ(wheel.TakeDue(now), std::nullopt);
  EXPECT_EQ(wheel.TakeDue(now + ExpiryWheel::kTick), 0u);
}

TEST(ExpiryWheelTest, FindsEverythingAfterAPauseLongerThanTheWheel) {
  ExpiryWheel wheel(3);
  wheel.Arm(0, kStart, seconds(1));
  wheel.Arm(1, kStart, seconds(200));
  wheel.Arm(2, kStart, seconds(409));
  EXPECT_THAT(TakeAll(wheel, kStart + hours(30)), testing::UnorderedElementsAre(0, 1, 2));
}

TEST(ExpiryWheelTest, AgreesWithAModel) {
  std::mt19937 random(2);
  constexpr uint32_t kSize = 40;
  ExpiryWheel wheel(kSize);
  std::map<uint32_t, Instant> model;  // Index -> deadline.
  Instant now = kStart;
  for (int step = 0; step < 200000; ++step) {
    const uint32_t index = random() % kSize;
    if (model.contains(index)) {
      if (random() % 4 == 0) {
        wheel.Disarm(index);
        model.erase(index);
      }
    } else {
      const Duration delay = milliseconds(random() % (random() % 4 == 0 ? 400'000 : 3000));
      wheel.Arm(index, now, delay);
      model[index] = now + delay;
    }
    const bool pause = random() % 1000 == 0;
    now += milliseconds(random() % (pause ? 500'000 : 60));
    // At times only some are taken, as a budget has it.
    for (uint32_t budget = !pause && random() % 4 == 0 ? 1 : kSize + 1; budget > 0; --budget) {
      const std::optional<uint32_t> due = wheel.TakeDue(now);
      if (!due) {
        for (const auto& [i, deadline] : model) ASSERT_GT(deadline + 2 * ExpiryWheel::kTick, now) << "late";
        break;
      }
      ASSERT_TRUE(model.contains(*due));
      ASSERT_LE(model[*due], now) << "early";
      model.erase(*due);
    }
  }
}

}  // namespace
}  // namespace relay
