#include "relay/dataplane/hugepages.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace relay {
namespace {

uint64_t ReadCount(const std::filesystem::path& path) {
  uint64_t count = 0;
  std::ifstream(path) >> count;
  return count;
}

}  // namespace

std::vector<HugepageSize> ReadHugepages(const std::string& folder) {
  static constexpr std::string_view kPrefix = "hugepages-";  // hugepages-2048kB
  std::vector<HugepageSize> sizes;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kPrefix)) continue;
    HugepageSize size;
    std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), size.kilobytes);
    size.total = ReadCount(entry.path() / "nr_hugepages");
    size.free = ReadCount(entry.path() / "free_hugepages");
    sizes.push_back(size);
  }
  std::sort(sizes.begin(), sizes.end(),
            [](const HugepageSize& a, const HugepageSize& b) { return a.kilobytes < b.kilobytes; });
  return sizes;
}

}  // namespace relay
