// What a fuzz target demands of the code under test; NDEBUG does not switch it off.
#ifndef RELAYD_TESTS_FUZZ_CHECK_H_
#define RELAYD_TESTS_FUZZ_CHECK_H_

#include <cstdio>
#include <cstdlib>

namespace fuzz {

// Ends the process, so that the fuzzer keeps the input.
inline void Check(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", property);
  std::abort();
}

}  // namespace fuzz

#endif  // RELAYD_TESTS_FUZZ_CHECK_H_
