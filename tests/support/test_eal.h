// DPDK's environment for tests: no hugepages, no devices, nothing shared with other processes.
#ifndef RELAYD_TESTS_SUPPORT_TEST_EAL_H_
#define RELAYD_TESTS_SUPPORT_TEST_EAL_H_

namespace test {

// Once a program, on the calling thread, which keeps its affinity; later calls do nothing. Aborts if EAL does not
// start.
void StartEal();

}  // namespace test

#endif  // RELAYD_TESTS_SUPPORT_TEST_EAL_H_
