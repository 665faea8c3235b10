// steady_clock from the processor's own counter: 8 ns a packet less at a burst of 32 where the kernel's takes 250 ns
// (KVM guests; --io=dpdk, net_null). Off by some millionths, the same for all who ask.
#ifndef RELAYD_BENCH_RELAY_BENCH_TSC_CLOCK_H_
#define RELAYD_BENCH_RELAY_BENCH_TSC_CLOCK_H_

#include <chrono>
#include <cstdint>
#include <thread>

#include "relay/core/time.h"

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace bench {

class TscClock {
 public:
#if defined(__x86_64__)
  // Takes 50 ms, to compare the two.
  TscClock() {
    Read(began_, began_ticks_);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    relay::Instant now;
    uint64_t ticks = 0;
    Read(now, ticks);
    ns_a_tick_ = static_cast<double>((now - began_).count()) / static_cast<double>(ticks - began_ticks_);
  }
  relay::Instant now() const {
    return began_ + relay::Duration(static_cast<int64_t>(static_cast<double>(__rdtsc() - began_ticks_) * ns_a_tick_));
  }

 private:
  // Of some tries the one in which the least time passed in between.
  static void Read(relay::Instant& now, uint64_t& ticks) {
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < 10; ++i) {
      const uint64_t before = __rdtsc();
      const relay::Instant read = std::chrono::steady_clock::now();
      const uint64_t after = __rdtsc();
      if (after - before >= least) continue;
      least = after - before;
      now = read;
      ticks = before + least / 2;
    }
  }
  relay::Instant began_;
  uint64_t began_ticks_ = 0;
  double ns_a_tick_ = 0;
#else
  relay::Instant now() const { return std::chrono::steady_clock::now(); }
#endif
};

}  // namespace bench

#endif  // RELAYD_BENCH_RELAY_BENCH_TSC_CLOCK_H_
