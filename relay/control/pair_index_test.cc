#include "relay/control/pair_index.h"

#include <gtest/gtest.h>
#include <sodium.h>

#include <map>
#include <random>
#include <utility>
#include <vector>

namespace relay {
namespace {

using Pair = std::array<disco::PublicKey, 2>;

Pair RandomPair() {
  Pair pair;
  randombytes_buf(&pair, sizeof(pair));
  return pair;
}

constexpr auto kAny = [](uint32_t) { return true; };

TEST(PairIndexTest, FindsWhatWasInserted) {
  PairIndex index(4);
  const uint32_t hash = index.Hash(RandomPair());
  EXPECT_EQ(index.Find(hash, kAny), 0u);
  index.Insert(hash, 7);
  EXPECT_EQ(index.Find(hash, kAny), 7u);
  EXPECT_EQ(index.Find(hash, [](uint32_t) { return false; }), 0u);
  index.Erase(hash, 7);
  EXPECT_EQ(index.Find(hash, kAny), 0u);
}

TEST(PairIndexTest, TellsPairsWithOneHashApart) {
  PairIndex index(4);
  for (uint32_t vni = 1; vni <= 4; ++vni) index.Insert(0x80000000, vni);
  index.Erase(0x80000000, 2);
  for (uint32_t vni = 1; vni <= 4; ++vni) {
    EXPECT_EQ(index.Find(0x80000000, [&](uint32_t v) { return v == vni; }), vni == 2 ? 0 : vni);
  }
}

TEST(PairIndexTest, HashDependsOnBothKeysAndOnTheSeed) {
  PairIndex index(4);
  PairIndex other(4);
  const Pair pair = RandomPair();
  Pair changed = pair;
  changed[1].bytes[31] ^= 1;
  EXPECT_EQ(index.Hash(pair), index.Hash(pair));
  // Equal by chance once in 2^64 runs, each three taken together.
  int equal = index.Hash(pair) == index.Hash(changed) ? 1 : 0;
  changed = pair;
  changed[0].bytes[0] ^= 1;
  equal += index.Hash(pair) == index.Hash(changed) ? 1 : 0;
  equal += index.Hash(pair) == other.Hash(pair) ? 1 : 0;
  EXPECT_LT(equal, 2);
}

// Hashes of a few values, so that runs are long, meet, and go around the end of the array.
TEST(PairIndexTest, AgreesWithAModel) {
  std::mt19937 random(1);
  for (const uint32_t max_pairs : {1u, 2u, 5u, 64u, 1000u}) {
    PairIndex index(max_pairs);
    std::map<uint32_t, uint32_t> model;  // VNI -> hash.
    uint32_t next_vni = 1;
    for (int step = 0; step < 20000; ++step) {
      const bool insert = model.size() < max_pairs && (model.empty() || random() % 16 < 9);
      if (insert) {
        const uint32_t hash = (random() % 8 == 0 ? UINT32_MAX : 0u) - (random() % max_pairs) * 0x2000001u;
        index.Insert(hash, next_vni);
        model[next_vni++] = hash;
      } else {
        const auto victim = std::next(model.begin(), static_cast<std::ptrdiff_t>(random() % model.size()));
        index.Erase(victim->second, victim->first);
        ASSERT_EQ(index.Find(victim->second, [&](uint32_t v) { return v == victim->first; }), 0u);
        model.erase(victim);
      }
      if (step % 50 != 0 && max_pairs > 5) continue;
      for (const auto& [vni, hash] : model) {
        ASSERT_EQ(index.Find(hash, [wanted = vni](uint32_t v) { return v == wanted; }), vni) << "step " << step;
      }
    }
  }
}

TEST(PairIndexTest, HoldsAsManyAsPromisedInLittleMemory) {
  constexpr uint32_t kPairs = 100000;
  PairIndex index(kPairs);
  EXPECT_LE(index.memory_bytes(), kPairs * 10.7);
  std::vector<uint32_t> hashes;
  for (uint32_t vni = 1; vni <= kPairs; ++vni) {
    hashes.push_back(index.Hash(RandomPair()));
    index.Insert(hashes.back(), vni);
  }
  for (uint32_t vni = 1; vni <= kPairs; ++vni) {
    ASSERT_EQ(index.Find(hashes[vni - 1], [&](uint32_t v) { return v == vni; }), vni);
  }
}

}  // namespace
}  // namespace relay
