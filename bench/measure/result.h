// All that a run of relay-bench found out: what reports are written from and thresholds are held against.
#ifndef RELAYD_BENCH_MEASURE_RESULT_H_
#define RELAYD_BENCH_MEASURE_RESULT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bench/measure/latency_histogram.h"
#include "bench/measure/machine.h"
#include "bench/measure/trial.h"

namespace bench {

struct HandshakeResult {
  uint64_t started = 0;
  uint64_t completed = 0;
  uint64_t first_attempt = 0;  // Completed without a message sent twice.
  double seconds = 0;
  LatencySummary latency = {};

  double PerS() const { return seconds > 0 ? static_cast<double>(completed) / seconds : 0; }
  double FirstAttemptShare() const {  // Of all that were started.
    return started > 0 ? static_cast<double>(first_attempt) / static_cast<double>(started) : 0;
  }
};

struct AllocationResult {
  uint64_t made = 0;
  uint64_t failed = 0;
  double seconds = 0;

  double PerS() const { return seconds > 0 ? static_cast<double>(made) / seconds : 0; }
};

// What happened in one interval, about a second.
struct Sample {
  double at_s = 0;  // Since the load began, at the interval's end.
  double seconds = 0;
  uint64_t sent = 0;
  uint64_t received = 0;
  uint64_t generator_lost = 0;
  uint64_t handshakes = 0;  // Completed.
  int64_t p50_ns = 0;
  int64_t p99_ns = 0;
};

struct Result {
  std::string title = "relay-bench";
  std::string target = {};                                         // The server, as given.
  std::string date = {};                                           // ISO 8601, UTC: UtcDate.
  std::vector<std::pair<std::string, std::string>> settings = {};  // In the order in which they are shown.
  Machine machine = {};

  // The trial that loss, latency and the rest are those of: a search's best one, or the only one. Absent where none ran
  // (handshakes alone) or none passed.
  std::optional<Trial> figures = {};
  std::vector<Trial> trials = {};  // All of them, in order.
  // Found by a search: the rate of `figures` is then the throughput at the loss bound.
  bool searched = false;
  double loss_bound = 0;
  bool generator_limited = false;  // ThroughputSearch::GeneratorLimited or AtHighBound: the relay may do more.
  std::vector<PercentilePoint> latency_curve = {};  // LatencyHistogram::Curve, of `figures`.

  std::optional<HandshakeResult> handshakes = {};
  std::optional<AllocationResult> allocations = {};
  std::vector<Sample> samples = {};
  std::vector<std::string> notes = {};  // What a reader should know before believing a figure.
};

// Of a search that found no rate, the reason in one line; else empty.
std::string WhyNoRate(const Result& result);

// 2026-01-31T12:00:00Z.
std::string UtcDate(int64_t unix_seconds);

}  // namespace bench

#endif  // RELAYD_BENCH_MEASURE_RESULT_H_
