#include "bench/measure/report_json.h"

#include <boost/json.hpp>
#include <cmath>
#include <string_view>

#include "bench/measure/thresholds.h"

namespace bench {
namespace {

namespace json = boost::json;

json::string_view View(std::string_view text) { return {text.data(), text.size()}; }

// JSON has no NaN and no infinity.
json::value Number(double value) { return std::isfinite(value) ? json::value(value) : json::value(nullptr); }

json::object ToJson(const LatencySummary& latency) {
  return {{"count", latency.count},        {"min_ns", latency.min_ns}, {"p50_ns", latency.p50_ns},
          {"p90_ns", latency.p90_ns},      {"p99_ns", latency.p99_ns}, {"p99.9_ns", latency.p999_ns},
          {"p99.99_ns", latency.p9999_ns}, {"max_ns", latency.max_ns}, {"mean_ns", Number(latency.mean_ns)}};
}

json::object ToJson(const Trial& trial) {
  return {{"number", trial.number},
          {"repeat", trial.repeat},
          {"verdict", View(TrialVerdictName(trial.verdict))},
          {"rate_per_s", Number(trial.rate_per_s)},
          {"seconds", Number(trial.seconds)},
          {"sent", trial.sent},
          {"received", trial.flows.received},
          {"received_bytes", trial.flows.bytes},
          {"lost", trial.Lost()},
          {"loss", Number(trial.Loss())},
          {"reordered", trial.flows.reordered},
          {"duplicated", trial.flows.duplicated},
          {"late", trial.flows.late},
          {"corrupted", trial.flows.corrupted},
          {"generator_lost", trial.generator_lost},
          {"latency", ToJson(trial.latency)}};
}

json::object ToJson(const HandshakeResult& handshakes) {
  return {{"started", handshakes.started},
          {"completed", handshakes.completed},
          {"first_attempt", handshakes.first_attempt},
          {"first_attempt_share", Number(handshakes.FirstAttemptShare())},
          {"seconds", Number(handshakes.seconds)},
          {"per_s", Number(handshakes.PerS())},
          {"latency", ToJson(handshakes.latency)}};
}

json::object ToJson(const AllocationResult& allocations) {
  return {{"made", allocations.made},
          {"failed", allocations.failed},
          {"seconds", Number(allocations.seconds)},
          {"per_s", Number(allocations.PerS())}};
}

json::object ToJson(const Sample& sample) {
  return {{"at_s", Number(sample.at_s)},
          {"seconds", Number(sample.seconds)},
          {"sent", sample.sent},
          {"received", sample.received},
          {"generator_lost", sample.generator_lost},
          {"handshakes", sample.handshakes},
          {"p50_ns", sample.p50_ns},
          {"p99_ns", sample.p99_ns}};
}

template <typename T>
json::value ToJson(const std::optional<T>& value) {
  return value ? json::value(ToJson(*value)) : json::value(nullptr);
}

template <typename T>
json::array ToJson(const std::vector<T>& values) {
  json::array array;
  for (const T& value : values) array.emplace_back(ToJson(value));
  return array;
}

// Under the names that --require knows.
json::object MetricsOf(const Result& result) {
  json::object metrics;
  for (const Metric& metric : Metrics()) {
    const std::optional<double> value = metric.of(result);
    metrics[View(metric.name)] = value ? Number(*value) : json::value(nullptr);
  }
  return metrics;
}

}  // namespace

std::string JsonReport(const Result& result) {
  json::object settings;
  for (const auto& [name, value] : result.settings) settings[name] = value;
  json::array curve;
  for (const PercentilePoint& point : result.latency_curve) curve.push_back(json::array{point.percent, point.ns});
  json::array notes;
  for (const std::string& note : result.notes) notes.emplace_back(note);
  const json::object report = {
      {"schema", "relay-bench/1"},
      {"title", result.title},
      {"target", result.target},
      {"date", result.date},
      {"machine", {{"cpu", result.machine.cpu}, {"cores", result.machine.cores}, {"kernel", result.machine.kernel}}},
      {"settings", settings},
      {"metrics", MetricsOf(result)},
      {"figures", ToJson(result.figures)},
      {"search", result.searched ? json::value{{"loss_bound", Number(result.loss_bound)},
                                               {"generator_limited", result.generator_limited}}
                                 : json::value(nullptr)},
      {"trials", ToJson(result.trials)},
      {"latency_curve", curve},
      {"handshakes", ToJson(result.handshakes)},
      {"allocations", ToJson(result.allocations)},
      {"samples", ToJson(result.samples)},
      {"notes", notes},
  };
  return json::serialize(report) + "\n";
}

}  // namespace bench
