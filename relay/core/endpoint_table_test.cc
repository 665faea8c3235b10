#include "relay/core/endpoint_table.h"

#include <gtest/gtest.h>

namespace relay {
namespace {

constexpr Instant kInserted{std::chrono::hours(1)};

class EndpointTableTest : public ::testing::Test {
 protected:
  void SetUp() override {
    disco::InitCrypto();
    qsbr_.Register(0);
    qsbr_.Register(1);
  }
  Qsbr qsbr_{2};
};

TEST_F(EndpointTableTest, VnisRiseFromOne) {
  EndpointTable table(8, qsbr_);
  for (uint32_t vni = 1; vni <= 8; ++vni) EXPECT_EQ(table.Insert({}, kInserted), vni);
  EXPECT_EQ(table.live(), 8u);
  EXPECT_EQ(table.Insert({}, kInserted), std::nullopt) << "full";
  EXPECT_EQ(table.Find(0), nullptr);
  EXPECT_EQ(table.Find(9), nullptr);
  EXPECT_EQ(table.Find(3)->vni(), 3u);
}

TEST_F(EndpointTableTest, ARecordIsReusedOnlyWhenEveryWorkerHasMovedOn) {
  EndpointTable table(1, qsbr_);
  qsbr_.Online(0);
  const auto vni = table.Insert({}, kInserted);
  const Endpoint* held = table.Find(*vni);
  table.Remove(*vni);
  table.Reclaim(100);
  EXPECT_EQ(table.Insert({}, kInserted), std::nullopt) << "worker 0 may still hold it";
  EXPECT_EQ(held->vni(), *vni);
  qsbr_.Quiescent(0);
  EXPECT_EQ(table.Insert({}, kInserted), *vni + 1);
  qsbr_.Offline(0);
}

TEST_F(EndpointTableTest, AWholeTableIsRefilledWhileEveryWorkerIsBlocked) {
  constexpr uint32_t kSize = 10'000;
  EndpointTable table(kSize, qsbr_);
  qsbr_.Online(0);
  qsbr_.Online(1);
  for (uint32_t i = 0; i < kSize; ++i) ASSERT_TRUE(table.Insert({}, kInserted));
  qsbr_.Offline(0);  // As workers are before they block.
  qsbr_.Offline(1);
  for (uint32_t vni = 1; vni <= kSize; ++vni) table.Remove(vni);
  EXPECT_EQ(table.live(), 0u);
  for (uint32_t i = 0; i < kSize; ++i) ASSERT_EQ(table.Insert({}, kInserted), kSize + 1 + i);
}

TEST_F(EndpointTableTest, CountsOpenAndUnboundByOwner) {
  EndpointTable table(4, qsbr_);
  EndpointTable::NewEndpoint endpoint;
  endpoint.owner_tag = 3;
  const uint32_t a = *table.Insert(endpoint, kInserted);
  const uint32_t b = *table.Insert(endpoint, kInserted);
  EXPECT_EQ(table.UnboundCount(3), 2u);
  Path path;
  path.remote.port = 1;
  for (const size_t leg : {0u, 1u}) table.Bind(*table.Find(a), leg, path);
  table.CountOpened(*table.Find(a));
  EXPECT_EQ(table.UnboundCount(3), 1u);
  EXPECT_EQ(table.open(), 1u);
  table.Remove(b);
  EXPECT_EQ(table.UnboundCount(3), 0u);
  table.Remove(a);
  EXPECT_EQ(table.open(), 0u);
  EXPECT_EQ(table.UnboundCount(3), 0u);
}

TEST_F(EndpointTableTest, WalksLiveVnisInOrder) {
  EndpointTable table(300, qsbr_);
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(table.Insert({}, kInserted));
  for (uint32_t vni = 1; vni <= 300; ++vni) {
    if (vni % 70 != 0) table.Remove(vni);
  }
  EXPECT_EQ(table.NextVni(0), 70u);
  EXPECT_EQ(table.NextVni(69), 70u);
  EXPECT_EQ(table.NextVni(70), 140u);
  EXPECT_EQ(table.NextVni(210), 280u);
  EXPECT_EQ(table.NextVni(280), 0u);
  EXPECT_EQ(table.NextVni(geneve::kMaxVni), 0u);
}

TEST_F(EndpointTableTest, AReusedRecordStartsAfresh) {
  EndpointTable table(1, qsbr_);
  const uint32_t first = *table.Insert({}, kInserted);
  Endpoint* endpoint = table.Find(first);
  Path path;
  path.remote.port = 1;
  table.Bind(*endpoint, 0, path);
  endpoint->flow[0].owner_packets.store(5);
  endpoint->binding[0].generation.store(5);
  table.Remove(first);
  const uint32_t second = *table.Insert({}, kInserted);
  EXPECT_EQ(table.Find(first), nullptr);
  endpoint = table.Find(second);
  EXPECT_FALSE(endpoint->binding[0].IsBound());
  EXPECT_EQ(endpoint->packets(0), 0u);
  EXPECT_EQ(endpoint->binding[0].generation.load(), 0u);
}

TEST_F(EndpointTableTest, AsksForMemoryBeforeItIsNeeded) {
  constexpr uint32_t kSize = 100'000;
  EndpointTable table(kSize, qsbr_);
  int calls = 0;
  for (uint32_t i = 0; i < kSize; ++i) {
    while (table.WantsMemory()) {
      table.Populate();
      ++calls;
    }
    ASSERT_TRUE(table.Insert({}, kInserted));
  }
  EXPECT_GT(calls, 1);
  EXPECT_LT(calls, 5);
  EXPECT_FALSE(table.WantsMemory());
}

TEST_F(EndpointTableTest, MemoryIsWhatItSays) {
  const EndpointTable table(1'000'000, qsbr_);
  EXPECT_EQ(table.memory_bytes(), 1'000'000u * 460u + (66u << 20));
}

}  // namespace
}  // namespace relay
