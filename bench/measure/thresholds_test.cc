#include "bench/measure/thresholds.h"

#include <gtest/gtest.h>

#include <set>

#include "bench/measure/example_result.h"

namespace bench {
namespace {

bool Passes(std::string_view expressions, const Result& result) {
  const auto requirements = ParseRequirements(expressions);
  EXPECT_TRUE(requirements.ok()) << requirements.status();
  return requirements.ok() && AllPassed(Judge(*requirements, result));
}

TEST(ThresholdsTest, AreHeldAgainstTheResult) {
  const Result result = ExampleResult();
  EXPECT_TRUE(Passes("loss<=1e-4", result));
  EXPECT_FALSE(Passes("loss<=1e-5", result));
  EXPECT_TRUE(Passes("loss <= 0.005%", result));
  EXPECT_TRUE(Passes("throughput>=4.9M,p50<=12us,p50>=11us", result));
  EXPECT_FALSE(Passes("throughput>=4.9M,p50<=11us", result));
  EXPECT_TRUE(Passes("p99<=300us, p99.9 < 1ms, p99.99<1s, max<=1000000", result));
  EXPECT_TRUE(Passes("corrupted==0,corruption==0,reordered==3,duplicated<3,late>0,lost==500", result));
  EXPECT_TRUE(Passes("throughput_bits>=2.8G", result));
  EXPECT_TRUE(Passes("handshakes==3996,handshake_first_attempt>=99%,handshake_success<1,allocations>=10k", result));
  EXPECT_TRUE(Passes("", result));
  EXPECT_FALSE(Passes("p50<11.8us,p50>11.8us", result));
}

TEST(ThresholdsTest, WhatWasNotMeasuredDoesNotPass) {
  for (const Metric& metric : Metrics()) {
    const std::string name(metric.name);
    EXPECT_FALSE(metric.of(Result()).has_value()) << name;
    EXPECT_FALSE(Passes(name + ">=0", Result())) << name;
    EXPECT_TRUE(Passes(name + ">=0", ExampleResult())) << name;
  }
  Result nothing_sent;
  nothing_sent.figures = Trial();
  EXPECT_FALSE(Passes("loss<=1", nothing_sent));
  EXPECT_FALSE(Passes("p99<=1s", nothing_sent));
}

TEST(ThresholdsTest, MetricsHaveDistinctNamesAndHelp) {
  std::set<std::string_view> names;
  for (const Metric& metric : Metrics()) {
    EXPECT_TRUE(names.insert(metric.name).second) << metric.name;
    EXPECT_EQ(FindMetric(metric.name), &metric);
    EXPECT_NE(MetricsHelp().find(std::string(metric.help)), std::string::npos);
  }
}

TEST(ThresholdsTest, UnitsAreTheMetrics) {
  EXPECT_DOUBLE_EQ(Requirement::Parse("p99<=300us")->value, 300e3);
  EXPECT_DOUBLE_EQ(Requirement::Parse("p99<=1.5ms")->value, 1.5e6);
  EXPECT_DOUBLE_EQ(Requirement::Parse("p99<=20")->value, 20);
  EXPECT_DOUBLE_EQ(Requirement::Parse("throughput>=1e6")->value, 1e6);
  EXPECT_DOUBLE_EQ(Requirement::Parse("throughput>=2k")->value, 2e3);
  EXPECT_DOUBLE_EQ(Requirement::Parse("loss<=.01%")->value, 1e-4);
}

TEST(ThresholdsTest, RefusesWhatItDoesNotUnderstand) {
  for (const char* const text : {"loss",      "loss=",     "loss=1",         "loss<=",
                                 "loss<=x",   "loss<=1us", "loss<=-1",       "loss<=nan",
                                 "loss<=inf", "<=1",       "nonsense<=1",    "p99<=1M",
                                 "p99<=1%",   "p99<=us",   "throughput>=1%", "loss<=1e-4 p99<=1us",
                                 "loss=<1",   "loss!=1",   "P99<=1us",       "loss<=0x10"}) {
    EXPECT_FALSE(Requirement::Parse(text).ok()) << text;
  }
  EXPECT_EQ(Requirement::Parse("nonsense<=1").status().message(),
            "requirement \"nonsense<=1\": no metric is called \"nonsense\"");
}

TEST(ThresholdsTest, SaysWhatItFound) {
  const auto requirements = ParseRequirements("loss<=1e-5,loss<=1e-4");
  const std::vector<Judgement> judgements = Judge(*requirements, ExampleResult());
  EXPECT_EQ(judgements[0].Line(), "FAILED  loss<=1e-5: 0.005 %");
  EXPECT_EQ(judgements[1].Line(), "passed  loss<=1e-4: 0.005 %");
  EXPECT_EQ(Judge(*requirements, Result())[0].Line(), "FAILED  loss<=1e-5: not measured");
}

}  // namespace
}  // namespace bench
