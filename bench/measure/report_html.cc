#include "bench/measure/report_html.h"

#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/measure/format.h"
#include "bench/measure/report_plots.h"
#include "bench/measure/svg_plot.h"

namespace bench {
namespace {

constexpr std::string_view kStyle = R"(
body { font: 15px/1.45 system-ui, sans-serif; color: #1f2933; background: #fff; max-width: 900px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; border-bottom: 1px solid #d5dce3; padding-bottom: .25rem; }
p.under { color: #5b6874; margin: .2rem 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .2rem .9rem .2rem 0; vertical-align: top; }
th { color: #5b6874; font-weight: 600; }
td.number, th.number { text-align: right; }
div.wide { overflow-x: auto; font-size: 12px; white-space: nowrap; }
.good { color: #1a7f4b; font-weight: 600; }
.bad { color: #c0392b; font-weight: 600; }
svg { width: 100%; height: auto; margin: .6rem 0; }
svg text { font: 12px system-ui, sans-serif; fill: #5b6874; }
svg text.title { font-size: 14px; font-weight: 600; fill: #1f2933; }
.grid { stroke: #e6ebf0; } .axis { stroke: #8a97a3; fill: none; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; } .dot { stroke: #fff; stroke-width: 1; }
.line.series-0 { stroke: #1f6fb2; } .dot.series-0 { fill: #1f6fb2; }
.line.series-1 { stroke: #e08e1b; } .dot.series-1 { fill: #e08e1b; }
.line.series-2 { stroke: #1a7f4b; } .dot.series-2 { fill: #1a7f4b; }
.line.series-3 { stroke: #c0392b; } .dot.series-3 { fill: #c0392b; }
.line.series-4 { stroke: #8a97a3; } .dot.series-4 { fill: #8a97a3; }
.line.series-5 { stroke: #c0392b; stroke-width: 1; stroke-dasharray: 5 4; } .dot.series-5 { fill: #c0392b; }
)";

using Row = std::vector<std::string>;  // Of cells, not yet escaped.

void AppendRow(std::string& html, const char* cell, const Row& row, size_t first_number) {
  absl::StrAppend(&html, "<tr>");
  for (size_t i = 0; i < row.size(); ++i) {
    absl::StrAppend(&html, "<", cell, i >= first_number ? " class=\"number\">" : ">", EscapeHtml(row[i]), "</", cell,
                    ">");
  }
  absl::StrAppend(&html, "</tr>\n");
}

void AppendPairs(std::string& html, const std::vector<std::pair<std::string, std::string>>& pairs) {
  absl::StrAppend(&html, "<table>\n");
  for (const auto& [name, value] : pairs) {
    absl::StrAppend(&html, "<tr><th>", EscapeHtml(name), "</th><td>", EscapeHtml(value), "</td></tr>\n");
  }
  absl::StrAppend(&html, "</table>\n");
}

void AppendJudgements(std::string& html, std::span<const Judgement> judgements) {
  if (judgements.empty()) return;
  absl::StrAppend(&html, "<h2>Requirements</h2>\n<table>\n");
  for (const Judgement& judgement : judgements) {
    absl::StrAppend(&html, "<tr><td class=\"", judgement.passed ? "good\">passed" : "bad\">FAILED", "</td><td>",
                    EscapeHtml(judgement.requirement.text), "</td><td>",
                    EscapeHtml(FormatFigure(judgement.requirement.metric->unit, judgement.value)), "</td></tr>\n");
  }
  absl::StrAppend(&html, "</table>\n");
}

void AppendFigures(std::string& html, const Result& result) {
  absl::StrAppend(&html, "<h2>Figures</h2>\n<table>\n");
  for (const Metric& metric : Metrics()) {
    const std::optional<double> value = metric.of(result);
    if (!value) continue;
    absl::StrAppend(&html, "<tr><th>", EscapeHtml(metric.name), "</th><td class=\"number\">",
                    EscapeHtml(FormatFigure(metric.unit, value)), "</td><td>", EscapeHtml(metric.help), "</td></tr>\n");
  }
  absl::StrAppend(&html, "</table>\n");
  if (result.searched) {
    absl::StrAppend(&html, "<p>Throughput is the highest rate at which loss was at most ",
                    FormatShare(result.loss_bound), result.loss_bound == 0 ? " %" : "", ".",
                    result.figures ? "" : " No rate was low enough.",
                    result.generator_limited ? " The generator's limit or the search's bound was reached before the "
                                               "relay's: it may do more."
                                             : "",
                    "</p>\n");
  }
  for (const std::string& note : result.notes) absl::StrAppend(&html, "<p>", EscapeHtml(note), "</p>\n");
}

void AppendTrials(std::string& html, const Result& result) {
  constexpr size_t kFirstNumber = 2;
  if (result.trials.empty()) return;
  absl::StrAppend(&html, "<h2>Trials</h2>\n<div class=\"wide\"><table>\n");
  AppendRow(html, "th",
            {"trial", "verdict", "rate", "seconds", "sent", "received", "loss", "reordered", "duplicated", "corrupted",
             "not sent", "p50", "p99", "p99.99", "max"},
            kFirstNumber);
  const auto ns = [](int64_t value) { return FormatNs(static_cast<double>(value)); };
  const auto count = [](uint64_t value) { return FormatCount(static_cast<double>(value)); };
  for (const Trial& t : result.trials) {
    AppendRow(html, "td",
              {absl::StrCat(t.number, t.repeat ? " (again)" : ""), std::string(TrialVerdictName(t.verdict)),
               t.rate_per_s > 0 ? FormatRate(t.rate_per_s) : "unlimited", absl::StrCat(t.seconds), count(t.sent),
               count(t.flows.received), FormatShare(t.Loss()), count(t.flows.reordered), count(t.flows.duplicated),
               count(t.flows.corrupted), count(t.generator_lost), ns(t.latency.p50_ns), ns(t.latency.p99_ns),
               ns(t.latency.p9999_ns), ns(t.latency.max_ns)},
              kFirstNumber);
  }
  absl::StrAppend(&html, "</table></div>\n");
}

}  // namespace

std::string HtmlReport(const Result& result, std::span<const Judgement> judgements) {
  const std::string title = EscapeHtml(result.title);
  std::string html = absl::StrCat("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
                                  "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>",
                                  title, "</title>\n<style>", std::string(kStyle), "</style>\n</head>\n<body>\n<h1>",
                                  title, "</h1>\n<p class=\"under\">", EscapeHtml(result.target),
                                  result.target.empty() ? "" : " &middot; ", EscapeHtml(result.date), "</p>\n");
  AppendJudgements(html, judgements);
  AppendFigures(html, result);
  const std::string plots =
      LatencyCurvePlot(result) + ThroughputLossPlot(result) + RatePlot(result) + LatencyTimePlot(result);
  if (!plots.empty()) absl::StrAppend(&html, "<h2>Plots</h2>\n", plots);
  AppendTrials(html, result);
  absl::StrAppend(&html, "<h2>Machine and settings</h2>\n");
  AppendPairs(
      html,
      {{"CPU", result.machine.cpu}, {"cores", absl::StrCat(result.machine.cores)}, {"kernel", result.machine.kernel}});
  AppendPairs(html, result.settings);
  return html + "</body>\n</html>\n";
}

}  // namespace bench
