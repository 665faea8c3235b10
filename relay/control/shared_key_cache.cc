#include "relay/control/shared_key_cache.h"

#include <sodium.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <utility>

namespace relay {

SharedKeyCache::SharedKeyCache(disco::PrivateKey server_key, uint32_t capacity)
    : server_key_(std::move(server_key)),
      capacity_(std::max(capacity, 1u)),
      buckets_(std::bit_ceil(size_t{capacity_}), kNone) {
  static_assert(std::tuple_size_v<decltype(seed_)> == crypto_shorthash_KEYBYTES);
  disco::InitCrypto();
  randombytes_buf(seed_.data(), seed_.size());
  entries_.reserve(capacity_);
}

const disco::SharedKey* SharedKeyCache::Get(const disco::PublicKey& client) {
  for (uint32_t i = BucketOf(client); i != kNone; i = entries_[i].chain) {
    if (entries_[i].client != client) continue;
    Unlink(i);
    LinkNewest(i);
    return &entries_[i].shared;
  }
  ++agreements_;
  const std::optional<disco::SharedKey> shared = server_key_.Agree(client);
  if (!shared) return nullptr;
  const uint32_t index = TakeEntry();
  Entry& entry = entries_[index];
  entry.client = client;
  entry.shared = *shared;
  uint32_t& bucket = BucketOf(client);
  entry.chain = std::exchange(bucket, index);
  LinkNewest(index);
  return &entry.shared;
}

uint32_t& SharedKeyCache::BucketOf(const disco::PublicKey& client) {
  std::array<uint8_t, crypto_shorthash_BYTES> out;
  crypto_shorthash(out.data(), client.bytes.data(), client.bytes.size(), seed_.data());
  uint64_t hash = 0;
  std::memcpy(&hash, out.data(), sizeof(hash));
  return buckets_[hash & (buckets_.size() - 1)];
}

// A new entry, or the one that was not used for longest.
uint32_t SharedKeyCache::TakeEntry() {
  if (entries_.size() < capacity_) {
    entries_.emplace_back();
    return static_cast<uint32_t>(entries_.size() - 1);
  }
  const uint32_t index = oldest_;
  Unlink(index);
  Unchain(index);
  return index;
}

void SharedKeyCache::Unchain(uint32_t index) {
  uint32_t* link = &BucketOf(entries_[index].client);
  while (*link != index) link = &entries_[*link].chain;
  *link = entries_[index].chain;
}

void SharedKeyCache::Unlink(uint32_t index) {
  const Entry& entry = entries_[index];
  (entry.newer == kNone ? newest_ : entries_[entry.newer].older) = entry.older;
  (entry.older == kNone ? oldest_ : entries_[entry.older].newer) = entry.newer;
}

void SharedKeyCache::LinkNewest(uint32_t index) {
  Entry& entry = entries_[index];
  entry.newer = kNone;
  entry.older = std::exchange(newest_, index);
  (entry.older == kNone ? oldest_ : entries_[entry.older].newer) = index;
}

}  // namespace relay
