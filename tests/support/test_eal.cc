#include "tests/support/test_eal.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <sched.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace test {
namespace {

int Start() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  sched_getaffinity(0, sizeof(allowed), &allowed);
  int first = 0;
  while (first < CPU_SETSIZE - 1 && !CPU_ISSET(first, &allowed)) ++first;
  std::vector<std::string> words = {
      "test", "--no-huge", "-m", "256", "--no-shconf", "--no-pci", "--log-level=*:error", "-l", std::to_string(first),
      // Its socket is found by connecting to it, which waits for a process that is stopped.
      "--no-telemetry"};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  if (rte_eal_init(static_cast<int>(argv.size()), argv.data()) < 0) {
    std::fprintf(stderr, "EAL does not start: %s\n", rte_strerror(rte_errno));
    std::abort();
  }
  sched_setaffinity(0, sizeof(allowed), &allowed);
  return 0;
}

}  // namespace

void StartEal() { [[maybe_unused]] static const int started = Start(); }

}  // namespace test
