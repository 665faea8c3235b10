#include "relay/dataplane/cores.h"

#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"

namespace relay {

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
