// What hugepages the kernel has.
#ifndef RELAYD_RELAY_DATAPLANE_HUGEPAGES_H_
#define RELAYD_RELAY_DATAPLANE_HUGEPAGES_H_

#include <cstdint>
#include <string>
#include <vector>

namespace relay {

struct HugepageSize {
  uint64_t kilobytes = 0;
  uint64_t total = 0;
  uint64_t free = 0;
};

// By size, ascending. `folder` has one folder a size, as sysfs has them.
std::vector<HugepageSize> ReadHugepages(const std::string& folder = "/sys/kernel/mm/hugepages");

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_HUGEPAGES_H_
