#include "bench/relay_bench/eal_arguments.h"

#include <sched.h>

#include <algorithm>
#include <initializer_list>

#include "relay/control/text.h"

namespace bench {
namespace {

bool Has(const std::vector<std::string>& arguments, std::initializer_list<std::string_view> names) {
  return std::any_of(arguments.begin(), arguments.end(), [&](const std::string& argument) {
    return std::any_of(names.begin(), names.end(), [&](std::string_view name) {
      const bool short_form = name.size() == 2;  // -a0000:01:00.0, -l1
      return argument.starts_with(name) &&
             (short_form || argument.size() == name.size() || argument[name.size()] == '=');
    });
  });
}

int FirstCore() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  sched_getaffinity(0, sizeof(cores), &cores);
  int core = 0;
  while (core < CPU_SETSIZE - 1 && !CPU_ISSET(core, &cores)) ++core;
  return core;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> EalArguments(std::string_view eal) {
  std::vector<std::string> given;
  for (const std::string_view word : relay::text::Split(eal, ' ')) {
    if (!word.empty()) given.emplace_back(word);
  }
  std::vector<std::string> all = {"relay-bench"};
  if (!Has(given, {"-a", "--allow", "--no-pci"})) all.emplace_back("--no-pci");
  if (!Has(given, {"--no-huge", "--in-memory", "--file-prefix", "--huge-unlink", "--huge-dir", "--no-shconf"})) {
    all.emplace_back("--in-memory");
  }
  if (!Has(given, {"--no-huge", "--single-file-segments"})) all.emplace_back("--single-file-segments");
  if (!Has(given, {"-l", "-c", "--lcores"})) {
    all.emplace_back("-l");
    all.push_back(std::to_string(FirstCore()));
  }
  if (!Has(given, {"--log-level"})) all.emplace_back("--log-level=warning");
  all.insert(all.end(), given.begin(), given.end());
  return all;
}

}  // namespace bench
