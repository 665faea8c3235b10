#include "relay/control/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace relay {
namespace {

constexpr std::chrono::system_clock::time_point kMoment{std::chrono::milliseconds(1'700'000'000'042)};

TEST(LogTest, WritesLogfmtInUtc) {
  EXPECT_EQ(FormatLogLine(kMoment, LogLevel::kInfo, "ready", {{"udp_port", 40000}, {"api", "[::1]:9640"}}),
            "ts=2023-11-14T22:13:20.042Z level=info msg=\"ready\" udp_port=40000 api=[::1]:9640\n");
}

TEST(LogTest, AValueCannotForgeALineOrAField) {
  EXPECT_EQ(FormatLogLine(kMoment, LogLevel::kWarning, "a \"b\"",
                          {{"empty", ""}, {"evil", "x\nts=0 level=info"}, {"quote", "a\"b\\"}, {"bytes", "\xff\x1b"}}),
            "ts=2023-11-14T22:13:20.042Z level=warning msg=\"a \\\"b\\\"\" empty=\"\" "
            "evil=\"x\\x0ats=0 level=info\" quote=\"a\\\"b\\\\\" bytes=\"\\xff\\x1b\"\n");
}

TEST(LogTest, LevelsByName) {
  EXPECT_EQ(ParseLogLevel("debug"), LogLevel::kDebug);
  EXPECT_EQ(ParseLogLevel("error"), LogLevel::kError);
  EXPECT_EQ(ParseLogLevel("loud"), std::nullopt);
}

TEST(LogTest, ABelowLevelLineIsNotWritten) {
  testing::internal::CaptureStderr();
  SetLogLevel(LogLevel::kWarning);
  Log(LogLevel::kInfo, "hidden");
  Log(LogLevel::kWarning, "seen");
  SetLogLevel(LogLevel::kInfo);
  const std::string output = testing::internal::GetCapturedStderr();
  EXPECT_EQ(output.find("hidden"), std::string::npos);
  EXPECT_NE(output.find("msg=\"seen\""), std::string::npos);
}

// stderr is the writing end of a pipe.
class PipedLogTest : public testing::Test {
 protected:
  PipedLogTest() {
    EXPECT_EQ(pipe(ends_), 0);
    stderr_ = dup(STDERR_FILENO);
    dup2(ends_[1], STDERR_FILENO);
    alarm(30);  // Whoever waits for the pipe's reader waits for ever.
  }
  ~PipedLogTest() override {
    alarm(0);
    dup2(stderr_, STDERR_FILENO);
    for (const int fd : {ends_[0], ends_[1], stderr_}) close(fd);
  }
  void Fill() const {
    const std::string block(4096, 'x');
    fcntl(ends_[1], F_SETFL, O_NONBLOCK);
    while (write(ends_[1], block.data(), block.size()) > 0) {
    }
    fcntl(ends_[1], F_SETFL, 0);
  }
  std::string Drain() const {
    std::string all(1 << 20, '\0');
    fcntl(ends_[0], F_SETFL, O_NONBLOCK);
    size_t size = 0;
    for (ssize_t got = 0; (got = read(ends_[0], all.data() + size, all.size() - size)) > 0;) {
      size += static_cast<size_t>(got);
    }
    all.resize(size);
    return all;
  }

  int ends_[2];
  int stderr_;
};

TEST_F(PipedLogTest, AFullPipeLosesLinesAndTheNextOneCountsThem) {
  Fill();
  Log(LogLevel::kInfo, "lost");
  Log(LogLevel::kInfo, "lost too");
  EXPECT_EQ(Drain().find("lost"), std::string::npos);
  Log(LogLevel::kInfo, "passes", {{"key", 1}});
  Log(LogLevel::kInfo, "the next");
  const std::string log = Drain();
  EXPECT_NE(log.find("msg=\"passes\" key=1 lost_lines=2\n"), std::string::npos) << log;
  EXPECT_NE(log.find("msg=\"the next\"\n"), std::string::npos) << log;
}

TEST_F(PipedLogTest, ALongLineIsCutToWhatAPipeTakesAtOnce) {
  Fill();
  Log(LogLevel::kInfo, "lost");
  Drain();
  Log(LogLevel::kInfo, std::string(10'000, 'y'));
  const std::string log = Drain();
  EXPECT_EQ(log.size(), 4096u);
  EXPECT_TRUE(log.ends_with("y lost_lines=1\n"));
}

TEST(LogLimiterTest, TenASecondAndTheRestIsCounted) {
  LogLimiter limiter;
  const Instant start{std::chrono::hours(1)};
  uint64_t suppressed = 0;
  for (uint32_t i = 0; i < LogLimiter::kPerSecond; ++i) EXPECT_TRUE(limiter.Allow(start, suppressed));
  EXPECT_FALSE(limiter.Allow(start, suppressed));
  EXPECT_FALSE(limiter.Allow(start + std::chrono::milliseconds(999), suppressed));
  EXPECT_TRUE(limiter.Allow(start + std::chrono::seconds(1), suppressed));
  EXPECT_EQ(suppressed, 2u);
}

}  // namespace
}  // namespace relay
