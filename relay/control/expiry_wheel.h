// Which record to look at next, and when: a timing wheel (Varghese and Lauck, 1987) over record indices. Arming,
// disarming and taking what is due are all O(1) and allocate nothing.
#ifndef RELAYD_RELAY_CONTROL_EXPIRY_WHEEL_H_
#define RELAYD_RELAY_CONTROL_EXPIRY_WHEEL_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "relay/core/endpoint_table.h"
#include "relay/core/time.h"

namespace relay {

// Control thread only. Times given to one wheel never go back.
class ExpiryWheel {
 public:
  static constexpr Duration kTick = std::chrono::milliseconds(100);
  // A delay beyond the span, which begins at the oldest tick with something left to take, comes due at its end: whoever
  // takes a record looks whether it is really time. The default steady-state lifetime fits.
  static constexpr uint32_t kBuckets = 4096;
  static constexpr Duration kSpan = kTick * (kBuckets - 2);

  // For indices below `size`. Takes address space now and memory as it is used: 8 bytes an index.
  explicit ExpiryWheel(uint32_t size);

  // `index`, which is not armed, comes due at now + delay rounded up to a tick, or at the span's end; never before the
  // next tick.
  void Arm(uint32_t index, Instant now, Duration delay);
  // `index` is armed.
  void Disarm(uint32_t index);
  // Takes one that is due and disarms it; nullopt: none is. What is due at one tick comes in no particular order.
  std::optional<uint32_t> TakeDue(Instant now);
  bool HasDue(Instant now) { return Advance(now); }

  size_t memory_bytes() const { return memory_.size() + heads_.size() * sizeof(uint32_t); }

 private:
  static constexpr uint32_t kNone = 0;  // References are index + 1, so that the kernel's zeros are empty links.
  // A bucket's list is doubly linked, so that a record that goes early leaves at once: the table may hand the same
  // record out again while the old deadline is still to come.
  struct Links {
    uint32_t next;      // Reference, or kNone.
    uint32_t previous;  // Reference, or kHead | bucket for a list's first.
  };
  static constexpr uint32_t kHead = 1u << 31;

  // Moves to the first tick that holds something due; false if there is none up to now.
  bool Advance(Instant now);
  Links& At(uint32_t reference) { return links_[reference - 1]; }

  Mapping memory_;
  Links* const links_;           // By index.
  std::vector<uint32_t> heads_;  // By tick modulo kBuckets.
  int64_t tick_ = 0;             // All before it has been taken.
  uint32_t armed_ = 0;
};

}  // namespace relay

#endif  // RELAYD_RELAY_CONTROL_EXPIRY_WHEEL_H_
