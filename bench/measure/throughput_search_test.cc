#include "bench/measure/throughput_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

namespace bench {
namespace {

using Options = ThroughputSearch::Options;

Options Between(double low, double high) {
  Options options;
  options.low_per_s = low;
  options.high_per_s = high;
  options.loss_bound = 1e-4;
  return options;
}

// A relay that passes so much and loses the rest, and a generator that can send so much.
Trial TryOut(const ThroughputSearch::Ask& ask, double relay_per_s, double generator_per_s = 1e12) {
  Trial trial;
  trial.seconds = ask.seconds;
  const double sent = std::min(ask.rate_per_s, generator_per_s) * ask.seconds;
  trial.sent = static_cast<uint64_t>(sent);
  trial.generator_lost = static_cast<uint64_t>(ask.rate_per_s * ask.seconds - sent);
  trial.flows.received = static_cast<uint64_t>(std::min(sent, relay_per_s * ask.seconds));
  return trial;
}

void RunAll(ThroughputSearch& search, const std::function<Trial(const ThroughputSearch::Ask&)>& run) {
  int trials = 0;
  while (const auto ask = search.Next()) {
    ASSERT_LT(++trials, 100);
    search.Record(run(*ask));
  }
}

TEST(ThroughputSearchTest, FindsAnyCapacityToItsResolution) {
  for (double capacity = 1500; capacity < 10e6; capacity *= 1.7) {
    ThroughputSearch search(Between(1000, 10e6));
    RunAll(search, [&](const auto& ask) { return TryOut(ask, capacity); });
    ASSERT_NE(search.Best(), nullptr) << capacity;
    EXPECT_LE(search.Best()->rate_per_s, capacity * 1.0002);
    EXPECT_GE(search.Best()->rate_per_s, capacity * 0.985);
    EXPECT_FALSE(search.GeneratorLimited());
    EXPECT_FALSE(search.AtHighBound());
  }
}

TEST(ThroughputSearchTest, AHighBoundThatPassesEndsIt) {
  ThroughputSearch search(Between(1000, 1e6));
  EXPECT_EQ(search.Next()->rate_per_s, 1e6);
  search.Record(TryOut(*search.Next(), 5e6));
  EXPECT_TRUE(search.done());
  EXPECT_EQ(search.Best()->rate_per_s, 1e6);
  EXPECT_TRUE(search.AtHighBound());
}

TEST(ThroughputSearchTest, ARelayThatLosesAlwaysHasNoThroughput) {
  ThroughputSearch search(Between(1000, 1e6));
  RunAll(search, [](const auto& ask) { return TryOut(ask, 10); });
  EXPECT_EQ(search.Best(), nullptr);
  EXPECT_EQ(search.trials().back().rate_per_s, 1000);  // The low bound was tried, not believed.
  EXPECT_TRUE(search.trials().back().repeat);
}

TEST(ThroughputSearchTest, AFailedTrialIsRepeatedOnce) {
  ThroughputSearch search(Between(1000, 1e6));
  search.Record(TryOut(*search.Next(), 5e5));  // Noise:
  ASSERT_TRUE(search.Next().has_value());
  EXPECT_EQ(search.Next()->rate_per_s, 1e6);
  EXPECT_TRUE(search.Next()->repeat);
  search.Record(TryOut(*search.Next(), 2e6));  // it does pass.
  EXPECT_TRUE(search.done());
  EXPECT_EQ(search.Best()->rate_per_s, 1e6);
  ASSERT_EQ(search.trials().size(), 2U);
  EXPECT_EQ(search.trials()[0].verdict, TrialVerdict::kFailed);
  EXPECT_EQ(search.trials()[1].verdict, TrialVerdict::kPassed);
  EXPECT_EQ(search.trials()[1].number, 2);
  EXPECT_FALSE(search.trials()[0].repeat);
  EXPECT_TRUE(search.trials()[1].repeat);
}

TEST(ThroughputSearchTest, EndsWhereTheGeneratorDoesAndSaysSo) {
  ThroughputSearch search(Between(1000, 10e6));
  RunAll(search, [](const auto& ask) { return TryOut(ask, 9e6, 4e6); });
  ASSERT_NE(search.Best(), nullptr);
  EXPECT_NEAR(search.Best()->rate_per_s, 4e6, 0.02 * 4e6);
  EXPECT_TRUE(search.GeneratorLimited());
  EXPECT_EQ(search.trials().front().verdict, TrialVerdict::kGeneratorLimited);
}

TEST(ThroughputSearchTest, ARelayBelowTheGeneratorsLimitIsTheLimit) {
  ThroughputSearch search(Between(1000, 10e6));
  RunAll(search, [](const auto& ask) { return TryOut(ask, 2e6, 4e6); });
  ASSERT_NE(search.Best(), nullptr);
  EXPECT_NEAR(search.Best()->rate_per_s, 2e6, 0.02 * 2e6);
  EXPECT_FALSE(search.GeneratorLimited());
}

TEST(ThroughputSearchTest, TrialsAreLongEnoughForTheLossBound) {
  Options options = Between(1000, 1e6);
  options.min_trial_s = 1;
  options.max_trial_s = 30;
  EXPECT_EQ(ThroughputSearch(options).Next()->seconds, 1);  // 100,000 packets are enough.
  options.loss_bound = 1e-6;
  EXPECT_DOUBLE_EQ(ThroughputSearch(options).Next()->seconds, 10);
  options.loss_bound = 1e-9;
  EXPECT_EQ(ThroughputSearch(options).Next()->seconds, 30);
  options.loss_bound = 0;
  EXPECT_EQ(ThroughputSearch(options).Next()->seconds, 1);
}

TEST(ThroughputSearchTest, ATrialCutShortDoesNotCount) {
  ThroughputSearch search(Between(1000, 1e6));
  Trial cut = TryOut(*search.Next(), 2e6);
  cut.seconds /= 2;
  search.Record(cut);
  EXPECT_EQ(search.trials().back().verdict, TrialVerdict::kTooShort);
  EXPECT_FALSE(search.Next()->repeat);
  EXPECT_EQ(search.Next()->rate_per_s, 1e6);
  search.Record(cut);
  EXPECT_FALSE(search.done());
  search.Record(cut);
  EXPECT_TRUE(search.done());
  EXPECT_EQ(search.Best(), nullptr);
}

TEST(ThroughputSearchTest, RefusesOptionsThatMakeNoSense) {
  EXPECT_TRUE(ThroughputSearch::Check(Between(1000, 1e6)).ok());
  EXPECT_FALSE(ThroughputSearch::Check(Between(0, 1e6)).ok());
  EXPECT_FALSE(ThroughputSearch::Check(Between(1e6, 1e6)).ok());
  const auto refused = [](auto change) {
    Options options = Between(1000, 1e6);
    change(options);
    return !ThroughputSearch::Check(options).ok();
  };
  EXPECT_TRUE(refused([](Options& o) { o.loss_bound = 1; }));
  EXPECT_TRUE(refused([](Options& o) { o.resolution = 0; }));
  EXPECT_TRUE(refused([](Options& o) { o.min_trial_s = 0; }));
  EXPECT_TRUE(refused([](Options& o) { o.max_trial_s = 1; }));
}

}  // namespace
}  // namespace bench
