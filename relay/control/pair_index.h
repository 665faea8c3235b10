// Pair of client keys -> VNI. Open addressing with linear probing over 8-byte entries, sized at start and never
// rehashed, so that no allocation meets a pause. Keyed hash: who chooses keys cannot choose where they collide.
#ifndef RELAYD_RELAY_CONTROL_PAIR_INDEX_H_
#define RELAYD_RELAY_CONTROL_PAIR_INDEX_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "disco/key.h"
#include "relay/core/endpoint_table.h"

namespace relay {

// Control thread only.
class PairIndex {
 public:
  // Holds at most `max_pairs` at a load of at most 3/4; takes address space now and memory as it is used.
  explicit PairIndex(uint32_t max_pairs);

  // `pair` ascending. The same for one pair as long as this object.
  uint32_t Hash(const std::array<disco::PublicKey, 2>& pair) const;

  // The VNI of the pair with this hash for which `is_same(vni)` holds, or 0. Different pairs with one hash are rare.
  template <typename IsSame>
  uint32_t Find(uint32_t hash, IsSame is_same) const {
    for (size_t i = Home(hash); entries_[i].vni != 0; i = Next(i)) {
      if (entries_[i].hash == hash && is_same(entries_[i].vni)) return entries_[i].vni;
    }
    return 0;
  }
  // `vni` is not 0 and not in the index; there are fewer than max_pairs.
  void Insert(uint32_t hash, uint32_t vni);
  // `vni` was inserted with this hash.
  void Erase(uint32_t hash, uint32_t vni);

  size_t memory_bytes() const { return memory_.size(); }

 private:
  struct Entry {
    uint32_t hash;
    uint32_t vni;  // 0: empty.
  };

  // Where an entry would stand if there were no others: its hash, scaled to the number of entries.
  size_t Home(uint32_t hash) const { return static_cast<size_t>((uint64_t{hash} * capacity_) >> 32); }
  size_t Next(size_t i) const { return i + 1 == capacity_ ? 0 : i + 1; }

  const size_t capacity_;
  Mapping memory_;
  Entry* const entries_;
  std::array<uint8_t, 16> seed_;
};

}  // namespace relay

#endif  // RELAYD_RELAY_CONTROL_PAIR_INDEX_H_
