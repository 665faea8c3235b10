// The plots of an HTML report: each an SVG element, or empty where there is nothing to show.
#ifndef RELAYD_BENCH_MEASURE_REPORT_PLOTS_H_
#define RELAYD_BENCH_MEASURE_REPORT_PLOTS_H_

#include <string>

#include "bench/measure/result.h"

namespace bench {

std::string LatencyCurvePlot(const Result& result);    // Latency by percentile, of `figures`.
std::string ThroughputLossPlot(const Result& result);  // Loss by rate, a dot a trial.
std::string RatePlot(const Result& result);            // Sent and received by time.
std::string LatencyTimePlot(const Result& result);     // p50 and p99 by time.

}  // namespace bench

#endif  // RELAYD_BENCH_MEASURE_REPORT_PLOTS_H_
