// A pseudo terminal in place of stdin and stdout; what is written there is read from its other end.
#include "relay/ctl/terminal.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <memory>

namespace relay::ctl {
namespace {

using testing::HasSubstr;
using testing::Not;
using Event = Terminal::Event;

class TerminalTest : public testing::Test {
 protected:
  void SetUp() override {
    winsize size{};
    size.ws_row = 4;
    size.ws_col = 10;
    int slave = -1;
    ASSERT_EQ(openpty(&master_, &slave, nullptr, nullptr, &size), 0);
    std::fflush(stdout);
    for (const int fd : {0, 1}) {
      saved_[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
      dup2(slave, fd);
    }
    close(slave);
    ASSERT_EQ(tcgetattr(0, &before_), 0);
  }
  void TearDown() override {
    std::fflush(stdout);
    for (const int fd : {0, 1}) {
      dup2(saved_[fd], fd);
      close(saved_[fd]);
    }
    close(master_);
  }

  void Type(const std::string& keys) const {
    ASSERT_EQ(write(master_, keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
  }
  // What the terminal was sent up to now.
  std::string Shown() const {
    std::string shown;
    std::array<char, 4096> chunk;
    pollfd polled{.fd = master_, .events = POLLIN, .revents = 0};
    while (poll(&polled, 1, 0) == 1 && (polled.revents & POLLIN) != 0) {
      const ssize_t count = read(master_, chunk.data(), chunk.size());
      if (count <= 0) break;
      shown.append(chunk.data(), static_cast<size_t>(count));
    }
    return shown;
  }
  static Event Wait(Terminal& terminal, std::chrono::milliseconds time = std::chrono::seconds(20)) {
    return terminal.WaitUntil(std::chrono::steady_clock::now() + time);
  }

  int master_ = -1;
  std::array<int, 2> saved_{};
  termios before_{};
};

TEST_F(TerminalTest, LeavesTheTerminalAsItWas) {
  {
    const Terminal terminal;
    termios now{};
    ASSERT_EQ(tcgetattr(0, &now), 0);
    EXPECT_EQ(now.c_lflag & (ICANON | ECHO | ISIG), 0u);
    EXPECT_THAT(Shown(), HasSubstr("\x1b[?1049h"));
  }
  termios after{};
  ASSERT_EQ(tcgetattr(0, &after), 0);
  EXPECT_EQ(after.c_lflag, before_.c_lflag);
  EXPECT_THAT(Shown(), HasSubstr("\x1b[?25h\x1b[?1049l"));
  sigset_t mask;
  ASSERT_EQ(sigprocmask(SIG_BLOCK, nullptr, &mask), 0);
  EXPECT_FALSE(sigismember(&mask, SIGINT));
}

TEST_F(TerminalTest, DrawsWhatFits) {
  const Terminal terminal;
  EXPECT_TRUE(terminal.is_screen());
  Shown();
  ASSERT_TRUE(terminal.Draw({"one", "0123456789abc", "three", "four", "five"}));
  const std::string full = Shown();
  EXPECT_THAT(full, HasSubstr("\x1b[Hone\x1b[K"));
  EXPECT_THAT(full, HasSubstr("0123456789\r"));
  EXPECT_THAT(full, Not(HasSubstr("five")));
  EXPECT_THAT(full, Not(HasSubstr("\x1b[J")));
  ASSERT_TRUE(terminal.Draw({"one"}));
  EXPECT_THAT(Shown(), HasSubstr("\x1b[J"));
}

TEST_F(TerminalTest, ANewSizeIsAnEventAndCounts) {
  Terminal terminal;
  winsize size{};
  size.ws_row = 40;
  size.ws_col = 100;
  ASSERT_EQ(ioctl(master_, TIOCSWINSZ, &size), 0);
  raise(SIGWINCH);  // The kernel sends it to the foreground of a session, which a test is not.
  EXPECT_EQ(Wait(terminal), Event::kResized);
  Shown();
  ASSERT_TRUE(terminal.Draw({"0123456789abc"}));
  EXPECT_THAT(Shown(), HasSubstr("0123456789abc"));
}

TEST_F(TerminalTest, EndsOnKeysAndSignals) {
  for (const std::string keys : {"q", "Q", "\x03", "xyzq"}) {
    Terminal terminal;
    Type(keys);
    EXPECT_EQ(Wait(terminal), Event::kQuit) << keys;
  }
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    Terminal terminal;
    raise(number);
    EXPECT_EQ(Wait(terminal), Event::kQuit) << number;
  }
}

TEST_F(TerminalTest, OtherKeysAreNothing) {
  Terminal terminal;
  Type("abc\x1a");
  EXPECT_EQ(Wait(terminal, std::chrono::milliseconds(20)), Event::kTimeout);
}

TEST_F(TerminalTest, EndsWhenTheTerminalIsGone) {
  auto terminal = std::make_unique<Terminal>();
  close(master_);
  EXPECT_EQ(Wait(*terminal), Event::kQuit);
  terminal.reset();
  clearerr(stdout);
  master_ = -1;
}

}  // namespace
}  // namespace relay::ctl
