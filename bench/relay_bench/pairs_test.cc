#include "bench/relay_bench/pairs.h"

#include <gtest/gtest.h>

#include <set>

namespace bench {
namespace {

TEST(PairsTest, AMillionPairsTake1415Keys) {
  EXPECT_EQ(KeysFor(1), 2u);
  EXPECT_EQ(KeysFor(3), 3u);
  EXPECT_EQ(KeysFor(4), 4u);
  EXPECT_EQ(KeysFor(1'000'000), 1415u);
}

TEST(PairsTest, EveryPairHasOtherKeys) {
  std::set<std::array<uint32_t, 2>> seen;
  for (uint32_t pair = 0; pair < 100'000; ++pair) {
    const auto keys = KeysOfPair(pair);
    ASSERT_LT(keys[0], keys[1]);
    ASSERT_TRUE(seen.insert(keys).second);
  }
  for (const uint32_t pair : {999'999u, 999'998u}) ASSERT_LT(KeysOfPair(pair)[1], KeysFor(1'000'000));
}

TEST(PairsTest, ASavedEndpointReadsBack) {
  const auto a = disco::PrivateKey::Generate();
  const auto b = disco::PrivateKey::Generate();
  disco::RelayEndpoint endpoint;
  endpoint.vni = 77;
  endpoint.server_disco = disco::PrivateKey::Generate().public_key();
  endpoint.client_disco = {a.public_key(), b.public_key()};
  endpoint.addr_ports = {*disco::AddrPort::Parse("198.18.0.1:40000")};
  const auto read = ParseSavedEndpoint(SavedEndpointToJson(endpoint, a, b));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->endpoint, endpoint);
  EXPECT_EQ(disco::PrivateKey::Parse(read->private_keys[1])->public_key(), b.public_key());
  for (const char* const bad :
       {"", "[]", "{}", R"({"Endpoint":{},"PrivateKeys":["a"]})", R"({"Endpoint":1,"PrivateKeys":["a","b"]})",
        R"({"Endpoint":{},"PrivateKeys":[1,2]})"}) {
    EXPECT_FALSE(ParseSavedEndpoint(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace bench
