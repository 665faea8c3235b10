#include "relay/control/expiry_wheel.h"

#include <algorithm>

namespace relay {
namespace {

int64_t TickOf(Instant t) { return ToNs(t) / ExpiryWheel::kTick.count(); }

size_t BucketOf(int64_t tick) { return static_cast<size_t>(tick) % ExpiryWheel::kBuckets; }

}  // namespace

ExpiryWheel::ExpiryWheel(uint32_t size)
    : memory_(size_t{size} * sizeof(Links), Mapping::Pages::kSmall),
      links_(static_cast<Links*>(memory_.data())),
      heads_(kBuckets, kNone) {}

void ExpiryWheel::Arm(uint32_t index, Instant now, Duration delay) {
  if (armed_ == 0) tick_ = TickOf(now);  // Nothing behind or ahead: the wheel starts here.
  const Instant due = now + std::clamp(delay, Duration::zero(), kSpan);
  // Rounded up, and within the wheel even where TakeDue has fallen behind `now`.
  const int64_t tick = std::clamp(TickOf(due + kTick - Duration(1)), tick_ + 1, tick_ + kBuckets - 1);
  const size_t bucket = BucketOf(tick);
  const uint32_t reference = index + 1;
  Links& links = links_[index];
  links.next = heads_[bucket];
  links.previous = kHead | static_cast<uint32_t>(bucket);
  if (links.next != kNone) At(links.next).previous = reference;
  heads_[bucket] = reference;
  ++armed_;
}

void ExpiryWheel::Disarm(uint32_t index) {
  const Links links = links_[index];
  if ((links.previous & kHead) != 0) {
    heads_[links.previous & ~kHead] = links.next;
  } else {
    At(links.previous).next = links.next;
  }
  if (links.next != kNone) At(links.next).previous = links.previous;
  --armed_;
}

std::optional<uint32_t> ExpiryWheel::TakeDue(Instant now) {
  if (!Advance(now)) return std::nullopt;
  const uint32_t index = heads_[BucketOf(tick_)] - 1;
  Disarm(index);
  return index;
}

bool ExpiryWheel::Advance(Instant now) {
  if (armed_ == 0) return false;
  const int64_t last = TickOf(now);
  // After a pause longer than the wheel everything is due, and one turn finds it.
  tick_ = std::max(tick_, last - kBuckets + 1);
  while (heads_[BucketOf(tick_)] == kNone) {
    if (tick_ >= last) return false;
    ++tick_;
  }
  return tick_ <= last;
}

}  // namespace relay
