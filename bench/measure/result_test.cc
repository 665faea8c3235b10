#include "bench/measure/result.h"

#include <gtest/gtest.h>

namespace bench {
namespace {

TEST(ResultTest, DatesAreIsoAndUtc) {
  EXPECT_EQ(UtcDate(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(UtcDate(951'782'399), "2000-02-28T23:59:59Z");
  EXPECT_EQ(UtcDate(951'782'400), "2000-02-29T00:00:00Z");
}

TEST(ResultTest, SharesOfNothingAreZero) {
  EXPECT_EQ(Trial().Loss(), 0);
  EXPECT_EQ(Trial().GeneratorLoss(), 0);
  EXPECT_EQ(Trial().SentPerS(), 0);
  EXPECT_EQ(Trial().ReceivedPerS(), 0);
  EXPECT_EQ(HandshakeResult().PerS(), 0);
  EXPECT_EQ(HandshakeResult().FirstAttemptShare(), 0);
  EXPECT_EQ(AllocationResult().PerS(), 0);
}

TEST(ResultTest, TheGeneratorsLossIsOfWhatWasDue) {
  Trial trial;
  trial.sent = 75;
  trial.generator_lost = 25;
  trial.flows.received = 60;
  EXPECT_DOUBLE_EQ(trial.GeneratorLoss(), 0.25);
  EXPECT_DOUBLE_EQ(trial.Loss(), 0.2);  // The relay's is of what was sent.
}

TEST(ResultTest, ASearchWithoutARateSaysWhy) {
  Result result;
  EXPECT_EQ(WhyNoRate(result), "");  // No search.
  result.searched = true;
  result.loss_bound = 0.01;
  result.trials.resize(3);
  for (Trial& trial : result.trials) trial.verdict = TrialVerdict::kTooShort;
  EXPECT_EQ(WhyNoRate(result), "the search found no rate that holds: no trial ran to its end");

  Trial& lowest = result.trials[1];
  result.trials[0].rate_per_s = 4000;
  lowest.rate_per_s = 2000;
  lowest.sent = 75;
  lowest.flows.received = 60;
  lowest.generator_lost = 25;
  result.trials[0].verdict = lowest.verdict = TrialVerdict::kFailed;
  EXPECT_EQ(WhyNoRate(result),
            "the search found no rate that holds: at the lowest that it tried, 2.00 k/s, 20 % were lost "
            "(--loss_bound: 1 %)");
  lowest.verdict = TrialVerdict::kGeneratorLimited;
  EXPECT_EQ(WhyNoRate(result),
            "the search found no rate that holds: at the lowest that it tried, 2.00 k/s, the generator could not send "
            "25 %");
  result.figures = result.trials[0];
  EXPECT_EQ(WhyNoRate(result), "");
}

TEST(ResultTest, VerdictsHaveNames) {
  EXPECT_EQ(TrialVerdictName(TrialVerdict::kGeneratorLimited), "generator_limited");
  EXPECT_EQ(TrialVerdictName(TrialVerdict::kTooShort), "too_short");
}

TEST(MachineTest, TheModelIsTheFirstOneNamed) {
  EXPECT_EQ(CpuModelOf("processor\t: 0\nmodel\t\t: 85\nmodel name\t: Example CPU @ 2.60GHz\nstepping\t: 7\n"
                       "model name\t: Another\n"),
            "Example CPU @ 2.60GHz");
  EXPECT_EQ(CpuModelOf("model name\t: Last"), "Last");
  EXPECT_EQ(CpuModelOf("model name"), "unknown");
  EXPECT_EQ(CpuModelOf(""), "unknown");
}

TEST(MachineTest, ThisOneHasCoresAndAKernel) {
  const Machine machine = ThisMachine();
  EXPECT_GT(machine.cores, 0);
  EXPECT_TRUE(machine.kernel.starts_with("Linux ")) << machine.kernel;
}

}  // namespace
}  // namespace bench
