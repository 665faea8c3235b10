#include "relay/dataplane/cores.h"

#include <sched.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"

namespace relay {

std::vector<int> AllowedCores() {
  cpu_set_t set;
  std::vector<int> cores;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return {0};
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &set)) cores.push_back(core);
  }
  return cores;
}

std::vector<int> WorkerCores(const std::vector<int>& cores, uint32_t workers) {
  const std::vector<int> from = cores.empty() ? AllowedCores() : cores;
  std::vector<int> chosen;
  for (uint32_t worker = 0; worker < workers; ++worker) chosen.push_back(from[worker % from.size()]);
  return chosen;
}

int NodeOfCore(int core) {
  static constexpr int kMostNodes = 64;
  for (int node = 0; node < kMostNodes; ++node) {
    if (access(absl::StrCat("/sys/devices/system/cpu/cpu", core, "/node", node).c_str(), F_OK) == 0) return node;
  }
  return 0;
}

bool IsIsolatedCore(int core) {
  std::ifstream file("/sys/devices/system/cpu/isolated");  // "2-5,8"
  std::string range;
  while (std::getline(file, range, ',')) {
    std::istringstream numbers(range);
    int first = -1;
    if (!(numbers >> first)) continue;
    int last = first;
    if (numbers.get() == '-') numbers >> last;
    if (core >= first && core <= last) return true;
  }
  return false;
}

}  // namespace relay
