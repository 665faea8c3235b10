#include "bench/measure/format.h"

#include <gtest/gtest.h>

namespace bench {
namespace {

TEST(FormatTest, Times) {
  EXPECT_EQ(FormatNs(0), "0 ns");
  EXPECT_EQ(FormatNs(850), "850 ns");
  EXPECT_EQ(FormatNs(999.4), "999 ns");
  EXPECT_EQ(FormatNs(999.9), "1.00 us");
  EXPECT_EQ(FormatNs(12'345), "12.3 us");
  EXPECT_EQ(FormatNs(999'700), "1.00 ms");
  EXPECT_EQ(FormatNs(412e6), "412 ms");
  EXPECT_EQ(FormatNs(100e9), "100 s");
}

TEST(FormatTest, RatesSharesAndCounts) {
  EXPECT_EQ(FormatRate(0), "0/s");
  EXPECT_EQ(FormatRate(950), "950/s");
  EXPECT_EQ(FormatRate(1.25e6), "1.25 M/s");
  EXPECT_EQ(FormatRate(14.88e6), "14.9 M/s");
  EXPECT_EQ(FormatShare(0), "0");
  EXPECT_EQ(FormatShare(1e-4), "0.01 %");
  EXPECT_EQ(FormatShare(1), "100 %");
  EXPECT_EQ(FormatShare(1e-6), "0.0001 %");
  EXPECT_EQ(FormatShare(3e-7), "0.3 ppm");
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1'000), "1,000");
  EXPECT_EQ(FormatCount(-123'456), "-123,456");
  EXPECT_EQ(FormatCount(1'234'567), "1,234,567");
}

TEST(FormatTest, FiguresByUnit) {
  EXPECT_EQ(FormatFigure(Unit::kNs, std::nullopt), "not measured");
  EXPECT_EQ(FormatFigure(Unit::kNs, 1500), "1.50 us");
  EXPECT_EQ(FormatFigure(Unit::kBitsPerSecond, 5.5e9), "5.50 Gbit/s");
  EXPECT_EQ(FormatFigure(Unit::kBitsPerSecond, 12), "12 bit/s");
  EXPECT_EQ(FormatFigure(Unit::kPerSecond, 2e3), "2.00 k/s");
  EXPECT_EQ(FormatFigure(Unit::kShare, 0.5), "50 %");
  EXPECT_EQ(FormatFigure(Unit::kCount, 5e6), "5,000,000");
}

}  // namespace
}  // namespace bench
