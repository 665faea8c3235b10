#include "bench/relay_bench/runner.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace bench {
namespace {

constexpr double kControlPerPair = 40;  // A relay takes 20 handshake messages a second from each of two clients.
constexpr uint32_t kMostAttackPairs = 4096;
constexpr int kReceivesATurn = 4;
constexpr relay::Duration kLongestDrain = std::chrono::seconds(3);
constexpr relay::Duration kLongestWait = std::chrono::milliseconds(20);
constexpr relay::Duration kHostileWait = std::chrono::milliseconds(1);
constexpr double kLoneTrialSeconds = 1;

double SecondsOf(relay::Duration d) { return std::chrono::duration<double>(d).count(); }
relay::Duration DurationOf(double seconds) {
  return std::chrono::duration_cast<relay::Duration>(std::chrono::duration<double>(seconds));
}

}  // namespace

uint32_t Runner::AttackPairs(const Options& options) {
  if (options.hostile.bogus_control <= 0) return 0;
  if (options.attack_pairs > 0) return options.attack_pairs;
  return static_cast<uint32_t>(
      std::clamp<double>(std::ceil(options.hostile.bogus_control / kControlPerPair), 1, kMostAttackPairs));
}

Runner::Runner(const Options& options, const SizeMix& sizes, Link& link, EndpointSource* source, Keyring& keys,
               std::vector<std::array<uint32_t, 2>> pair_keys, World world)
    : options_(options),
      sizes_(sizes),
      link_(link),
      source_(source),
      keys_(keys),
      pair_keys_(std::move(pair_keys)),
      world_(std::move(world)),
      attack_(AttackPairs(options)),
      pairs_(AllPairs(options)),
      random_(options.seed),
      progress_(world_.terminal) {
  const uint32_t probe_run = NewRun();
  handshakes_ = std::make_unique<Handshakes>(
      Handshakes::Options{
          .retry = options.handshake_retry, .tries = static_cast<int>(options.handshake_tries), .probe_run = probe_run},
      pairs_, keys_);
  load_ = std::make_unique<Load>(Load::Options{.sizes = sizes_,
                                               .coverage = options.full_check ? Coverage::kAll : Coverage::kHeader,
                                               .both_directions = options.both_directions,
                                               .reflector = options.reflector,
                                               .run_length = options.burst,
                                               .max_behind = options.max_behind,
                                               .handshake_share = options.handshake_share,
                                               .probe_run = probe_run,
                                               .seed = random_.Next()},
                                 link_, pairs_, *handshakes_);
  hostile_ = std::make_unique<Hostile>(options.hostile, pairs_, attack_, Legs(options), keys_, random_.Next());
}

absl::StatusOr<Result> Runner::Run() {
  if (absl::Status ready = SetUp(); !ready.ok()) return ready;
  if (!Stopped() && options_.rate == RateKind::kSearch) {
    if (absl::Status searched = Search(); !searched.ok()) return searched;
  } else if (!Stopped()) {
    const double rate = options_.rate == RateKind::kMax ? 0 : options_.rate_pps;
    if (options_.warmup > relay::Duration::zero()) RunTrial(rate, SecondsOf(options_.warmup), "warm-up", false);
    if (!Stopped()) {
      result_.trials.push_back(RunTrial(rate, SecondsOf(options_.duration), "", true));
      result_.trials.back().number = 1;
      result_.figures = result_.trials.back();
      result_.latency_curve = load_->latency().Curve();
    }
  }
  const Strays& strays = load_->strays();
  if (strays.not_ours + strays.wrong_leg + strays.wrong_vni > 0) {
    result_.notes.push_back(absl::StrCat("strays: ", strays.wrong_leg, " came to the wrong client, ", strays.wrong_vni,
                                         " under the wrong VNI (both counted as corrupted), ", strays.not_ours,
                                         " were not ours"));
  }
  if (const std::string hostile = hostile_->Describe(); !hostile.empty()) {
    result_.notes.push_back("hostile packets in the last trial, sent of those due: " + hostile);
  }
  for (std::string& note : link_.Notes()) result_.notes.push_back(std::move(note));
  return std::move(result_);
}

Trial Runner::RunTrial(double per_second, double seconds, const std::string& label, bool sample) {
  relay::Instant now = world_.clock();
  const relay::Instant end = now + DurationOf(seconds);
  load_->Begin(NewRun(), per_second, now);
  if (!attacking_) hostile_->Begin(now);
  const bool attacked_before = attacking_;
  attacking_ = true;
  if (sample && options_.handshake_share > 0) handshakes_->ResetResult();
  trial_began_ = now;
  sampled_.Clear();
  sampled_totals_ = {};
  relay::Instant next_sample = now + std::chrono::seconds(1);
  relay::Instant next_look = now;
  while (now < end && !Stopped()) {
    const uint32_t sent = load_->Send(now);
    const bool received = Turn(now);
    if (sent == 0 && !received) {
      const relay::Instant due{std::chrono::nanoseconds(load_->pacer().NextDueNs())};
      // The abuse has pacers of its own, which are not asked.
      const relay::Duration most = options_.hostile.Total() > 0 ? kHostileWait : kLongestWait;
      link_.Wait(std::min({due, end, now + most}));
    }
    now = world_.clock();
    if (now >= next_sample) {
      const Sample taken = TakeSample(SecondsOf(now - trial_began_), SecondsOf(now - next_sample) + 1);
      if (sample) result_.samples.push_back(taken);
      next_sample = now + std::chrono::seconds(1);
    }
    if (now >= next_look) {
      ShowProgress(now, label, false);
      next_look = now + std::chrono::milliseconds(100);
    }
  }
  // What is due until the very end, and was not when we last looked.
  const relay::Instant ended = std::min(now, end);
  load_->Send(ended - relay::Duration(1));
  load_->End(ended);
  hostile_->End(ended);
  attacking_ = attacked_before;
  Drain();
  ShowProgress(now, label, true);
  Trial trial;
  trial.rate_per_s = per_second;
  trial.seconds = SecondsOf(now - trial_began_);
  trial.sent = load_->pacer().sent();
  trial.generator_lost = load_->pacer().generator_lost();
  trial.flows = load_->totals();
  trial.latency = load_->latency().Summary();
  if (sample && options_.handshake_share > 0) {
    result_.handshakes = handshakes_->result();
    result_.handshakes->seconds = trial.seconds;
  }
  return trial;
}

bool Runner::Turn(relay::Instant now) {
  bool received = false;
  for (int i = 0; i < kReceivesATurn; ++i) {
    const std::span<const Incoming> burst = link_.Receive();
    if (burst.empty()) break;
    received = true;
    load_->Receive(burst, world_.clock());
    if (burst.size() < kMaxBurst / 2) break;
  }
  if (!handshakes_->idle()) handshakes_->Tick(now);
  handshakes_->Flush(link_);
  if (attacking_) hostile_->Send(link_, now);
  return received;
}

// Waits for what is still on its way.
void Runner::Drain() {
  const relay::Instant began = world_.clock();
  relay::Instant heard = began;
  for (relay::Instant now = began; now - began < kLongestDrain; now = world_.clock()) {
    if (now - heard > options_.drain && handshakes_->idle()) return;
    if (load_->totals().received >= load_->pacer().sent() && handshakes_->idle()) return;
    if (Turn(now)) {
      heard = now;
    } else {
      link_.Wait(std::min(heard + options_.drain, now + kLongestWait));
    }
  }
}

absl::Status Runner::Search() {
  double high = options_.search_high_pps;
  if (options_.warmup > relay::Duration::zero() || high <= 0) {
    const double seconds = std::max(SecondsOf(options_.warmup), high <= 0 ? kLoneTrialSeconds : 0);
    const Trial unlimited = RunTrial(0, seconds, "warm-up, unlimited", false);
    if (high <= 0) high = unlimited.SentPerS();
  }
  const ThroughputSearch::Options search_options{.low_per_s = std::min(options_.rate_pps, high / 2),
                                                 .high_per_s = high,
                                                 .loss_bound = options_.loss_bound,
                                                 .resolution = options_.search_resolution,
                                                 .min_trial_s = SecondsOf(options_.duration),
                                                 .max_trial_s = std::max(60.0, SecondsOf(options_.duration))};
  if (absl::Status usable = ThroughputSearch::Check(search_options); !usable.ok()) return usable;
  ThroughputSearch search(search_options);
  std::vector<std::vector<PercentilePoint>> curves;
  while (const std::optional<ThroughputSearch::Ask> ask = search.Next()) {
    const auto label = absl::StrCat("trial ", curves.size() + 1, ", ", std::llround(ask->rate_per_s), "/s");
    const Trial trial = RunTrial(ask->rate_per_s, ask->seconds, label, true);
    curves.push_back(load_->latency().Curve());
    search.Record(trial);
    if (Stopped()) break;
  }
  result_.searched = true;
  result_.loss_bound = options_.loss_bound;
  result_.trials = search.trials();
  result_.generator_limited = search.GeneratorLimited() || search.AtHighBound();
  if (const Trial* best = search.Best(); best != nullptr) {
    result_.figures = *best;
    result_.latency_curve = curves[static_cast<size_t>(best->number - 1)];
  }
  return absl::OkStatus();
}

Sample Runner::TakeSample(double at_s, double seconds) {
  const FlowTotals totals = load_->totals();
  LatencyHistogram since;
  since.Merge(load_->latency());
  since.Subtract(sampled_);
  sampled_.Clear();
  sampled_.Merge(load_->latency());
  Sample total;
  total.sent = load_->pacer().sent();
  total.received = totals.received;
  total.generator_lost = load_->pacer().generator_lost();
  total.handshakes = handshakes_->result().completed;
  const Sample taken{.at_s = at_s,
                     .seconds = seconds,
                     .sent = total.sent - sampled_totals_.sent,
                     .received = total.received - sampled_totals_.received,
                     .generator_lost = total.generator_lost - sampled_totals_.generator_lost,
                     .handshakes = total.handshakes - std::min(total.handshakes, sampled_totals_.handshakes),
                     .p50_ns = since.Percentile(50),
                     .p99_ns = since.Percentile(99)};
  sampled_totals_ = total;
  return taken;
}

void Runner::ShowProgress(relay::Instant now, std::string_view label, bool last) {
  if (!options_.progress) return;
  const FlowTotals totals = load_->totals();
  const ProgressState state{.elapsed_ns = (now - trial_began_).count(),
                            .sent = load_->pacer().sent(),
                            .received = totals.received,
                            .lost = last ? totals.Lost(load_->pacer().sent()) : totals.missing,
                            .generator_lost = load_->pacer().generator_lost(),
                            .p50_ns = load_->latency().Percentile(50),
                            .p99_ns = load_->latency().Percentile(99),
                            .label = label};
  const std::string text = last ? progress_.Finish(state) : progress_.Update(state);
  if (!text.empty()) world_.show(text);
}

}  // namespace bench
