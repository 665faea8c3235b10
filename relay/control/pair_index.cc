#include "relay/control/pair_index.h"

#include <sodium.h>

#include <cstring>

namespace relay {

PairIndex::PairIndex(uint32_t max_pairs)
    : capacity_(size_t{max_pairs} + max_pairs / 3 + 1),
      memory_(capacity_ * sizeof(Entry), Mapping::Pages::kSmall),
      entries_(static_cast<Entry*>(memory_.data())) {
  static_assert(std::tuple_size_v<decltype(seed_)> == crypto_shorthash_KEYBYTES);
  disco::InitCrypto();
  randombytes_buf(seed_.data(), seed_.size());
}

uint32_t PairIndex::Hash(const std::array<disco::PublicKey, 2>& pair) const {
  static_assert(sizeof(pair) == 2 * disco::kKeySize, "the keys lie side by side");
  std::array<uint8_t, crypto_shorthash_BYTES> out;
  crypto_shorthash(out.data(), pair[0].bytes.data(), sizeof(pair), seed_.data());
  uint32_t hash = 0;
  std::memcpy(&hash, out.data(), sizeof(hash));
  return hash;
}

void PairIndex::Insert(uint32_t hash, uint32_t vni) {
  size_t i = Home(hash);
  while (entries_[i].vni != 0) i = Next(i);
  entries_[i] = {.hash = hash, .vni = vni};
}

void PairIndex::Erase(uint32_t hash, uint32_t vni) {
  size_t hole = Home(hash);
  while (entries_[hole].vni != vni) hole = Next(hole);
  // Close the hole with whatever behind it may stand there, so that no probe ends early (Knuth, 6.4 algorithm R). The
  // entry at i may move back to the hole unless its home lies cyclically within (hole, i].
  for (size_t i = Next(hole); entries_[i].vni != 0; i = Next(i)) {
    const size_t home = Home(entries_[i].hash);
    const bool stays = hole < i ? hole < home && home <= i : hole < home || home <= i;
    if (stays) continue;
    entries_[hole] = entries_[i];
    hole = i;
  }
  entries_[hole] = {};
}

}  // namespace relay
