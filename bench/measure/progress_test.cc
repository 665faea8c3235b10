#include "bench/measure/progress.h"

#include <gtest/gtest.h>

namespace bench {
namespace {

constexpr int64_t kMs = 1'000'000;

ProgressState At(int64_t ms, uint64_t packets) {
  return {.elapsed_ns = ms * kMs, .sent = packets, .received = packets, .p50_ns = 12'345, .p99_ns = 99'000};
}

TEST(ProgressTest, PlainLinesAreOneASecondAtMost) {
  Progress progress(false);
  int lines = 0;
  for (int64_t ms = 0; ms <= 10'000; ms += 10) {
    const std::string text = progress.Update(At(ms, static_cast<uint64_t>(ms) * 1000));
    if (text.empty()) continue;
    ++lines;
    EXPECT_EQ(text.find('\r'), std::string::npos);
    EXPECT_EQ(text.find('\n'), text.size() - 1);
  }
  EXPECT_EQ(lines, 11);
}

TEST(ProgressTest, ALineSaysItAll) {
  Progress progress(false);
  progress.Update(At(1000, 1'000'000));
  ProgressState state = At(2000, 3'500'000);
  state.sent = 3'600'000;
  state.lost = 36'000;
  state.generator_lost = 1234;
  state.label = "trial 3";
  EXPECT_EQ(progress.Update(state),
            "   2.0 s  trial 3  sent 3,600,000  received 3,500,000  lost 36,000 (1 %)  2.500 Mpps  p50 12.3 us  "
            "p99 99.0 us  generator lost 1,234\n");
}

TEST(ProgressTest, ATerminalsLineIsWrittenOver) {
  Progress progress(true);
  const std::string first = progress.Update(At(1000, 1'000'000'000));
  EXPECT_EQ(first.front(), '\r');
  EXPECT_EQ(first.find('\n'), std::string::npos);
  EXPECT_EQ(progress.Update(At(1100, 1)), "");
  const std::string shorter = progress.Update(At(1200, 1));
  EXPECT_EQ(shorter.size(), first.size());  // Spaces cover the rest.
  EXPECT_EQ(shorter.back(), ' ');
}

TEST(ProgressTest, FinishEndsTheLineWithTheWholesMean) {
  Progress progress(true);
  progress.Update(At(1000, 5'000'000));
  const std::string last = progress.Finish(At(2000, 6'000'000));
  EXPECT_EQ(last.back(), '\n');
  EXPECT_NE(last.find("3.000 Mpps"), std::string::npos) << last;
  EXPECT_NE(progress.Update(At(0, 0)), "");  // The next load begins anew.
}

TEST(ProgressTest, NothingYetIsNoDivisionByZero) {
  Progress progress(false);
  EXPECT_EQ(progress.Update({}), "   0.0 s  sent 0  received 0  lost 0 (0)  0.000 Mpps\n");
}

}  // namespace
}  // namespace bench
