#include "bench/measure/thresholds.h"

#include <array>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace bench {
namespace {

using Figure = std::optional<double>;

template <typename Of>
Figure OfTrial(const Result& result, Of of) {
  if (!result.figures) return std::nullopt;
  return static_cast<double>(of(*result.figures));
}

template <typename Of>
Figure ShareOfSent(const Result& result, Of of) {
  if (!result.figures || result.figures->sent == 0) return std::nullopt;
  return static_cast<double>(of(*result.figures)) / static_cast<double>(result.figures->sent);
}

template <typename Of>
Figure OfLatency(const Result& result, Of of) {
  if (!result.figures || result.figures->latency.count == 0) return std::nullopt;
  return static_cast<double>(of(result.figures->latency));
}

template <typename Of>
Figure OfHandshakes(const Result& result, Of of) {
  if (!result.handshakes || result.handshakes->started == 0) return std::nullopt;
  return static_cast<double>(of(*result.handshakes));
}

template <typename Of>
Figure OfAllocations(const Result& result, Of of) {
  if (!result.allocations) return std::nullopt;
  return static_cast<double>(of(*result.allocations));
}

// Short names for the table's sake.
using T = const Trial&;
using L = const LatencySummary&;
using H = const HandshakeResult&;
using A = const AllocationResult&;
using R = const Result&;

constexpr auto kMetrics = std::to_array<Metric>({
    {"throughput", Unit::kPerSecond, "packets received",
     [](R r) { return OfTrial(r, [](T t) { return t.ReceivedPerS(); }); }},
    {"throughput_bits", Unit::kBitsPerSecond, "bits of UDP payload received",
     [](R r) {
       return OfTrial(r, [](T t) { return t.seconds > 0 ? 8 * static_cast<double>(t.flows.bytes) / t.seconds : 0; });
     }},
    {"sent", Unit::kCount, "packets sent", [](R r) { return OfTrial(r, [](T t) { return t.sent; }); }},
    {"received", Unit::kCount, "distinct packets received intact",
     [](R r) { return OfTrial(r, [](T t) { return t.flows.received; }); }},
    {"loss", Unit::kShare, "lost, of those sent", [](R r) { return ShareOfSent(r, [](T t) { return t.Lost(); }); }},
    {"lost", Unit::kCount, "packets lost", [](R r) { return OfTrial(r, [](T t) { return t.Lost(); }); }},
    {"reordering", Unit::kShare, "reordered, of those sent",
     [](R r) { return ShareOfSent(r, [](T t) { return t.flows.reordered; }); }},
    {"reordered", Unit::kCount, "packets reordered within their flow",
     [](R r) { return OfTrial(r, [](T t) { return t.flows.reordered; }); }},
    {"duplication", Unit::kShare, "duplicated, of those sent",
     [](R r) { return ShareOfSent(r, [](T t) { return t.flows.duplicated; }); }},
    {"duplicated", Unit::kCount, "packets that came more than once",
     [](R r) { return OfTrial(r, [](T t) { return t.flows.duplicated; }); }},
    {"late", Unit::kCount, "packets behind by more than 64 of their flow",
     [](R r) { return OfTrial(r, [](T t) { return t.flows.late; }); }},
    {"corruption", Unit::kShare, "corrupted, of those sent",
     [](R r) { return ShareOfSent(r, [](T t) { return t.flows.corrupted; }); }},
    {"corrupted", Unit::kCount, "packets that came damaged",
     [](R r) { return OfTrial(r, [](T t) { return t.flows.corrupted; }); }},
    {"generator_loss", Unit::kShare, "not sent in time, of those due",
     [](R r) { return OfTrial(r, [](T t) { return t.GeneratorLoss(); }); }},
    {"min", Unit::kNs, "lowest latency", [](R r) { return OfLatency(r, [](L l) { return l.min_ns; }); }},
    {"mean", Unit::kNs, "mean latency", [](R r) { return OfLatency(r, [](L l) { return l.mean_ns; }); }},
    {"p50", Unit::kNs, "median latency", [](R r) { return OfLatency(r, [](L l) { return l.p50_ns; }); }},
    {"p90", Unit::kNs, "latency, 90th percentile", [](R r) { return OfLatency(r, [](L l) { return l.p90_ns; }); }},
    {"p99", Unit::kNs, "latency, 99th percentile", [](R r) { return OfLatency(r, [](L l) { return l.p99_ns; }); }},
    {"p99.9", Unit::kNs, "latency, 99.9th percentile", [](R r) { return OfLatency(r, [](L l) { return l.p999_ns; }); }},
    {"p99.99", Unit::kNs, "latency, 99.99th percentile",
     [](R r) { return OfLatency(r, [](L l) { return l.p9999_ns; }); }},
    {"max", Unit::kNs, "highest latency", [](R r) { return OfLatency(r, [](L l) { return l.max_ns; }); }},
    {"handshakes", Unit::kPerSecond, "handshakes completed",
     [](R r) { return OfHandshakes(r, [](H h) { return h.PerS(); }); }},
    {"handshake_success", Unit::kShare, "handshakes completed, of those started",
     [](R r) {
       return OfHandshakes(r, [](H h) { return static_cast<double>(h.completed) / static_cast<double>(h.started); });
     }},
    {"handshake_first_attempt", Unit::kShare, "handshakes completed at their first attempt, of those started",
     [](R r) { return OfHandshakes(r, [](H h) { return h.FirstAttemptShare(); }); }},
    {"allocations", Unit::kPerSecond, "endpoints allocated",
     [](R r) { return OfAllocations(r, [](A a) { return a.PerS(); }); }},
    {"allocations_failed", Unit::kCount, "allocations refused or failed",
     [](R r) { return OfAllocations(r, [](A a) { return a.failed; }); }},
});

struct Operator {
  absl::string_view text;
  Requirement::Relation relation;
};
constexpr std::array<Operator, 5> kOperators = {{{"<=", Requirement::Relation::kAtMost},
                                                 {">=", Requirement::Relation::kAtLeast},
                                                 {"==", Requirement::Relation::kEqual},
                                                 {"<", Requirement::Relation::kLess},
                                                 {">", Requirement::Relation::kMore}}};

struct Suffix {
  absl::string_view text;
  double factor;
  bool time;
};
// The longer ones first: "ms" also ends in "s".
constexpr std::array<Suffix, 8> kSuffixes = {{{"ns", 1, true},
                                              {"us", 1e3, true},
                                              {"ms", 1e6, true},
                                              {"s", 1e9, true},
                                              {"k", 1e3, false},
                                              {"M", 1e6, false},
                                              {"G", 1e9, false},
                                              {"%", 0.01, false}}};

std::optional<double> ParseValue(absl::string_view text, Unit unit) {
  double factor = 1;
  for (const Suffix& suffix : kSuffixes) {
    if (suffix.time != (unit == Unit::kNs) || !absl::EndsWith(text, suffix.text)) continue;
    if (suffix.text == "%" && unit != Unit::kShare) continue;
    text.remove_suffix(suffix.text.size());
    factor = suffix.factor;
    break;
  }
  double value = 0;
  // Neither signs, nor hexadecimal, "inf" and "nan", which SimpleAtod knows.
  const bool plain =
      text.find_first_not_of("0123456789.eE-") == absl::string_view::npos && !absl::StartsWith(text, "-");
  if (!plain || !absl::SimpleAtod(text, &value)) return std::nullopt;
  return value * factor;
}

bool Holds(Requirement::Relation relation, double value, double bound) {
  switch (relation) {
    case Requirement::Relation::kLess:
      return value < bound;
    case Requirement::Relation::kAtMost:
      return value <= bound;
    case Requirement::Relation::kAtLeast:
      return value >= bound;
    case Requirement::Relation::kMore:
      return value > bound;
    case Requirement::Relation::kEqual:
      return value == bound;
  }
  return false;
}

}  // namespace

std::span<const Metric> Metrics() { return kMetrics; }

const Metric* FindMetric(std::string_view name) {
  for (const Metric& metric : kMetrics) {
    if (metric.name == name) return &metric;
  }
  return nullptr;
}

std::string MetricsHelp() {
  constexpr std::array<const char*, 5> kUnits = {"count", "share", "per second", "bit/s", "time"};
  std::string help;
  for (const Metric& metric : kMetrics) {
    absl::StrAppendFormat(&help, "  %-24s %-11s %s\n", metric.name, kUnits[static_cast<size_t>(metric.unit)],
                          metric.help);
  }
  return help;
}

absl::StatusOr<Requirement> Requirement::Parse(std::string_view expression) {
  const absl::string_view text = absl::StripAsciiWhitespace(absl::string_view(expression.data(), expression.size()));
  const size_t at = text.find_first_of("<>=");
  const absl::string_view name = absl::StripAsciiWhitespace(text.substr(0, at));
  const Metric* const metric = FindMetric({name.data(), name.size()});
  if (metric == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("requirement \"", text, "\": no metric is called \"", name, "\""));
  }
  for (const Operator& op : kOperators) {
    if (at == absl::string_view::npos || !absl::StartsWith(text.substr(at), op.text)) continue;
    const absl::string_view rest = absl::StripAsciiWhitespace(text.substr(at + op.text.size()));
    const std::optional<double> value = ParseValue(rest, metric->unit);
    if (!value) {
      return absl::InvalidArgumentError(absl::StrCat("requirement \"", text, "\": \"", rest, "\" is not a value of ",
                                                     absl::string_view(metric->name.data(), metric->name.size())));
    }
    return Requirement{.metric = metric, .relation = op.relation, .value = *value, .text = std::string(text)};
  }
  return absl::InvalidArgumentError(absl::StrCat("requirement \"", text, "\": one of <=, >=, ==, <, > is missing"));
}

absl::StatusOr<std::vector<Requirement>> ParseRequirements(std::string_view expressions) {
  std::vector<Requirement> requirements;
  for (const absl::string_view text :
       absl::StrSplit(absl::string_view(expressions.data(), expressions.size()), ',', absl::SkipWhitespace())) {
    absl::StatusOr<Requirement> one = Requirement::Parse({text.data(), text.size()});
    if (!one.ok()) return one.status();
    requirements.push_back(*std::move(one));
  }
  return requirements;
}

std::string Judgement::Line() const {
  return absl::StrCat(passed ? "passed  " : "FAILED  ", requirement.text, ": ",
                      FormatFigure(requirement.metric->unit, value));
}

std::vector<Judgement> Judge(std::span<const Requirement> requirements, const Result& result) {
  std::vector<Judgement> judgements;
  for (const Requirement& requirement : requirements) {
    const Figure value = requirement.metric->of(result);
    const bool passed = value && Holds(requirement.relation, *value, requirement.value);
    judgements.push_back({.requirement = requirement, .value = value, .passed = passed});
  }
  return judgements;
}

bool AllPassed(std::span<const Judgement> judgements) {
  for (const Judgement& judgement : judgements) {
    if (!judgement.passed) return false;
  }
  return true;
}

}  // namespace bench
