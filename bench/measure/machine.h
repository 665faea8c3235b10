// Where a figure was measured: half of what makes it one.
#ifndef RELAYD_BENCH_MEASURE_MACHINE_H_
#define RELAYD_BENCH_MEASURE_MACHINE_H_

#include <string>
#include <string_view>

namespace bench {

struct Machine {
  std::string cpu = {};
  int cores = 0;  // Those that this process may use.
  std::string kernel = {};
};

// Reads /proc/cpuinfo and asks the kernel: the one place in bench/measure that does.
Machine ThisMachine();

// The model that the text of /proc/cpuinfo names; "unknown" if none.
std::string CpuModelOf(std::string_view cpuinfo);

}  // namespace bench

#endif  // RELAYD_BENCH_MEASURE_MACHINE_H_
