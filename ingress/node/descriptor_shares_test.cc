#include "ingress/node/descriptor_shares.h"

#include <gtest/gtest.h>

namespace ingress {
namespace {

TEST(DescriptorSharesTest, ManyGiveTheDefaults) {
  const DescriptorShares shares = DescriptorShares::Of(20'000);  // The unit's LimitNOFILE.
  EXPECT_EQ(shares.peerapi, 1024U);
  EXPECT_EQ(shares.files, 1024U);
  EXPECT_EQ(shares.active, 8192U);
}

// A container's hard limit: it serves less, not one connection.
TEST(DescriptorSharesTest, FewAreShared) {
  const DescriptorShares shares = DescriptorShares::Of(1024);
  EXPECT_GE(shares.active, 256U);
  for (const size_t descriptors : {256U, 1024U, 4096U, 20'000U, 1'000'000U}) {
    const DescriptorShares some = DescriptorShares::Of(descriptors);
    EXPECT_LE(some.total(), descriptors) << descriptors;
  }
  EXPECT_EQ(DescriptorShares::Of(0).active, 1U);
}

}  // namespace
}  // namespace ingress
