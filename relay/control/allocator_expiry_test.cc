// When an endpoint is gone, in single steps; expiry_property_test covers lifetimes at random.
#include <gtest/gtest.h>

#include <chrono>

#include "relay/control/allocator_fixture.h"

namespace relay {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using Result = AllocationResult;

using AllocatorExpiryTest = AllocatorTest;

TEST_F(AllocatorExpiryTest, UnboundEndpointsGoAfterTheBindLifetime) {
  const uint32_t never_bound = AllocateFresh().endpoint.vni;
  const uint32_t half_bound = AllocateFresh().endpoint.vni;
  now_ += seconds(29);
  Bind(half_bound, 0);
  now_ += seconds(1);
  Sweep();
  EXPECT_EQ(table_->live(), 2u);
  now_ += milliseconds(200);
  Sweep();
  EXPECT_FALSE(IsLive(never_bound));
  EXPECT_FALSE(IsLive(half_bound));
}

TEST_F(AllocatorExpiryTest, OpenEndpointsGoWhenEitherLegIsSilent) {
  const uint32_t vni = AllocateFresh().endpoint.vni;
  BindBoth(vni);
  for (int minute = 0; minute < 20; ++minute) {
    now_ += minutes(1);
    SendData(vni, 0);
    if (minute < 10) SendData(vni, 1);
    Sweep();
    EXPECT_EQ(IsLive(vni), minute < 15) << minute;  // Leg 1 was last heard of at minute 9; at 14 it is not longer yet.
    if (!IsLive(vni)) return;
  }
}

TEST_F(AllocatorExpiryTest, AnAllocationTreatsAnEndpointPastItsTimeAsGone) {
  const disco::PublicKey a = NewKey();
  const disco::PublicKey b = NewKey();
  const Allocator::Outcome first = Allocate(a, b);
  now_ += seconds(30);
  EXPECT_EQ(Allocate(a, b).result, Result::kExisting);
  now_ += Duration(1);
  const Allocator::Outcome second = Allocate(a, b);
  EXPECT_EQ(second.result, Result::kCreated);
  EXPECT_EQ(second.endpoint.vni, first.endpoint.vni + 1);
  EXPECT_FALSE(IsLive(first.endpoint.vni));
  // The record's old deadline does not take the new endpoint with it, nor keep it.
  now_ += seconds(30);
  Sweep();
  EXPECT_TRUE(IsLive(second.endpoint.vni));
  now_ += seconds(1);
  Sweep();
  EXPECT_FALSE(IsLive(second.endpoint.vni));
}

TEST_F(AllocatorExpiryTest, ExpireLooksAtNoMoreThanItsBudget) {
  for (int i = 0; i < 10; ++i) AllocateFresh();
  EXPECT_FALSE(allocator_->Expire(now_, 3));
  now_ += seconds(31);
  EXPECT_TRUE(allocator_->Expire(now_, 3));
  EXPECT_EQ(table_->live(), 7u);
  EXPECT_TRUE(allocator_->Expire(now_, 0));
  EXPECT_TRUE(allocator_->Expire(now_, 6));
  EXPECT_EQ(table_->live(), 1u);
  EXPECT_FALSE(allocator_->Expire(now_, 1));
  EXPECT_EQ(table_->live(), 0u);
}

TEST_F(AllocatorExpiryTest, ExpireReclaimsRecordsWhileOthersAreFree) {
  const uint32_t index = table_->IndexOf(AllocateFresh().endpoint.vni);
  now_ += seconds(31);
  Sweep();
  EXPECT_EQ(table_->IndexOf(AllocateFresh().endpoint.vni), index);
}

TEST_F(AllocatorExpiryTest, TheLongestLifetimesThatFlagsTakeAreForEver) {
  Start({.bind_lifetime = Duration::max(), .steady_state_lifetime = Duration::max()});
  const Allocator::Outcome outcome = AllocateFresh();
  EXPECT_EQ(outcome.endpoint.bind_lifetime, Duration::max());
  now_ += std::chrono::hours(24 * 365);
  Sweep();
  BindBoth(outcome.endpoint.vni);
  now_ += std::chrono::hours(24 * 365);
  Sweep();
  EXPECT_TRUE(IsLive(outcome.endpoint.vni));
}

}  // namespace
}  // namespace relay
