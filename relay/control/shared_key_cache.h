// The server's shared keys with the clients that were last asked for: an agreement is 36 us of X25519, and a client
// asks again for every pair that it is part of.
#ifndef RELAYD_RELAY_CONTROL_SHARED_KEY_CACHE_H_
#define RELAYD_RELAY_CONTROL_SHARED_KEY_CACHE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "disco/key.h"

namespace relay {

// Control thread only. Keys are wiped when they are pushed out and at the end.
class SharedKeyCache {
 public:
  // Keeps at most `capacity` keys (one at least); memory is taken as they come.
  SharedKeyCache(disco::PrivateKey server_key, uint32_t capacity);

  // nullptr: a low-order key, which X25519 refuses; nothing is kept of it. The pointer is good until the next call.
  const disco::SharedKey* Get(const disco::PublicKey& client);

  const disco::PublicKey& server_key() const { return server_key_.public_key(); }
  size_t size() const { return entries_.size(); }
  uint64_t agreements() const { return agreements_; }  // Gets that had to compute.
  // What it may come to use.
  size_t memory_bytes() const { return capacity_ * sizeof(Entry) + buckets_.size() * sizeof(uint32_t); }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Entry {
    disco::PublicKey client;
    disco::SharedKey shared;
    uint32_t chain = kNone;  // Next of the same bucket.
    uint32_t newer = kNone;  // Neighbours in order of use.
    uint32_t older = kNone;
  };

  uint32_t& BucketOf(const disco::PublicKey& client);
  uint32_t TakeEntry();
  void Unchain(uint32_t index);
  void Unlink(uint32_t index);
  void LinkNewest(uint32_t index);

  const disco::PrivateKey server_key_;
  const uint32_t capacity_;
  std::array<uint8_t, 16> seed_;   // Who chooses keys does not choose buckets.
  std::vector<Entry> entries_;     // Reserved at start: never moves, and is touched as it fills.
  std::vector<uint32_t> buckets_;  // A power of two.
  uint32_t newest_ = kNone;
  uint32_t oldest_ = kNone;
  uint64_t agreements_ = 0;
};

}  // namespace relay

#endif  // RELAYD_RELAY_CONTROL_SHARED_KEY_CACHE_H_
