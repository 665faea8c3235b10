#include "relay/ctl/terminal.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <string_view>

namespace relay::ctl {
namespace {

constexpr char kCtrlC = 3;
constexpr char kCtrlD = 4;
constexpr char kEnterScreen[] = "\x1b[?1049h\x1b[?25l";  // The alternate screen, no cursor.
constexpr char kLeaveScreen[] = "\x1b[?25h\x1b[?1049l";
constexpr char kHome[] = "\x1b[H";
constexpr char kClearLine[] = "\x1b[K";
constexpr char kClearBelow[] = "\x1b[J";

// Rows and columns; a terminal that does not know them gets the size that all once had.
std::array<size_t, 2> ScreenSize() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0) return {24, 80};
  return {size.ws_row, size.ws_col};
}

bool Write(std::string_view text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
}

}  // namespace

Terminal::Terminal() : screen_(isatty(STDOUT_FILENO) == 1), keys_(screen_ && isatty(STDIN_FILENO) == 1) {
  sigset_t events;
  sigemptyset(&events);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGWINCH}) sigaddset(&events, number);
  sigprocmask(SIG_BLOCK, &events, &mask_before_);
  signals_ = signalfd(-1, &events, SFD_CLOEXEC | SFD_NONBLOCK);
  keys_ = keys_ && tcgetattr(STDIN_FILENO, &before_) == 0;
  if (keys_) {
    termios raw = before_;
    // Keys at once and not shown; Ctrl-C is one of them, and Ctrl-Z does not leave the screen behind.
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  }
  if (screen_) Write(kEnterScreen);
}

Terminal::~Terminal() {
  if (screen_) Write(kLeaveScreen);
  if (keys_) tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  if (signals_ >= 0) close(signals_);
  sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
}

bool Terminal::Draw(const std::vector<std::string>& lines) const {
  std::string text;
  if (!screen_) {
    for (const std::string& line : lines) text += line + "\n";
    return Write(text + "\n");
  }
  const auto [rows, columns] = ScreenSize();
  text = kHome;
  for (size_t i = 0; i < std::min(lines.size(), rows); ++i) {
    if (i > 0) text += "\r\n";
    text += lines[i].substr(0, columns);
    // After a full line the cursor stands on its last column still.
    if (lines[i].size() < columns) text += kClearLine;
  }
  if (lines.size() < rows) text += std::string("\r\n") + kClearBelow;
  return Write(text);
}

Terminal::Event Terminal::WaitUntil(std::chrono::steady_clock::time_point deadline) {
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    std::array<pollfd, 2> polled = {{{.fd = signals_, .events = POLLIN, .revents = 0},
                                     {.fd = keys_ ? STDIN_FILENO : -1, .events = POLLIN, .revents = 0}}};
    const int timeout = static_cast<int>(std::max<int64_t>(left.count(), 0));
    const int ready = poll(polled.data(), polled.size(), timeout);
    if (ready < 0 && errno != EINTR) return Event::kQuit;
    if (polled[0].revents != 0) {
      if (const Event event = ReadSignal(); event != Event::kTimeout) return event;
    }
    if (polled[1].revents != 0 && !ReadKeys()) return Event::kQuit;
    if (ready == 0 && left.count() <= 0) return Event::kTimeout;
  }
}

Terminal::Event Terminal::ReadSignal() const {
  signalfd_siginfo info{};
  if (read(signals_, &info, sizeof(info)) != sizeof(info)) return Event::kTimeout;
  return info.ssi_signo == SIGWINCH ? Event::kResized : Event::kQuit;
}

// False: it is time to go.
bool Terminal::ReadKeys() {
  std::array<char, 64> keys;
  const ssize_t count = read(STDIN_FILENO, keys.data(), keys.size());
  if (count <= 0) return count < 0 && (errno == EINTR || errno == EAGAIN);
  return std::none_of(keys.begin(), keys.begin() + count,
                      [](char key) { return key == 'q' || key == 'Q' || key == kCtrlC || key == kCtrlD; });
}

}  // namespace relay::ctl
