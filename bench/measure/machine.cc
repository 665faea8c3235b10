#include "bench/measure/machine.h"

#include <sched.h>
#include <sys/utsname.h>

#include <fstream>
#include <iterator>

namespace bench {

std::string CpuModelOf(std::string_view cpuinfo) {
  constexpr std::string_view kKey = "model name";
  const size_t key = cpuinfo.find(kKey);
  if (key == std::string_view::npos) return "unknown";
  const std::string_view line = cpuinfo.substr(key, cpuinfo.find('\n', key) - key);
  const size_t colon = line.find(": ");
  return colon == std::string_view::npos ? "unknown" : std::string(line.substr(colon + 2));
}

Machine ThisMachine() {
  Machine machine;
  std::ifstream file("/proc/cpuinfo");
  machine.cpu = CpuModelOf(std::string(std::istreambuf_iterator<char>(file), {}));
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0) machine.cores = CPU_COUNT(&cpus);
  utsname name{};
  if (uname(&name) == 0) machine.kernel = std::string(name.sysname) + " " + name.release;
  return machine;
}

}  // namespace bench
