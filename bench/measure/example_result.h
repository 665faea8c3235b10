// A search's result, with something of everything: for tests of reports and thresholds.
#ifndef RELAYD_BENCH_MEASURE_EXAMPLE_RESULT_H_
#define RELAYD_BENCH_MEASURE_EXAMPLE_RESULT_H_

#include <cmath>

#include "bench/measure/result.h"

namespace bench {

inline Trial ExampleTrial(int number, double rate_per_s, double loss, TrialVerdict verdict) {
  Trial trial;
  trial.number = number;
  trial.verdict = verdict;
  trial.rate_per_s = rate_per_s;
  trial.seconds = 2;
  trial.sent = static_cast<uint64_t>(rate_per_s * 2);
  trial.flows.received = trial.sent - static_cast<uint64_t>(std::llround(static_cast<double>(trial.sent) * loss));
  trial.flows.bytes = trial.flows.received * 72;
  trial.flows.reordered = 3;
  trial.flows.duplicated = 2;
  trial.flows.late = 1;
  trial.generator_lost = 5;
  return trial;
}

inline Result ExampleResult() {
  Result result;
  result.title = "relay-bench: throughput";
  result.target = "198.18.0.1:40000";
  result.date = "2026-01-31T12:00:00Z";
  result.settings = {{"pairs", "1000"}, {"sizes", "fixed:72"}, {"backend", "virtio_user"}};
  result.machine = {.cpu = "Example CPU @ 2.60GHz", .cores = 4, .kernel = "Linux 6.1"};
  result.trials = {
      ExampleTrial(1, 8e6, 0.31, TrialVerdict::kFailed), ExampleTrial(2, 8e6, 0.29, TrialVerdict::kFailed),
      ExampleTrial(3, 4e6, 0, TrialVerdict::kPassed),    ExampleTrial(4, 6e6, 2e-3, TrialVerdict::kFailed),
      ExampleTrial(5, 6e6, 1e-3, TrialVerdict::kFailed), ExampleTrial(6, 5e6, 5e-5, TrialVerdict::kPassed)};
  result.trials[1].repeat = true;
  result.trials[4].repeat = true;
  LatencyHistogram histogram;
  for (int i = 0; i < 200'000; ++i) {
    const double share = (i + 0.5) / 200'000;
    histogram.Record(static_cast<int64_t>(9'000 + 4'000 * -std::log(1 - share) * (share > 0.999 ? 12 : 1)));
  }
  for (Trial& trial : result.trials) trial.latency = histogram.Summary();
  result.figures = result.trials.back();
  result.searched = true;
  result.loss_bound = 1e-4;
  result.latency_curve = histogram.Curve();
  result.handshakes = HandshakeResult{.started = 2000, .completed = 1998, .first_attempt = 1990, .seconds = 0.5};
  result.allocations = AllocationResult{.made = 1000, .failed = 0, .seconds = 0.1};
  for (int second = 1; second <= 12; ++second) {
    const uint64_t sent = second <= 4 ? 8'000'000 : second <= 6 ? 4'000'000 : second <= 10 ? 6'000'000 : 5'000'000;
    result.samples.push_back({.at_s = static_cast<double>(second),
                              .seconds = 1,
                              .sent = sent,
                              .received = std::min<uint64_t>(sent, 5'500'000 + 20'000 * static_cast<uint64_t>(second)),
                              .p50_ns = 11'700 + 200 * second,
                              .p99_ns = second <= 4 ? 900'000 : 27'000 + 500 * second});
  }
  result.notes = {"The generator and the relay shared this machine."};
  return result;
}

// What would break a report that forgets to escape.
inline constexpr const char* kHostile = "</script><b>\"quoted\" & 'more',\r\n\x01";

inline Result HostileResult() {
  Result result = ExampleResult();
  result.title = result.target = result.date = kHostile;
  result.settings = {{kHostile, kHostile}};
  result.machine.cpu = result.machine.kernel = kHostile;
  result.notes = {kHostile};
  return result;
}

}  // namespace bench

#endif  // RELAYD_BENCH_MEASURE_EXAMPLE_RESULT_H_
