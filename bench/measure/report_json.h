// A Result as JSON, one line: {"schema":"relay-bench/1", …}. Times are in ns, rates a second, loss and the like are
// shares of 1. What was not measured is null.
#ifndef RELAYD_BENCH_MEASURE_REPORT_JSON_H_
#define RELAYD_BENCH_MEASURE_REPORT_JSON_H_

#include <string>

#include "bench/measure/result.h"

namespace bench {

std::string JsonReport(const Result& result);

}  // namespace bench

#endif  // RELAYD_BENCH_MEASURE_REPORT_JSON_H_
