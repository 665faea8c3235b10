// A Result as one HTML file that needs no other: tables, and plots as inline SVG.
#ifndef RELAYD_BENCH_MEASURE_REPORT_HTML_H_
#define RELAYD_BENCH_MEASURE_REPORT_HTML_H_

#include <span>
#include <string>

#include "bench/measure/result.h"
#include "bench/measure/thresholds.h"

namespace bench {

// `judgements`: of --require, shown on top; may be empty.
std::string HtmlReport(const Result& result, std::span<const Judgement> judgements = {});

}  // namespace bench

#endif  // RELAYD_BENCH_MEASURE_REPORT_HTML_H_
