#include "ingress/source_table.h"

#include <sodium.h>

#include <algorithm>
#include <cstring>

#include "disco/key.h"
#include "relay/core/token_bucket.h"

namespace ingress {
namespace {

// A bucket counts in whole nanoseconds, so more than that is no limit.
constexpr uint64_t kMaxRate = 1'000'000'000;

}  // namespace

void SourceTable::Ticket::Release() {
  Set* const set = std::exchange(set_, nullptr);
  if (set == nullptr) return;
  const std::lock_guard lock(set->lock);
  --set->entries[way_].connections;
}

SourceTable::SourceTable(size_t slots) : sets_(std::max<size_t>(1, (slots + kWays - 1) / kWays)) {
  static_assert(std::tuple_size_v<decltype(seed_)> == crypto_shorthash_KEYBYTES);
  disco::InitCrypto();
  randombytes_buf(seed_.data(), seed_.size());
}

void SourceTable::SetLimits(const Limits& limits) {
  max_connections_.store(limits.max_connections, std::memory_order_relaxed);
  new_per_second_.store(std::min(limits.new_per_second, kMaxRate), std::memory_order_relaxed);
}

// Sources are told apart by 64 bits of keyed hash. The prefix's length need not go in: no /64 has the bits of a /32.
uint64_t SourceTable::NameOf(const AddrPort& client) const {
  const relay::Prefix source = relay::Prefix::OfSource(client);
  std::array<uint8_t, crypto_shorthash_BYTES> out;
  crypto_shorthash(out.data(), source.ip.data(), source.ip.size(), seed_.data());
  uint64_t name = 0;
  std::memcpy(&name, out.data(), sizeof(name));
  return std::max<uint64_t>(name, 1);
}

size_t SourceTable::FindOrTake(Set& set, uint64_t name, Instant now) {
  const auto found = std::find(set.names.begin(), set.names.end(), name);
  if (found != set.names.end()) return static_cast<size_t>(found - set.names.begin());
  for (size_t way = 0; way < kWays; ++way) {
    Entry& entry = set.entries[way];
    if (entry.connections != 0 || entry.full_at_ns.load(std::memory_order_relaxed) > relay::ToNs(now)) continue;
    set.names[way] = name;
    return way;
  }
  return kWays;
}

SourceTable::Verdict SourceTable::AdmitTo(Entry& entry, Instant now) const {
  const uint64_t max_connections = max_connections_.load(std::memory_order_relaxed);
  if (max_connections != 0 && entry.connections >= max_connections) return Verdict::kTooMany;
  const auto rate = static_cast<int64_t>(new_per_second_.load(std::memory_order_relaxed));
  if (rate != 0 && !relay::TokenBucket::Of(rate, rate).Take(entry.full_at_ns, now)) return Verdict::kTooFast;
  ++entry.connections;
  return Verdict::kAdmitted;
}

SourceTable::Verdict SourceTable::Admit(const AddrPort& client, Instant now, Ticket& out) {
  const uint64_t name = NameOf(client);
  Set* set = &sets_[name % sets_.size()];
  Verdict verdict{};
  size_t way = 0;
  {
    const std::lock_guard lock(set->lock);
    way = FindOrTake(*set, name, now);
    if (way != kWays) verdict = AdmitTo(set->entries[way], now);
  }
  if (way == kWays) {
    overflowed_.fetch_add(1, std::memory_order_relaxed);
    set = &overflow_;
    way = 0;
    const std::lock_guard lock(set->lock);
    verdict = AdmitTo(set->entries[way], now);
  }
  if (verdict == Verdict::kAdmitted) out = Ticket(*set, way);  // No lock is held: it may release another one.
  return verdict;
}

}  // namespace ingress
