#include "relay/control/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/json.hpp>
#include <thread>

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
            "evil=\"x\\u000ats=0 level=info\" quote=\"a\\\"b\\\\\" bytes=\"\\u00ff\\u001b\"\n");
}

// A reader of JSON, which those of logfmt take their strings from, gets every byte back, as U+0000 to U+00FF.
TEST(LogTest, EveryByteIsQuotedAsJsonHasIt) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string text = {'a', static_cast<char>(byte), '"'};
    std::string quoted;
    AppendQuoted(quoted, text);
    EXPECT_TRUE(std::all_of(quoted.begin(), quoted.end(), [](char c) { return c >= 0x20 && c < 0x7f; })) << quoted;
    boost::system::error_code bad;
    const boost::json::value value = boost::json::parse(quoted, bad);
    ASSERT_FALSE(bad) << quoted;
    std::string want = "a";
    if (byte < 0x80) {
      want += static_cast<char>(byte);
    } else {
      want += static_cast<char>(0xc0 | (byte >> 6));
      want += static_cast<char>(0x80 | (byte & 0x3f));
    }
    EXPECT_EQ(std::string(value.as_string()), want + '"');
  }
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

// Two that look at once would both find room for one, and the second would wait for a reader that may never come.
TEST_F(PipedLogTest, WhoWritesLinesOfItsOwnTakesTurnsWithTheLog) {
  Fill();
  const std::string line = std::string(kMaxStderrBytes - 1, 'z') + '\n';
  std::atomic<bool> stop = false;
  std::atomic<uint64_t> logged = 0, written = 0;
  std::thread log([&] {
    for (; !stop; ++logged) Log(LogLevel::kInfo, line);
  });
  std::thread other([&] {
    for (; !stop; ++written) WriteToStderr(line);
  });
  std::string page(kMaxStderrBytes, '\0');
  for (int i = 0; i < 200; ++i) {
    EXPECT_GT(read(ends_[0], page.data(), page.size()), 0);  // Room for one of them.
    const uint64_t log_goes_on = logged + 3, other_goes_on = written + 3;
    while (logged < log_goes_on || written < other_goes_on) std::this_thread::yield();
  }
  stop = true;
  log.join();
  other.join();
  Drain();
  Log(LogLevel::kInfo, "says how many were lost, so that the next test need not");
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
