// A token bucket in one word, by the generic cell rate algorithm (ITU-T I.371): the word is the time at which the
// bucket would be full again, so nothing has to refill it.
#ifndef RELAYD_RELAY_CORE_TOKEN_BUCKET_H_
#define RELAYD_RELAY_CORE_TOKEN_BUCKET_H_

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "relay/core/time.h"

namespace relay {

struct TokenBucket {
  int64_t interval_ns;  // 1 s / rate.
  int64_t depth_ns;     // interval * burst.

  static constexpr TokenBucket Of(int64_t rate_per_s, int64_t burst) {
    const int64_t interval = 1'000'000'000 / rate_per_s;
    return {interval, interval * burst};
  }

  // Takes one token if there is one, and `reserve_ns` (tokens times interval_ns) are left then. Any number of threads.
  bool Take(std::atomic<int64_t>& full_at_ns, Instant now, int64_t reserve_ns = 0) const {
    int64_t seen = full_at_ns.load(std::memory_order_relaxed);
    const int64_t now_ns = ToNs(now);
    while (true) {
      const int64_t next = std::max(seen, now_ns) + interval_ns;
      if (next - now_ns > depth_ns - reserve_ns) return false;
      if (full_at_ns.compare_exchange_weak(seen, next, std::memory_order_relaxed)) return true;
    }
  }
};

}  // namespace relay

#endif  // RELAYD_RELAY_CORE_TOKEN_BUCKET_H_
