// How long each task on the control thread took: relayd_control_task_seconds.
#ifndef RELAYD_RELAY_CONTROL_TASK_HISTOGRAM_H_
#define RELAYD_RELAY_CONTROL_TASK_HISTOGRAM_H_

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>

#include "relay/core/counters.h"

namespace relay {

// Written by the control thread alone; read by any.
struct TaskHistogram {
  static constexpr std::array<int64_t, 13> kBoundsUs = {10,   20,   50,    100,   200,   500,   1000,
                                                        2000, 5000, 10000, 20000, 50000, 100000};

  std::array<Counter, kBoundsUs.size() + 1> buckets;  // Not cumulative; the last one is what was longer still.
  Counter total_ns;

  void Observe(std::chrono::nanoseconds took) {
    const auto above = [took](int64_t bound_us) { return took > std::chrono::microseconds(bound_us); };
    const auto* const bound = std::find_if_not(kBoundsUs.begin(), kBoundsUs.end(), above);
    buckets[static_cast<size_t>(bound - kBoundsUs.begin())].Add(1);
    total_ns.Add(static_cast<uint64_t>(took.count()));
  }
};

// Times its own scope. nullptr: not the control thread, nothing is measured.
class TaskTimer {
 public:
  explicit TaskTimer(TaskHistogram* histogram) : histogram_(histogram) {
    if (histogram_ != nullptr) start_ = std::chrono::steady_clock::now();
  }
  ~TaskTimer() {
    if (histogram_ != nullptr) histogram_->Observe(std::chrono::steady_clock::now() - start_);
  }
  TaskTimer(const TaskTimer&) = delete;
  TaskTimer& operator=(const TaskTimer&) = delete;

 private:
  TaskHistogram* histogram_;
  std::chrono::steady_clock::time_point start_{};
};

}  // namespace relay

#endif  // RELAYD_RELAY_CONTROL_TASK_HISTOGRAM_H_
