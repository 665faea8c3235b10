#include "relay/dataplane/gso.h"

#include <gtest/gtest.h>

namespace relay {
namespace {

TEST(GsoTest, KnowsTheKernelsThatCorruptTrains) {
  for (const char* bad :
       {"7.0", "7.0.0", "7.0.99-generic", "7.0-rc3", "7.1", "7.1.0-1-amd64", "7.1.4", "7.1.4-arch1"}) {
    EXPECT_TRUE(KernelCorruptsTrains(bad)) << bad;
  }
  for (const char* good : {"5.15.0-91-generic", "6.1.0-13-amd64", "6.18.44", "6.99.99", "7.1.5", "7.1.10-amd64", "7.2",
                           "7.2.0", "70.0.1", "17.1.2", "", "unknown"}) {
    EXPECT_FALSE(KernelCorruptsTrains(good)) << good;
  }
}

Path PathTo(uint16_t port) {
  Path path;
  path.remote = AddrPort::FromIpv4({198, 18, 0, 1}, port);
  return path;
}

TEST(GsoRefusalsTest, ConcernOneDestinationFromOneSizeUpForAWhile) {
  GsoRefusals refusals;
  const Instant now(std::chrono::hours(1));
  EXPECT_TRUE(refusals.Allows(PathTo(1), 1400, now));
  refusals.Refuse(PathTo(1), 1400, now);
  EXPECT_FALSE(refusals.Allows(PathTo(1), 1400, now));
  EXPECT_FALSE(refusals.Allows(PathTo(1), 1500, now));
  EXPECT_TRUE(refusals.Allows(PathTo(1), 1399, now));
  EXPECT_FALSE(refusals.Allows(PathTo(1), 1400, now + GsoRefusals::kLifetime - Duration(1)));
  EXPECT_TRUE(refusals.Allows(PathTo(1), 1400, now + GsoRefusals::kLifetime));
}

// Whoever provokes refusals, as many as there are ports, turns trains off for nobody else.
TEST(GsoRefusalsTest, NeverConcernOthers) {
  GsoRefusals refusals;
  const Instant now(std::chrono::hours(1));
  for (uint32_t port = 2; port < 65536; ++port) refusals.Refuse(PathTo(static_cast<uint16_t>(port)), 8, now);
  EXPECT_TRUE(refusals.Allows(PathTo(1), 1400, now));
}

}  // namespace
}  // namespace relay
