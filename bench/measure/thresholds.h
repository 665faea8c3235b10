// --require: expressions that a run must satisfy, so that it can gate a release.
//
//   --require='loss<=1e-4,p99<=300us,throughput>=1e6'
//
// Times take ns, us, ms or s (without one: ns), other metrics k, M, G or %.
#ifndef RELAYD_BENCH_MEASURE_THRESHOLDS_H_
#define RELAYD_BENCH_MEASURE_THRESHOLDS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/measure/format.h"
#include "bench/measure/result.h"

namespace bench {

struct Metric {
  std::string_view name;
  Unit unit;
  std::string_view help;
  std::optional<double> (*of)(const Result& result);  // nullopt: not measured.
};

// Every metric that there is, in the order in which they are shown.
std::span<const Metric> Metrics();
const Metric* FindMetric(std::string_view name);
// A line a metric: name, unit and help, for --help.
std::string MetricsHelp();

struct Requirement {
  enum class Relation : uint8_t { kLess, kAtMost, kAtLeast, kMore, kEqual };
  const Metric* metric;
  Relation relation;
  double value;
  std::string text;  // As given.

  static absl::StatusOr<Requirement> Parse(std::string_view expression);
};

// Expressions separated by commas; none is fine.
absl::StatusOr<std::vector<Requirement>> ParseRequirements(std::string_view expressions);

struct Judgement {
  Requirement requirement;
  std::optional<double> value;
  bool passed;  // What was not measured did not pass.

  std::string Line() const;  // "FAILED  p99<=300us: 412 us".
};

std::vector<Judgement> Judge(std::span<const Requirement> requirements, const Result& result);
bool AllPassed(std::span<const Judgement> judgements);

}  // namespace bench

#endif  // RELAYD_BENCH_MEASURE_THRESHOLDS_H_
