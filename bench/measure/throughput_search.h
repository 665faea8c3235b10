// The highest rate at which loss stays within a bound (RFC 2544 section 26.1), by bisection.
//
//   ThroughputSearch search(options);
//   while (const std::optional<ThroughputSearch::Ask> ask = search.Next()) search.Record(RunTrial(*ask));
//
// The high bound is tried first. A failed trial is repeated once, and the second one counts: a neighbour's noise should
// not halve a figure. Where the generator could not offer a rate, what it did offer becomes the high bound, and the
// result says that the generator was the limit.
#ifndef RELAYD_BENCH_MEASURE_THROUGHPUT_SEARCH_H_
#define RELAYD_BENCH_MEASURE_THROUGHPUT_SEARCH_H_

#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "bench/measure/trial.h"

namespace bench {

class ThroughputSearch {
 public:
  struct Options {
    double low_per_s = 1000;
    double high_per_s = 0;
    double loss_bound = 0;     // A share: 1e-4 is a hundredth of a percent.
    double resolution = 0.01;  // The search ends when the bounds are so close, as a share of the higher one.
    double min_trial_s = 2;    // Trials are this long, or longer,
    double max_trial_s = 60;   // up to this, where a low rate needs it to tell the loss bound from one lost packet.
    double generator_loss_bound = 1e-3;
  };
  struct Ask {
    double rate_per_s;
    double seconds;
    bool repeat;
  };

  // What is wrong with the options, in one line.
  static absl::Status Check(const Options& options);

  explicit ThroughputSearch(const Options& options);

  // The next trial to run; nullopt when the search is over. The same until Record.
  std::optional<Ask> Next() const;
  // How it went: rate_per_s, seconds, counts and latency as measured; number, repeat and verdict are set here.
  void Record(Trial trial);

  bool done() const { return phase_ == Phase::kDone; }
  // The trial with the highest rate that passed; nullptr if none did.
  const Trial* Best() const;
  // The search ended at a rate that the generator could not exceed, or at the high bound: the relay may do more.
  bool GeneratorLimited() const { return generator_limited_; }
  bool AtHighBound() const;
  const std::vector<Trial>& trials() const { return trials_; }

 private:
  enum class Phase : uint8_t { kHigh, kBisect, kLow, kDone };
  TrialVerdict Judge(const Trial& trial) const;
  void Passed(double rate_per_s);
  void Failed(double rate_per_s);
  void Narrow();

  Options options_;
  Phase phase_ = Phase::kHigh;
  double low_;   // Passed, or the low bound, which is tried last if nothing passed.
  double high_;  // Failed, once tried.
  double rate_;  // To try next.
  bool repeat_ = false;
  int too_short_ = 0;  // In a row.
  bool generator_limited_ = false;
  std::vector<Trial> trials_;
};

}  // namespace bench

#endif  // RELAYD_BENCH_MEASURE_THROUGHPUT_SEARCH_H_
