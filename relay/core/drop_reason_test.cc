#include "relay/core/drop_reason.h"

#include <gtest/gtest.h>

#include <set>

namespace relay {
namespace {

TEST(DropReasonTest, EveryReasonHasItsOwnNameAndAdvice) {
  std::set<std::string_view> names;
  std::set<std::string_view> advice;
  for (size_t i = 0; i < kDropReasonCount; ++i) {
    const auto reason = static_cast<DropReason>(i);
    EXPECT_FALSE(DropReasonName(reason).empty()) << i;
    EXPECT_TRUE(names.insert(DropReasonName(reason)).second) << DropReasonName(reason);
    EXPECT_TRUE(advice.insert(DropReasonAdvice(reason)).second) << DropReasonName(reason);
    EXPECT_TRUE(DropReasonAdvice(reason).ends_with('.')) << DropReasonName(reason);
  }
  EXPECT_EQ(DropReasonName(DropReason::kUnknownVni), "unknown_vni");
  EXPECT_EQ(DropReasonName(DropReason::kSendFailed), "send_failed");
}

}  // namespace
}  // namespace relay
