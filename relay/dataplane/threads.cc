#include "relay/dataplane/threads.h"

#include <pthread.h>
#include <sched.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace relay {

SignalsBlocked::SignalsBlocked() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before_);
}

SignalsBlocked::~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

absl::Status Pin(std::thread& thread, int core) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  const bool valid = core >= 0 && core < CPU_SETSIZE;
  if (valid) CPU_SET(static_cast<size_t>(core), &cores);
  const int error = valid ? pthread_setaffinity_np(thread.native_handle(), sizeof(cores), &cores) : EINVAL;
  if (error == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("cannot pin a worker to core ", core, ": ", std::strerror(error)));
}

std::vector<int> AllowedCores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cores;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return cores;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(static_cast<size_t>(core), &set)) cores.push_back(core);
  }
  return cores;
}

void KeepOff(const std::vector<int>& cores) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int core : AllowedCores()) CPU_SET(static_cast<size_t>(core), &set);
  for (const int core : cores) CPU_CLR(static_cast<size_t>(core), &set);
  if (CPU_COUNT(&set) != 0) sched_setaffinity(0, sizeof(set), &set);
}

}  // namespace relay
