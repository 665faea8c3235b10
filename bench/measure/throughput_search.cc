#include "bench/measure/throughput_search.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace bench {
namespace {

constexpr int kMostTooShort = 3;       // In a row: then something is wrong that more trials do not cure.
constexpr double kPacketsToLose = 10;  // A trial is long enough for the loss bound to be so many packets.

}  // namespace

absl::Status ThroughputSearch::Check(const Options& options) {
  if (!(options.low_per_s > 0)) return absl::InvalidArgumentError("the search's low rate must be above 0");
  if (!(options.high_per_s > options.low_per_s)) {
    return absl::InvalidArgumentError("the search's high rate must be above its low rate");
  }
  if (!(options.loss_bound >= 0 && options.loss_bound < 1)) {
    return absl::InvalidArgumentError("the loss bound is a share: from 0 to below 1");
  }
  if (!(options.resolution > 0 && options.resolution < 1)) {
    return absl::InvalidArgumentError("the search's resolution is a share: above 0 and below 1");
  }
  if (!(options.min_trial_s > 0 && options.max_trial_s >= options.min_trial_s)) {
    return absl::InvalidArgumentError("a trial must last longer than 0 s, and at most its maximum");
  }
  return absl::OkStatus();
}

ThroughputSearch::ThroughputSearch(const Options& options)
    : options_(options), low_(options.low_per_s), high_(options.high_per_s), rate_(options.high_per_s) {}

std::optional<ThroughputSearch::Ask> ThroughputSearch::Next() const {
  if (done()) return std::nullopt;
  double seconds = options_.min_trial_s;
  if (options_.loss_bound > 0) seconds = std::max(seconds, kPacketsToLose / options_.loss_bound / rate_);
  return Ask{.rate_per_s = rate_, .seconds = std::min(seconds, options_.max_trial_s), .repeat = repeat_};
}

TrialVerdict ThroughputSearch::Judge(const Trial& trial) const {
  // A percent less is a timer's, not a trial cut short.
  if (trial.sent == 0 || trial.seconds < 0.99 * Next()->seconds) return TrialVerdict::kTooShort;
  if (trial.Loss() > options_.loss_bound) return TrialVerdict::kFailed;  // At the rate asked for or a lower one.
  return trial.GeneratorLoss() <= options_.generator_loss_bound ? TrialVerdict::kPassed
                                                                : TrialVerdict::kGeneratorLimited;
}

void ThroughputSearch::Record(Trial trial) {
  if (done()) return;
  trial.number = static_cast<int>(trials_.size()) + 1;
  trial.repeat = repeat_;
  trial.rate_per_s = rate_;
  trial.verdict = Judge(trial);
  const TrialVerdict verdict = trial.verdict;
  // What the generator did offer where it was the limit; always less than it was asked for, so that the search ends.
  const bool short_of_rate = trial.GeneratorLoss() > options_.generator_loss_bound;
  const double tried_per_s = short_of_rate ? std::min(trial.SentPerS(), rate_ * (1 - options_.resolution)) : rate_;
  trials_.push_back(trial);

  if (verdict == TrialVerdict::kTooShort) {
    if (++too_short_ == kMostTooShort) phase_ = Phase::kDone;
    return;
  }
  too_short_ = 0;
  if (verdict == TrialVerdict::kPassed) return Passed(rate_);
  if (!std::exchange(repeat_, true)) return;                        // Once more.
  generator_limited_ = verdict == TrialVerdict::kGeneratorLimited;  // Until a lower rate fails by the relay.
  Failed(tried_per_s);
}

void ThroughputSearch::Passed(double rate_per_s) {
  repeat_ = false;
  low_ = rate_per_s;
  if (phase_ != Phase::kBisect) {  // The high bound itself, or the low one, which was the last to try.
    phase_ = Phase::kDone;
    return;
  }
  Narrow();
}

void ThroughputSearch::Failed(double rate_per_s) {
  repeat_ = false;
  if (phase_ == Phase::kLow) {
    phase_ = Phase::kDone;
    return;
  }
  phase_ = Phase::kBisect;
  high_ = std::max(rate_per_s, low_);
  Narrow();
}

void ThroughputSearch::Narrow() {
  if (high_ - low_ > options_.resolution * high_) {
    rate_ = (low_ + high_) / 2;
    return;
  }
  if (Best() != nullptr) {
    phase_ = Phase::kDone;
    return;
  }
  phase_ = Phase::kLow;
  rate_ = low_;
}

const Trial* ThroughputSearch::Best() const {
  const Trial* best = nullptr;
  for (const Trial& trial : trials_) {
    if (trial.verdict != TrialVerdict::kPassed) continue;
    if (best == nullptr || trial.rate_per_s > best->rate_per_s) best = &trial;
  }
  return best;
}

bool ThroughputSearch::AtHighBound() const {
  const Trial* const best = Best();
  return best != nullptr && best->rate_per_s == options_.high_per_s;
}

}  // namespace bench
