// Figures as people read them.
#ifndef RELAYD_BENCH_MEASURE_FORMAT_H_
#define RELAYD_BENCH_MEASURE_FORMAT_H_

#include <cstdint>
#include <optional>
#include <string>

namespace bench {

enum class Unit : uint8_t { kCount, kShare, kPerSecond, kBitsPerSecond, kNs };

std::string FormatNs(double ns);        // "850 ns", "12.3 us", "1.50 s"
std::string FormatRate(double per_s);   // "950/s", "1.25 M/s"
std::string FormatShare(double share);  // "0", "0.01 %", "0.3 ppm"
std::string FormatCount(double count);  // "1,234,567"
// By unit; "not measured" for nullopt.
std::string FormatFigure(Unit unit, std::optional<double> value);

}  // namespace bench

#endif  // RELAYD_BENCH_MEASURE_FORMAT_H_
