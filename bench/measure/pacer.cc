#include "bench/measure/pacer.h"

#include <algorithm>
#include <cmath>

namespace bench {

Pacer::Pacer(const Options& options, int64_t start_ns) : options_(options), start_ns_(start_ns), looked_ns_(start_ns) {
  options_.burst = std::max(options_.burst, 1U);
  interval_ns_ = unlimited() ? 0 : 1e9 * options_.burst / options_.per_second;
}

// Every time is computed from the start and not from the one before, so no rounding adds up: a double holds a day's
// nanoseconds to the hundredth.
int64_t Pacer::DueNs(uint64_t packet) const {
  const uint64_t burst = packet / options_.burst;
  return start_ns_ + static_cast<int64_t>(static_cast<double>(burst) * interval_ns_);
}

uint64_t Pacer::DueBy(int64_t ns) const {
  if (ns < start_ns_) return 0;
  auto burst = static_cast<uint64_t>(static_cast<double>(ns - start_ns_) / interval_ns_);
  // The division may err by one where a burst is due at this very nanosecond.
  while (burst > 0 && DueNs(burst * options_.burst) > ns) --burst;
  while (DueNs((burst + 1) * options_.burst) <= ns) ++burst;
  return (burst + 1) * options_.burst;
}

void Pacer::GiveUpTo(uint64_t packet) {
  if (packet <= next_) return;
  lost_ += packet - next_;
  next_ = packet;
}

Pacer::Due Pacer::Look(int64_t now_ns, uint32_t room) {
  looked_ns_ = now_ns;
  if (unlimited()) return {.count = room, .given_up = 0};
  const uint64_t lost_before = lost_;
  GiveUpTo(DueBy(now_ns - options_.max_behind_ns - 1));
  const uint64_t due = DueBy(now_ns);
  const uint64_t count = due > next_ ? std::min<uint64_t>(due - next_, room) : 0;
  return {.count = static_cast<uint32_t>(count), .given_up = lost_ - lost_before};
}

int64_t Pacer::IntendedNs(uint32_t i) const { return unlimited() ? looked_ns_ : DueNs(next_ + i); }

void Pacer::Sent(uint32_t count) {
  next_ += count;
  sent_ += count;
}

void Pacer::Finish(int64_t end_ns) {
  if (!unlimited()) GiveUpTo(DueBy(end_ns - 1));
}

int64_t Pacer::NextDueNs() const { return unlimited() ? looked_ns_ : DueNs(next_); }

}  // namespace bench
