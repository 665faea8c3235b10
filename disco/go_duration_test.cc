#include "disco/go_duration.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/vectors.h"

namespace disco {
namespace {

using std::chrono::nanoseconds;

TEST(GoDurationTest, FormatsAndParsesAsGo) {
  for (const boost::json::value& v : test::Vectors().at("server_endpoint_json").at("go_durations").as_array()) {
    const nanoseconds d(std::stoll(std::string(v.at("ns").as_string())));
    const std::string text(v.at("text").as_string());
    EXPECT_EQ(FormatGoDuration(d), text);
    EXPECT_EQ(ParseGoDuration(text), d) << text;
  }
}

TEST(GoDurationTest, FormatsFractionsWithoutTrailingZeros) {
  EXPECT_EQ(FormatGoDuration(nanoseconds(1'100'000)), "1.1ms");
  EXPECT_EQ(FormatGoDuration(nanoseconds(1'000'001)), "1.000001ms");
  EXPECT_EQ(FormatGoDuration(nanoseconds(999'999)), "999.999\u00b5s");
  EXPECT_EQ(FormatGoDuration(nanoseconds(-1'500)), "-1.5\u00b5s");
  EXPECT_EQ(FormatGoDuration(nanoseconds(10'000'000'000)), "10s");
  EXPECT_EQ(FormatGoDuration(nanoseconds(3'661'000'000'001)), "1h1m1.000000001s");
}

TEST(GoDurationTest, ParsesEveryFormThatGoDoes) {
  const std::vector<std::pair<std::string, int64_t>> cases = {
      {"0", 0},
      {"-0", 0},
      {"+0", 0},
      {"0s", 0},
      {"5s", 5'000'000'000},
      {"+5s", 5'000'000'000},
      {"5.s", 5'000'000'000},
      {".5s", 500'000'000},
      {"005s", 5'000'000'000},
      {"1.5h", 5'400'000'000'000},
      {"1h15m30.918s", 4'530'918'000'000},
      {"10us", 10'000},
      {"10\u00b5s", 10'000},
      {"10\u03bcs", 10'000},
      {"3ms2us1ns", 3'002'001},
      {"1s1s", 2'000'000'000},  // A unit may come twice and in any order.
      {"1s1h", 3'601'000'000'000},
      {"0.9ns", 0},
      {"0.100000000000000000000h", 360'000'000'000},  // More digits than 63 bits hold.
      {"0.3333333333333333333h", 1'200'000'000'000},  // Cut in double precision, as in Go.
      {"0.9223372036854775807h", 3'320'413'933'267},
      {"9223372036854775807ns", INT64_MAX},
      {"-9223372036854775808ns", INT64_MIN},
      {"-9223372036854775.808us", INT64_MIN},
  };
  for (const auto& [text, ns] : cases) EXPECT_EQ(ParseGoDuration(text), nanoseconds(ns)) << text;
}

TEST(GoDurationTest, RefusesWhatGoRefuses) {
  for (const std::string text : {"",
                                 "+",
                                 "-",
                                 "--1s",
                                 "3",
                                 "00",
                                 "s",
                                 ".",
                                 "-.",
                                 ".s",
                                 "+.s",
                                 "1d",
                                 "1S",
                                 "1 s",
                                 " 1s",
                                 "1s ",
                                 "1s2",
                                 "1e3s",
                                 "1.2.3s",
                                 "3000000h",
                                 "9223372036854775808ns",
                                 "-9223372036854775809ns",
                                 "9223372036854775.808us",
                                 "2562047h47m16.854775808s",
                                 "9223372036854775807ns1ns",
                                 "99999999999999999999ns",
                                 "1\u00b5",
                                 "\xc2s"}) {
    EXPECT_FALSE(ParseGoDuration(text)) << text;
  }
}

}  // namespace
}  // namespace disco
