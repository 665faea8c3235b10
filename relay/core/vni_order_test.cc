// Apart from the table's other tests, because it goes through all 2^24 VNIs.
#include <gtest/gtest.h>

#include "relay/core/endpoint_table.h"

namespace relay {
namespace {

constexpr Instant kNow{std::chrono::hours(1)};

TEST(VniOrderTest, AVniIsReusedAsLateAsPossible) {
  disco::InitCrypto();
  Qsbr qsbr(1);
  EndpointTable table(2, qsbr);
  const auto kept = table.Insert({}, kNow);
  for (uint32_t vni = 2; vni <= geneve::kMaxVni; ++vni) {
    ASSERT_EQ(table.Insert({}, kNow), vni);
    table.Remove(vni);
  }
  EXPECT_EQ(table.Insert({}, kNow), 2u) << "wraps past 0 and the one that lives";
  EXPECT_EQ(table.Find(*kept)->vni(), 1u);
}

// Once an endpoint is out of the table, its VNI is none of its business, whoever has that.
TEST(VniOrderTest, ABindThatComesTooLateLeavesTheSlotAlone) {
  disco::InitCrypto();
  Qsbr qsbr(1);
  EndpointTable table(2, qsbr);
  Path first;
  first.remote = AddrPort::FromIpv4({198, 18, 0, 1}, 1001);
  Path second;
  second.remote = AddrPort::FromIpv4({198, 18, 0, 2}, 1002);
  Endpoint& removed = *table.Find(*table.Insert({}, kNow));
  const uint32_t its_vni = removed.vni();
  uint32_t vni = *table.Insert({}, kNow);
  table.Remove(its_vni);  // Its record is at the bottom of the free ones, and stays there.
  table.Bind(removed, 0, second);
  table.Bind(removed, 1, first);
  EXPECT_EQ(table.Find(its_vni), nullptr);
  table.Reclaim(2);
  while (vni != its_vni) {
    table.Remove(vni);
    table.Reclaim(2);
    vni = *table.Insert({}, kNow);
  }
  Endpoint& now_there = *table.Find(vni);
  ASSERT_NE(&now_there, &removed);
  ASSERT_EQ(removed.vni(), vni);
  table.Bind(now_there, 0, first);
  table.Bind(now_there, 1, second);
  table.Bind(removed, 1, first);
  EXPECT_EQ(table.FindSender(vni, SourceWord(first.remote)).leg, 0u);
  EXPECT_EQ(table.FindSender(vni, SourceWord(second.remote)).leg, 1u);
}

}  // namespace
}  // namespace relay
