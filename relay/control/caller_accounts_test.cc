#include "relay/control/caller_accounts.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace relay {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class CallerAccountsTest : public testing::Test {
 protected:
  // An unbound endpoint in the table, paid for under `tag`; returns its VNI.
  uint32_t Insert(uint32_t tag) { return *table_.Insert({.clients = {}, .shared = {}, .owner_tag = tag}, now_); }

  static constexpr uint32_t kMax = 100;
  Qsbr qsbr_{1};
  EndpointTable table_{kMax, qsbr_};
  Instant now_{seconds(1000)};
};

TEST_F(CallerAccountsTest, OneTagACaller) {
  CallerAccounts accounts(table_, 0);
  std::set<uint32_t> tags;
  for (uint32_t i = 0; i < kMax; ++i) {
    const uint32_t tag = *accounts.TagOf(std::to_string(i), now_);
    Insert(tag);
    tags.insert(tag);
  }
  EXPECT_EQ(tags.size(), kMax);
  EXPECT_LT(*tags.rbegin(), kMax);
  for (uint32_t i = 0; i < kMax; ++i) EXPECT_EQ(table_.UnboundCount(*accounts.TagOf(std::to_string(i), now_)), 1u);
}

TEST_F(CallerAccountsTest, RefusesAnotherCallerOnlyWhileAllOweSomething) {
  CallerAccounts accounts(table_, 0);
  uint32_t vni = 0;
  for (uint32_t i = 0; i < kMax; ++i) vni = Insert(*accounts.TagOf(std::to_string(i), now_));
  EXPECT_EQ(accounts.remembered(), accounts.capacity());
  EXPECT_EQ(accounts.TagOf("one more", now_), std::nullopt);
  table_.Remove(vni);
  EXPECT_NE(accounts.TagOf("one more", now_), std::nullopt);
}

TEST_F(CallerAccountsTest, ForgetsWhoOwesNothing) {
  CallerAccounts accounts(table_, 0);
  const uint32_t debtor = *accounts.TagOf("debtor", now_);
  Insert(debtor);
  for (int i = 0; i < 10000; ++i) ASSERT_NE(accounts.TagOf(std::to_string(i), now_), std::nullopt);
  EXPECT_LE(accounts.remembered(), 3u);
  EXPECT_EQ(accounts.TagOf("debtor", now_), debtor);
}

TEST_F(CallerAccountsTest, RateIsTakenACallerAndRemembered) {
  CallerAccounts accounts(table_, 4);
  const auto take = [&](std::string_view caller) { return accounts.TakeToken(*accounts.TagOf(caller, now_), now_); };
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(take("alice"));
  EXPECT_FALSE(take("alice"));
  EXPECT_TRUE(take("bob"));
  for (int i = 0; i < 50; ++i) ASSERT_NE(accounts.TagOf(std::to_string(i), now_), std::nullopt);  // Others pass by.
  EXPECT_FALSE(take("alice"));
  now_ += milliseconds(250);
  EXPECT_TRUE(take("alice"));
  EXPECT_FALSE(take("alice"));
  now_ += seconds(1);
  for (int i = 0; i < 50; ++i) ASSERT_NE(accounts.TagOf(std::to_string(i), now_), std::nullopt);
  EXPECT_LE(accounts.remembered(), 3u) << "a full bucket is not worth remembering";
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(take("alice"));
  EXPECT_FALSE(take("alice"));
}

TEST_F(CallerAccountsTest, NoRateNoLimit) {
  CallerAccounts accounts(table_, 0);
  const uint32_t tag = *accounts.TagOf("", now_);
  for (int i = 0; i < 100000; ++i) ASSERT_TRUE(accounts.TakeToken(tag, now_));
}

}  // namespace
}  // namespace relay
