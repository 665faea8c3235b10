// A Result's trials as CSV (RFC 4180): a line of column names, and a row a trial.
#ifndef RELAYD_BENCH_MEASURE_REPORT_CSV_H_
#define RELAYD_BENCH_MEASURE_REPORT_CSV_H_

#include <string>

#include "bench/measure/result.h"

namespace bench {

std::string CsvReport(const Result& result);

}  // namespace bench

#endif  // RELAYD_BENCH_MEASURE_REPORT_CSV_H_
