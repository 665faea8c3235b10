#include "bench/measure/report_json.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <limits>

#include "bench/measure/example_result.h"
#include "bench/measure/thresholds.h"

namespace bench {
namespace {

namespace json = boost::json;

TEST(ReportJsonTest, HasEverything) {
  const Result result = ExampleResult();
  const json::value report = json::parse(JsonReport(result));
  EXPECT_EQ(report.at("schema").as_string(), "relay-bench/1");
  EXPECT_EQ(report.at("machine").at("cpu").as_string(), "Example CPU @ 2.60GHz");
  EXPECT_EQ(report.at("settings").at("pairs").as_string(), "1000");
  ASSERT_EQ(report.at("trials").as_array().size(), 6U);
  const json::value& trial = report.at("trials").at(3);
  EXPECT_EQ(trial.at("verdict").as_string(), "failed");
  EXPECT_EQ(trial.at("sent").to_number<uint64_t>(), 12'000'000U);
  EXPECT_EQ(trial.at("lost").to_number<uint64_t>(), 24'000U);
  EXPECT_DOUBLE_EQ(trial.at("loss").to_number<double>(), 2e-3);
  EXPECT_EQ(trial.at("latency").at("p99_ns").to_number<int64_t>(), result.trials[3].latency.p99_ns);
  EXPECT_EQ(report.at("figures").at("number").to_number<int>(), 6);
  EXPECT_EQ(report.at("latency_curve").as_array().size(), result.latency_curve.size());
  EXPECT_EQ(report.at("latency_curve").at(1).as_array().size(), 2U);
  EXPECT_EQ(report.at("samples").as_array().size(), 12U);
  EXPECT_EQ(report.at("handshakes").at("first_attempt").to_number<int>(), 1990);
  EXPECT_DOUBLE_EQ(report.at("allocations").at("per_s").to_number<double>(), 10'000);
  EXPECT_FALSE(report.at("search").at("generator_limited").as_bool());
  EXPECT_EQ(report.at("notes").as_array().size(), 1U);
}

TEST(ReportJsonTest, MetricsHaveTheNamesOfThresholds) {
  const Result result = ExampleResult();
  const json::value report = json::parse(JsonReport(result));
  const json::object& metrics = report.at("metrics").as_object();
  EXPECT_EQ(metrics.size(), Metrics().size());
  for (const Metric& metric : Metrics()) {
    EXPECT_DOUBLE_EQ(metrics.at(std::string(metric.name)).to_number<double>(), *metric.of(result)) << metric.name;
  }
}

TEST(ReportJsonTest, WhatWasNotMeasuredIsNull) {
  Result result;
  result.trials.emplace_back();
  result.trials[0].rate_per_s = std::numeric_limits<double>::infinity();
  const json::value report = json::parse(JsonReport(result));
  for (const char* const name : {"figures", "search", "handshakes", "allocations"}) {
    EXPECT_TRUE(report.at(name).is_null()) << name;
  }
  EXPECT_TRUE(report.at("metrics").at("loss").is_null());
  EXPECT_TRUE(report.at("trials").at(0).at("rate_per_s").is_null());
}

TEST(ReportJsonTest, TextIsEscaped) {
  const json::value report = json::parse(JsonReport(HostileResult()));
  EXPECT_EQ(report.at("target").as_string(), kHostile);
  EXPECT_EQ(report.at("settings").at(kHostile).as_string(), kHostile);
}

}  // namespace
}  // namespace bench
