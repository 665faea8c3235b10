#include "bench/measure/report_csv.h"

#include <gtest/gtest.h>

#include <vector>

#include "absl/strings/str_split.h"
#include "bench/measure/example_result.h"

namespace bench {
namespace {

TEST(ReportCsvTest, HasARowATrial) {
  const std::vector<std::string> lines = absl::StrSplit(CsvReport(ExampleResult()), "\r\n");
  ASSERT_EQ(lines.size(), 8U);  // Names, six trials, and nothing behind the last line's end.
  const std::vector<std::string> names = absl::StrSplit(lines[0], ',');
  const std::vector<std::string> row = absl::StrSplit(lines[2], ',');
  ASSERT_EQ(row.size(), names.size());
  const auto field = [&](const std::string& name) {
    for (size_t i = 0; i < names.size(); ++i) {
      if (names[i] == name) return row[i];
    }
    return "no column " + name;
  };
  EXPECT_EQ(field("date"), "2026-01-31T12:00:00Z");
  EXPECT_EQ(field("trial"), "2");
  EXPECT_EQ(field("repeat"), "1");
  EXPECT_EQ(field("verdict"), "failed");
  EXPECT_EQ(field("rate_per_s"), "8000000");
  EXPECT_EQ(field("sent"), "16000000");
  EXPECT_EQ(field("lost"), "4640000");
  EXPECT_EQ(field("loss"), "0.29");
  EXPECT_EQ(field("generator_lost"), "5");
  EXPECT_EQ(lines.back(), "");
}

TEST(ReportCsvTest, NumbersAreNotRounded) {
  Result result;
  result.trials.emplace_back();
  result.trials[0].rate_per_s = 14'880'952.25;
  EXPECT_NE(CsvReport(result).find(",14880952.25,"), std::string::npos) << CsvReport(result);
}

TEST(ReportCsvTest, TextIsQuoted) {
  Result result = HostileResult();
  result.trials.resize(1);
  const std::string csv = CsvReport(result);
  EXPECT_NE(csv.find("\"</script><b>\"\"quoted\"\" & 'more',\r\n\x01\",1,0,failed"), std::string::npos) << csv;
}

}  // namespace
}  // namespace bench
