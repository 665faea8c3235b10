// A whole run: endpoints, handshakes, warm-up, load, and what came of them.
#ifndef RELAYD_BENCH_RELAY_BENCH_RUNNER_H_
#define RELAYD_BENCH_RELAY_BENCH_RUNNER_H_

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "bench/measure/progress.h"
#include "bench/measure/result.h"
#include "bench/measure/throughput_search.h"
#include "bench/relay_bench/endpoint_source.h"
#include "bench/relay_bench/hostile.h"
#include "bench/relay_bench/load.h"
#include "bench/relay_bench/options.h"
#include "bench/relay_bench/output_file.h"

namespace bench {

class Runner {
 public:
  // What a test replaces.
  struct World {
    std::function<relay::Instant()> clock;
    std::function<void(std::string_view)> show;  // Progress lines, as they are to be written.
    bool terminal = false;
    const std::atomic<bool>* stop = nullptr;  // Ends the run early, with a report.
    OutputFile* save = nullptr;               // Gets the endpoints and their keys, once all are bound.
  };

  // `link` has Legs(options) legs and Extra(options) more; all outlive the runner. `source` may be null with
  // options.reflector. `pair_keys`: empty, or the keys of each pair where a file says so.
  Runner(const Options& options, const SizeMix& sizes, Link& link, EndpointSource* source, Keyring& keys,
         std::vector<std::array<uint32_t, 2>> pair_keys, World world);

  // An error with a code other than kInvalidArgument means that it could not run at all: no relay, no answer.
  absl::StatusOr<Result> Run();

  static uint32_t AttackPairs(const Options& options);
  static uint32_t AllPairs(const Options& options) { return AttackPairs(options) + options.pairs; }
  static uint32_t Legs(const Options& options) { return AllPairs(options) * 2; }
  static uint32_t Extra(const Options& options) { return options.hostile.Total() > 0 ? 1 : 0; }

 private:
  // Pairs [begin, end), with as many unbound at once as the window allows.
  absl::Status Bind(uint32_t begin, uint32_t end);
  absl::Status TakeEndpoints(relay::Instant now);
  absl::Status Adopt(Allocated& allocated, relay::Instant now);
  absl::Status SetUp();
  void PretendBound();
  absl::Status NoAnswer() const;

  // Sends for so long at that rate (0: unlimited), waits for stragglers, and says what came of it.
  Trial RunTrial(double per_second, double seconds, const std::string& label, bool sample);
  absl::Status Search();
  void Drain();
  // One turn of everything that goes on: receive, handshakes, abuse. False: nothing happened.
  bool Turn(relay::Instant now);
  Sample TakeSample(double at_s, double seconds);
  void ShowProgress(relay::Instant now, std::string_view label, bool last);
  bool Stopped() const { return world_.stop != nullptr && *world_.stop; }
  uint32_t NewRun() { return static_cast<uint32_t>(random_.Next() >> 32) | 1; }

  const Options& options_;
  const SizeMix sizes_;
  Link& link_;
  EndpointSource* const source_;
  Keyring& keys_;
  const std::vector<std::array<uint32_t, 2>> pair_keys_;
  const World world_;

  const uint32_t attack_;
  std::vector<Pair> pairs_;  // The attacker's first.
  std::vector<uint32_t> bound_;
  uint32_t bound_count_ = 0;
  uint32_t failed_count_ = 0;
  uint32_t taken_count_ = 0;
  std::optional<disco::AddrPort> relay_;

  Random random_;
  std::unique_ptr<Handshakes> handshakes_;
  std::unique_ptr<Load> load_;
  std::unique_ptr<Hostile> hostile_;
  bool attacking_ = false;

  Result result_;
  Progress progress_;
  relay::Instant trial_began_{};
  LatencyHistogram sampled_;  // The latencies as of the last sample.
  Sample sampled_totals_;     // Totals as of then.
};

}  // namespace bench

#endif  // RELAYD_BENCH_RELAY_BENCH_RUNNER_H_
