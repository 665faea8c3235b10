#include "bench/measure/report_csv.h"

#include <array>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace bench {
namespace {

// With all of its digits: StrCat writes six.
std::string Number(double value) { return absl::StrFormat("%.15g", value); }

struct Column {
  const char* name;
  std::string (*of)(const Result& result, const Trial& trial);
};

using R = const Result&;
using T = const Trial&;

constexpr auto kColumns = std::to_array<Column>({
    {"date", [](R r, T) { return r.date; }},
    {"target", [](R r, T) { return r.target; }},
    {"trial", [](R, T t) { return absl::StrCat(t.number); }},
    {"repeat", [](R, T t) { return absl::StrCat(t.repeat ? 1 : 0); }},
    {"verdict", [](R, T t) { return std::string(TrialVerdictName(t.verdict)); }},
    {"rate_per_s", [](R, T t) { return Number(t.rate_per_s); }},
    {"seconds", [](R, T t) { return Number(t.seconds); }},
    {"sent", [](R, T t) { return absl::StrCat(t.sent); }},
    {"received", [](R, T t) { return absl::StrCat(t.flows.received); }},
    {"received_bytes", [](R, T t) { return absl::StrCat(t.flows.bytes); }},
    {"lost", [](R, T t) { return absl::StrCat(t.Lost()); }},
    {"loss", [](R, T t) { return Number(t.Loss()); }},
    {"reordered", [](R, T t) { return absl::StrCat(t.flows.reordered); }},
    {"duplicated", [](R, T t) { return absl::StrCat(t.flows.duplicated); }},
    {"late", [](R, T t) { return absl::StrCat(t.flows.late); }},
    {"corrupted", [](R, T t) { return absl::StrCat(t.flows.corrupted); }},
    {"generator_lost", [](R, T t) { return absl::StrCat(t.generator_lost); }},
    {"min_ns", [](R, T t) { return absl::StrCat(t.latency.min_ns); }},
    {"p50_ns", [](R, T t) { return absl::StrCat(t.latency.p50_ns); }},
    {"p90_ns", [](R, T t) { return absl::StrCat(t.latency.p90_ns); }},
    {"p99_ns", [](R, T t) { return absl::StrCat(t.latency.p99_ns); }},
    {"p99.9_ns", [](R, T t) { return absl::StrCat(t.latency.p999_ns); }},
    {"p99.99_ns", [](R, T t) { return absl::StrCat(t.latency.p9999_ns); }},
    {"max_ns", [](R, T t) { return absl::StrCat(t.latency.max_ns); }},
    {"mean_ns", [](R, T t) { return Number(t.latency.mean_ns); }},
});

std::string Quoted(const std::string& field) {
  if (field.find_first_of(",\"\r\n") == std::string::npos) return field;
  std::string quoted = "\"";
  for (const char c : field) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + "\"";
}

}  // namespace

std::string CsvReport(const Result& result) {
  std::string csv;
  const auto add = [&csv](const std::string& field, bool first) {
    if (!first) csv += ',';
    csv += Quoted(field);
  };
  for (size_t i = 0; i < kColumns.size(); ++i) add(kColumns[i].name, i == 0);
  csv += "\r\n";
  for (const Trial& trial : result.trials) {
    for (size_t i = 0; i < kColumns.size(); ++i) add(kColumns[i].of(result, trial), i == 0);
    csv += "\r\n";
  }
  return csv;
}

}  // namespace bench
