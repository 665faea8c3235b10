// Threads of the data plane: signals are for the control thread, and workers have cores of their own.
#ifndef RELAYD_RELAY_DATAPLANE_THREADS_H_
#define RELAYD_RELAY_DATAPLANE_THREADS_H_

#include <signal.h>

#include <thread>
#include <vector>

#include "absl/status/status.h"

namespace relay {

// Threads started while it lives leave all signals to the others.
class SignalsBlocked {
 public:
  SignalsBlocked();
  ~SignalsBlocked();
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

// An error names the core.
absl::Status Pin(std::thread& thread, int core);

// The cores that the calling thread may run on, ascending.
std::vector<int> AllowedCores();
// Keeps the calling thread, and those that it starts from now on, off these cores, if any others are left.
void KeepOff(const std::vector<int>& cores);

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_THREADS_H_
