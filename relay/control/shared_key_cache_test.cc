#include "relay/control/shared_key_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <list>
#include <random>
#include <vector>

namespace relay {
namespace {

std::vector<disco::PublicKey> MakeClients(size_t count) {
  disco::InitCrypto();
  std::vector<disco::PublicKey> out;
  for (size_t i = 0; i < count; ++i) out.push_back(disco::PrivateKey::Generate().public_key());
  return out;
}

TEST(SharedKeyCacheTest, AgreesWithTheClientsOwnAgreement) {
  disco::InitCrypto();
  SharedKeyCache cache(disco::PrivateKey::Generate(), 8);
  const disco::PrivateKey client = disco::PrivateKey::Generate();
  for (int i = 0; i < 2; ++i) {
    const disco::SharedKey* const shared = cache.Get(client.public_key());
    ASSERT_NE(shared, nullptr);
    EXPECT_EQ(shared->bytes(), client.Agree(cache.server_key())->bytes());
  }
  EXPECT_EQ(cache.agreements(), 1u);
}

TEST(SharedKeyCacheTest, RefusesALowOrderKeyAndKeepsNothingOfIt) {
  disco::InitCrypto();
  SharedKeyCache cache(disco::PrivateKey::Generate(), 1);
  const disco::PublicKey good = MakeClients(1)[0];
  ASSERT_NE(cache.Get(good), nullptr);
  EXPECT_EQ(cache.Get(disco::PublicKey{.bytes = {1}}), nullptr);
  EXPECT_EQ(cache.size(), 1u);
  const uint64_t before = cache.agreements();
  ASSERT_NE(cache.Get(good), nullptr);
  EXPECT_EQ(cache.agreements(), before);
}

// Against a list in order of use; the computations counted tell hits from misses.
TEST(SharedKeyCacheTest, PushesOutWhatWasNotUsedForLongest) {
  std::mt19937 random(3);
  const std::vector<disco::PublicKey> clients = MakeClients(12);
  for (const uint32_t capacity : {0u, 1u, 2u, 7u, 12u}) {
    const disco::PrivateKey server = disco::PrivateKey::Generate();
    SharedKeyCache cache(*disco::PrivateKey::Parse(server.ToString()), capacity);
    std::list<size_t> model;  // Newest first.
    for (int step = 0; step < 400; ++step) {
      const size_t client = random() % clients.size();
      const bool hit = std::find(model.begin(), model.end(), client) != model.end();
      const uint64_t before = cache.agreements();
      const disco::SharedKey* const shared = cache.Get(clients[client]);
      ASSERT_NE(shared, nullptr);
      if (step % 10 == 0) {
        ASSERT_EQ(shared->bytes(), server.Agree(clients[client])->bytes());
      }
      ASSERT_EQ(cache.agreements() - before, hit ? 0u : 1u) << "capacity " << capacity << " step " << step;
      model.remove(client);
      model.push_front(client);
      if (model.size() > std::max(capacity, 1u)) model.pop_back();
      ASSERT_EQ(cache.size(), model.size());
    }
  }
}

}  // namespace
}  // namespace relay
