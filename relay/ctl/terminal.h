// Stdout as a screen, if it is a terminal, and what ends or disturbs a live view: keys, signals, a new size.
#ifndef RELAYD_RELAY_CTL_TERMINAL_H_
#define RELAYD_RELAY_CTL_TERMINAL_H_

#include <signal.h>
#include <termios.h>

#include <chrono>
#include <string>
#include <vector>

namespace relay::ctl {

// One at a time. While it lives SIGINT, SIGTERM, SIGHUP and SIGWINCH are events, and a terminal is in its hands.
class Terminal {
 public:
  Terminal();
  ~Terminal();  // As it was before.
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  bool is_screen() const { return screen_; }

  // On a screen in place of what was there, cut to its size; else a paragraph, without control sequences. False: stdout
  // does not take it.
  bool Draw(const std::vector<std::string>& lines) const;

  enum class Event { kTimeout, kResized, kQuit };  // kQuit: q, Ctrl-C, a signal that ends programs, or a hangup.
  Event WaitUntil(std::chrono::steady_clock::time_point deadline);

 private:
  bool ReadKeys();
  Event ReadSignal() const;

  const bool screen_;
  bool keys_;  // Stdin is a terminal, too.
  termios before_{};
  sigset_t mask_before_{};
  int signals_ = -1;
};

}  // namespace relay::ctl

#endif  // RELAYD_RELAY_CTL_TERMINAL_H_
