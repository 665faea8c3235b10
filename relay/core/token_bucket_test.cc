#include "relay/core/token_bucket.h"

#include <gtest/gtest.h>

namespace relay {
namespace {

using std::chrono::milliseconds;

TEST(TokenBucketTest, GivesABurstAndThenItsRate) {
  constexpr TokenBucket kBucket = TokenBucket::Of(20, 40);
  std::atomic<int64_t> word{0};
  Instant now{std::chrono::hours(5)};
  for (int i = 0; i < 40; ++i) EXPECT_TRUE(kBucket.Take(word, now)) << i;
  EXPECT_FALSE(kBucket.Take(word, now));
  int taken = 0;
  for (int ms = 0; ms < 10'000; ++ms) {
    now += milliseconds(1);
    taken += kBucket.Take(word, now) ? 1 : 0;
  }
  EXPECT_EQ(taken, 200);
}

TEST(TokenBucketTest, NeverHoldsMoreThanItsBurst) {
  constexpr TokenBucket kBucket = TokenBucket::Of(1000, 5);
  std::atomic<int64_t> word{0};
  Instant now{std::chrono::hours(5)};
  EXPECT_TRUE(kBucket.Take(word, now));
  now += std::chrono::hours(5);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(kBucket.Take(word, now)) << i;
  EXPECT_FALSE(kBucket.Take(word, now));
}

TEST(TokenBucketTest, ARefusedTokenCostsNothing) {
  constexpr TokenBucket kBucket = TokenBucket::Of(10, 1);
  std::atomic<int64_t> word{0};
  Instant now{std::chrono::hours(5)};
  EXPECT_TRUE(kBucket.Take(word, now));
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(kBucket.Take(word, now));
  EXPECT_TRUE(kBucket.Take(word, now + milliseconds(100)));
}

}  // namespace
}  // namespace relay
