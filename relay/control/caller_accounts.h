// What each caller of the allocator owes: endpoints that are not bound yet, and its rate. A caller is remembered only
// while one of the two matters, in memory that is bounded at start.
#ifndef RELAYD_RELAY_CONTROL_CALLER_ACCOUNTS_H_
#define RELAYD_RELAY_CONTROL_CALLER_ACCOUNTS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "relay/core/endpoint_table.h"
#include "relay/core/time.h"
#include "relay/core/token_bucket.h"

namespace relay {

// Control thread only.
class CallerAccounts {
 public:
  // `rate`: allocations a second, and as many at once after a pause; 0: no limit. `table` outlives the accounts and
  // knows how many unbound endpoints stand under each tag.
  CallerAccounts(const EndpointTable& table, uint32_t rate);

  // The caller's tag, below table.max_endpoints(), good until the next call. nullopt: too many callers are being
  // remembered. Callers are told apart by 64 bits of keyed hash of their name: no one can aim at another's account.
  std::optional<uint32_t> TagOf(std::string_view caller, Instant now);
  // Takes one allocation from the caller's rate; false: there is none left now.
  bool TakeToken(uint32_t tag, Instant now);

  uint32_t remembered() const { return used_ - free_count_; }
  uint32_t capacity() const { return capacity_; }
  size_t memory_bytes() const { return memory_.size(); }

 private:
  // One account a caller, as columns: the columns that a lookup touches lie close together.
  // References are tag + 1, and 0 is none, so that the kernel's zeros are empty.
  uint32_t& BucketOf(uint64_t name) { return buckets_[name % capacity_]; }
  std::optional<uint32_t> TakeTag(Instant now);
  // Looks at the next `count` accounts, in turn, and forgets those that owe nothing.
  void ForgetIdle(uint32_t count, Instant now);
  void Forget(uint32_t tag);

  const EndpointTable& table_;
  const uint32_t capacity_;
  const uint32_t rate_;
  const TokenBucket bucket_;
  std::array<uint8_t, 16> seed_;
  Mapping memory_;
  uint64_t* const name_;                    // By tag: hash of the caller's name; 0: the tag is free.
  std::atomic<int64_t>* const full_at_ns_;  // By tag: the token bucket.
  uint32_t* const next_;                    // By tag: next of the same bucket, or of the free tags.
  uint32_t* const buckets_;
  uint32_t free_ = 0;
  uint32_t free_count_ = 0;
  uint32_t used_ = 0;  // Tags from here on have never been used.
  uint32_t hand_ = 0;  // The account that ForgetIdle looks at next.
};

}  // namespace relay

#endif  // RELAYD_RELAY_CONTROL_CALLER_ACCOUNTS_H_
