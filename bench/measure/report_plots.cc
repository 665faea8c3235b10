#include "bench/measure/report_plots.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/measure/format.h"
#include "bench/measure/svg_plot.h"

namespace bench {
namespace {

// Nines: 90 % is 1, 99 % is 2.
double Nines(double percent) { return -std::log10(1 - percent / 100); }

Axis PercentileAxis(double nines) {
  Axis axis{.label = "percentile", .low = 0, .high = std::max(1.0, nines), .ticks = {{0, "0"}, {Nines(50), "50"}}};
  std::string text = "90";
  for (int at = 1; at <= axis.high + 1e-9; ++at) {
    axis.ticks.push_back({static_cast<double>(at), text});
    if (at == 1) {
      text = "99";
    } else {
      text += at == 2 ? ".9" : "9";
    }
  }
  return axis;
}

Axis TimeAxis(const Result& result) {
  return Axis::Linear("time, s", 0, result.samples.back().at_s, [](double s) { return absl::StrFormat("%g", s); });
}

// A loss of 0 has no logarithm: it is drawn at the foot of the plot, which is called 0.
constexpr double kNoLoss = 1e-7;

Axis LossAxis() {
  Axis axis = Axis::Log10("loss", kNoLoss, 1, [](double share) { return FormatShare(share); });
  axis.ticks.front().text = "0";
  return axis;
}

struct Look {
  TrialVerdict verdict;
  const char* name;
  int colour;
};
constexpr std::array<Look, 4> kLooks = {{{TrialVerdict::kPassed, "passed", 2},
                                         {TrialVerdict::kFailed, "failed", 3},
                                         {TrialVerdict::kGeneratorLimited, "generator limited", 4},
                                         {TrialVerdict::kNone, "not judged", 0}}};

}  // namespace

std::string LatencyCurvePlot(const Result& result) {
  const std::vector<PercentilePoint>& curve = result.latency_curve;
  if (curve.size() < 2) return "";
  // The last point is the maximum, at 100 %: half a nine beyond the one before it.
  double nines = 0;
  Series series{.name = "latency", .colour = 0, .dots = false, .points = {}};
  for (const PercentilePoint& point : curve) {
    nines = point.percent < 100 ? Nines(point.percent) : nines + 0.5;
    series.points.push_back({nines, std::log10(std::max<double>(1, static_cast<double>(point.ns))), ""});
  }
  Axis x = PercentileAxis(nines - 0.25);
  x.high = nines;
  x.ticks.push_back({nines, "max"});
  const double low = std::max<double>(1, static_cast<double>(curve.front().ns));
  const double high = static_cast<double>(curve.back().ns);
  return SvgOf({.title = "Latency by percentile",
                .x = std::move(x),
                .y = Axis::Log10("latency", low, high, [](double ns) { return FormatNs(ns); }),
                .series = {std::move(series)}});
}

std::string ThroughputLossPlot(const Result& result) {
  if (result.trials.empty()) return "";
  double fastest = 0;
  for (const Trial& trial : result.trials) fastest = std::max(fastest, trial.SentPerS());
  const auto format = [](double per_s) { return FormatRate(per_s); };
  Plot plot{.title = "Loss by rate sent",
            .x = Axis::Linear("packets sent a second", 0, fastest, format),
            .y = LossAxis(),
            .series = {}};
  for (const Look& look : kLooks) {
    Series series{.name = look.name, .colour = look.colour, .dots = true, .points = {}};
    for (const Trial& trial : result.trials) {
      if (trial.verdict != look.verdict) continue;
      series.points.push_back({trial.SentPerS(), std::log10(std::max(trial.Loss(), kNoLoss)),
                               absl::StrCat("trial ", trial.number, ": ", FormatRate(trial.SentPerS()), ", loss ",
                                            FormatShare(trial.Loss()))});
    }
    plot.series.push_back(std::move(series));
  }
  if (result.searched && result.loss_bound > 0) {
    const double bound = std::log10(std::max(result.loss_bound, kNoLoss));
    plot.series.push_back({.name = "loss bound",
                           .colour = 5,
                           .dots = false,
                           .points = {{plot.x.low, bound, ""}, {plot.x.high, bound, ""}}});
  }
  return SvgOf(plot);
}

std::string RatePlot(const Result& result) {
  if (result.samples.size() < 2) return "";
  Series sent{.name = "sent", .colour = 1, .dots = false, .points = {}};
  Series received{.name = "received", .colour = 0, .dots = false, .points = {}};
  Series not_sent{.name = "not sent in time", .colour = 3, .dots = false, .points = {}};  // If there is any.
  double fastest = 0;
  bool all_sent = true;
  for (const Sample& sample : result.samples) {
    const double seconds = sample.seconds > 0 ? sample.seconds : 1;
    not_sent.points.push_back({sample.at_s, static_cast<double>(sample.generator_lost) / seconds, ""});
    all_sent = all_sent && sample.generator_lost == 0;
    sent.points.push_back({sample.at_s, static_cast<double>(sample.sent) / seconds, ""});
    received.points.push_back({sample.at_s, static_cast<double>(sample.received) / seconds, ""});
    fastest = std::max({fastest, sent.points.back().y, received.points.back().y, not_sent.points.back().y});
  }
  if (all_sent) not_sent.points.clear();
  return SvgOf({.title = "Rate",
                .x = TimeAxis(result),
                .y = Axis::Linear("packets a second", 0, fastest, [](double per_s) { return FormatRate(per_s); }),
                .series = {std::move(sent), std::move(received), std::move(not_sent)}});
}

std::string LatencyTimePlot(const Result& result) {
  Series p50{.name = "p50", .colour = 0, .dots = false, .points = {}};
  Series p99{.name = "p99", .colour = 1, .dots = false, .points = {}};
  double lowest = 1e12;
  double highest = 1;
  for (const Sample& sample : result.samples) {
    if (sample.p50_ns <= 0) continue;  // Nothing came.
    p50.points.push_back({sample.at_s, std::log10(static_cast<double>(sample.p50_ns)), ""});
    p99.points.push_back({sample.at_s, std::log10(static_cast<double>(std::max(sample.p50_ns, sample.p99_ns))), ""});
    lowest = std::min(lowest, static_cast<double>(sample.p50_ns));
    highest = std::max({highest, static_cast<double>(sample.p50_ns), static_cast<double>(sample.p99_ns)});
  }
  if (p50.points.size() < 2) return "";
  return SvgOf({.title = "Latency",
                .x = TimeAxis(result),
                .y = Axis::Log10("latency", lowest, highest, [](double ns) { return FormatNs(ns); }),
                .series = {std::move(p50), std::move(p99)}});
}

}  // namespace bench
