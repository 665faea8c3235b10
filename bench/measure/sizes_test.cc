#include "bench/measure/sizes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace bench {
namespace {

using testing::ElementsAre;

TEST(SizesTest, FixedIsOneSize) {
  const absl::StatusOr<SizeMix> mix = SizeMix::Parse("fixed:72");
  ASSERT_TRUE(mix.ok()) << mix.status();
  EXPECT_THAT(mix->cycle(), ElementsAre(72));
  EXPECT_EQ(mix->At(123'456'789), 72);
}

TEST(SizesTest, ImixIsSevenToFourToOne) {
  const absl::StatusOr<SizeMix> mix = SizeMix::Parse("imix");
  ASSERT_TRUE(mix.ok()) << mix.status();
  std::map<int, int> counts;
  for (uint64_t i = 0; i < 1200; ++i) ++counts[mix->At(i)];
  EXPECT_THAT(counts, ElementsAre(testing::Pair(64, 700), testing::Pair(570, 400), testing::Pair(1400, 100)));
  EXPECT_NEAR(mix->mean(), (7 * 64 + 4 * 570 + 1400) / 12.0, 1e-9);
  EXPECT_EQ(mix->largest(), 1400);
}

TEST(SizesTest, SizesAreSpreadEvenlyAndAlwaysAlike) {
  EXPECT_THAT(SizeMix::Parse("64:2,1400:2")->cycle(), ElementsAre(64, 1400));  // In lowest terms.
  EXPECT_THAT(SizeMix::Parse("64:3,1400")->cycle(), ElementsAre(64, 64, 1400, 64));
  EXPECT_THAT(SizeMix::Parse("100,200,300")->cycle(), ElementsAre(100, 200, 300));
  const SizeMix mix = *SizeMix::Parse("64:7,570:4,1400:1");
  for (uint64_t begin = 0; begin < 24; ++begin) {  // Any three in a row hold a small one.
    EXPECT_TRUE(mix.At(begin) == 64 || mix.At(begin + 1) == 64 || mix.At(begin + 2) == 64) << begin;
  }
}

TEST(SizesTest, RefusesWhatIsNoSize) {
  for (const char* const spec : {"", "fixed:", "fixed:47", "fixed:65508", "fixed:72x", "IMIX", "64:", "64:0", "64:-1",
                                 "64:7,", "47:1", "64:7;570:4", "64:1:1", "-64", "64:1000000,70:1", "9999999999"}) {
    EXPECT_FALSE(SizeMix::Parse(spec).ok()) << spec;
  }
  EXPECT_TRUE(SizeMix::Parse("fixed:48").ok());
  EXPECT_TRUE(SizeMix::Parse("fixed:65507").ok());
}

}  // namespace
}  // namespace bench
