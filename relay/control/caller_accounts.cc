#include "relay/control/caller_accounts.h"

#include <sodium.h>

#include <algorithm>
#include <cstring>

namespace relay {
namespace {

// Callers to remember at once: one for each endpoint while that is cheap, then one for each four. All of them hold an
// unbound endpoint or are at their rate, so a relay that has no room for one more is under attack or nearly full.
uint32_t CapacityFor(uint32_t max_endpoints) {
  constexpr uint32_t kCheap = 65536;
  return std::min(max_endpoints, std::max(kCheap, max_endpoints / 4));
}

// Accounts looked at when a new caller comes: more than one, so that forgetting outruns coming.
constexpr uint32_t kForgetPerCaller = 4;
// And when there is no free tag: a few microseconds' worth.
constexpr uint32_t kForgetWhenFull = 256;

}  // namespace

CallerAccounts::CallerAccounts(const EndpointTable& table, uint32_t rate)
    : table_(table),
      capacity_(CapacityFor(table.max_endpoints())),
      rate_(rate),
      bucket_(TokenBucket::Of(std::max(rate, 1u), std::max(rate, 1u))),
      memory_(size_t{capacity_} * (sizeof(uint64_t) + sizeof(std::atomic<int64_t>) + 2 * sizeof(uint32_t)),
              Mapping::Pages::kSmall),
      name_(static_cast<uint64_t*>(memory_.data())),
      full_at_ns_(reinterpret_cast<std::atomic<int64_t>*>(name_ + capacity_)),
      next_(reinterpret_cast<uint32_t*>(full_at_ns_ + capacity_)),
      buckets_(next_ + capacity_) {
  static_assert(std::tuple_size_v<decltype(seed_)> == crypto_shorthash_KEYBYTES);
  disco::InitCrypto();
  randombytes_buf(seed_.data(), seed_.size());
}

std::optional<uint32_t> CallerAccounts::TagOf(std::string_view caller, Instant now) {
  std::array<uint8_t, crypto_shorthash_BYTES> out;
  crypto_shorthash(out.data(), reinterpret_cast<const uint8_t*>(caller.data()), caller.size(), seed_.data());
  uint64_t name = 0;
  std::memcpy(&name, out.data(), sizeof(name));
  name = std::max<uint64_t>(name, 1);
  for (uint32_t reference = BucketOf(name); reference != 0; reference = next_[reference - 1]) {
    if (name_[reference - 1] == name) return reference - 1;
  }
  const std::optional<uint32_t> tag = TakeTag(now);
  if (!tag) return std::nullopt;
  name_[*tag] = name;
  full_at_ns_[*tag].store(0, std::memory_order_relaxed);
  next_[*tag] = BucketOf(name);
  BucketOf(name) = *tag + 1;
  return tag;
}

bool CallerAccounts::TakeToken(uint32_t tag, Instant now) { return rate_ == 0 || bucket_.Take(full_at_ns_[tag], now); }

std::optional<uint32_t> CallerAccounts::TakeTag(Instant now) {
  ForgetIdle(kForgetPerCaller, now);
  if (free_ == 0 && used_ == capacity_) ForgetIdle(kForgetWhenFull, now);
  if (free_ != 0) {
    const uint32_t tag = free_ - 1;
    free_ = next_[tag];
    --free_count_;
    return tag;
  }
  if (used_ == capacity_) return std::nullopt;
  return used_++;
}

void CallerAccounts::ForgetIdle(uint32_t count, Instant now) {
  for (count = std::min(count, used_); count > 0; --count) {
    hand_ = hand_ + 1 < used_ ? hand_ + 1 : 0;
    const bool rate_matters = full_at_ns_[hand_].load(std::memory_order_relaxed) > ToNs(now);
    if (name_[hand_] != 0 && !rate_matters && table_.UnboundCount(hand_) == 0) Forget(hand_);
  }
}

void CallerAccounts::Forget(uint32_t tag) {
  uint32_t* link = &BucketOf(name_[tag]);
  while (*link != tag + 1) link = &next_[*link - 1];
  *link = next_[tag];
  name_[tag] = 0;
  next_[tag] = free_;
  free_ = tag + 1;
  ++free_count_;
}

}  // namespace relay
