// Apart from the table's other tests, because it goes through all 2^24 VNIs.
#include <gtest/gtest.h>

#include "relay/core/endpoint_table.h"

namespace relay {
namespace {

TEST(VniOrderTest, AVniIsReusedAsLateAsPossible) {
  constexpr Instant kNow{std::chrono::hours(1)};
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

}  // namespace
}  // namespace relay
