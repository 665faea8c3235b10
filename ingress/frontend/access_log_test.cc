#include "ingress/frontend/access_log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace ingress {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

AccessRecord Refusal() { return {.client = *AddrPort::Parse("192.0.2.1:1"), .reason = "not_tls", .refused = true}; }

class AccessLogTest : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::remove(path_);
    absl::StatusOr<std::unique_ptr<AccessLog>> log = AccessLog::Open(path_);
    ASSERT_TRUE(log.ok()) << log.status();
    log_ = std::move(*log);
  }
  static std::string Read(const std::string& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }

  std::string path_ = testing::TempDir() + "access_log_test." + std::to_string(getpid());
  std::unique_ptr<AccessLog> log_;
  EventLoop loop_;
};

TEST(AccessLineTest, SaysAllOfAConnection) {
  const AccessRecord record{.time = std::chrono::system_clock::time_point(milliseconds(1'700'000'000'042)),
                            .client = *AddrPort::Parse("[2001:db8::5]:1234"),
                            .name = "node.example",
                            .port = 443,
                            .node = AddrPort::Parse("198.19.0.7:9640"),
                            .reason = "done",
                            .duration = milliseconds(61'500),
                            .bytes_to_node = 517,
                            .bytes_to_client = 12'345'678'901,
                            .hello = microseconds(1234),
                            .dial = microseconds(56)};
  EXPECT_EQ(FormatAccessLine(record),
            R"({"time":"2023-11-14T22:13:20.042Z","client":"[2001:db8::5]:1234","name":"node.example","port":443,)"
            R"("node":"198.19.0.7:9640","reason":"done","duration_s":61.500,"bytes_to_node":517,)"
            R"("bytes_to_client":12345678901,"hello_ms":1.234,"dial_ms":0.056})"
            "\n");
}

TEST(AccessLineTest, SaysWhatIsNotKnownAndWhatWasLeftOut) {
  AccessRecord record = Refusal();
  record.suppressed = 7;
  const std::string line = FormatAccessLine(record);
  EXPECT_THAT(line, testing::HasSubstr(R"("name":"","port":0,"node":"","reason":"not_tls")"));
  EXPECT_THAT(line, testing::HasSubstr(R"("hello_ms":null,"dial_ms":null,"suppressed":7})"));
}

TEST(AccessLineTest, EscapesWhatWouldEndAString) {
  AccessRecord record = Refusal();
  record.name = "a\"b\\c\n\xff";
  EXPECT_THAT(FormatAccessLine(record), testing::HasSubstr(R"("name":"a\"b\\c\u000a\u00ff")"));
}

TEST_F(AccessLogTest, WritesATurnsLinesAtOnce) {
  AccessLogBuffer buffer(*log_, loop_);
  AccessRecord record = Refusal();
  record.refused = false;
  for (int i = 0; i < 100; ++i) buffer.Add(record);
  loop_.Stop();
  loop_.Run();
  const std::string text = Read(path_);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 100);
  EXPECT_EQ(text.size(), 100 * FormatAccessLine(record).size());
}

TEST_F(AccessLogTest, RefusalsAreFewALine) {
  {
    AccessLogBuffer buffer(*log_, loop_);
    for (int i = 0; i < 1000; ++i) {
      AccessRecord record = Refusal();
      buffer.Add(record);
    }
  }
  const std::string text = Read(path_);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), relay::LogLimiter::kPerSecond);
  uint64_t suppressed = 0;
  EXPECT_TRUE(log_->AllowRefusal(loop_.now() + std::chrono::seconds(1), suppressed));
  EXPECT_EQ(suppressed, 1000 - relay::LogLimiter::kPerSecond);
}

TEST_F(AccessLogTest, GoesOnInANewFileAfterReopen) {
  log_->Write("one\n", 1);
  const std::string moved = path_ + ".1";
  std::filesystem::rename(path_, moved);
  log_->Write("two\n", 1);
  ASSERT_TRUE(log_->Reopen().ok());
  log_->Write("three\n", 1);
  EXPECT_EQ(Read(moved), "one\ntwo\n");
  EXPECT_EQ(Read(path_), "three\n");
}

TEST_F(AccessLogTest, AFullPipeLosesLinesAndHoldsUpNobody) {
  const std::string fifo = path_ + ".fifo";
  std::filesystem::remove(fifo);
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const relay::Fd reader(open(fifo.c_str(), O_RDONLY | O_NONBLOCK));
  absl::StatusOr<std::unique_ptr<AccessLog>> log = AccessLog::Open(fifo);
  ASSERT_TRUE(log.ok()) << log.status();
  const std::string line(1024, '\n');
  for (int i = 0; i < 100; ++i) (*log)->Write(line, 1);
  EXPECT_GE((*log)->lost(), 30u);
}

TEST_F(AccessLogTest, AFolderIsNoLog) {
  const absl::Status status = AccessLog::Open(testing::TempDir()).status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("--access_log"));
}

}  // namespace
}  // namespace ingress
