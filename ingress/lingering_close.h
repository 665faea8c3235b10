// Closing without losing the last word: a socket that is closed while bytes from the other side are unread, or still
// come, is reset, and a reset takes back even what was sent before it.
#ifndef RELAYD_INGRESS_LINGERING_CLOSE_H_
#define RELAYD_INGRESS_LINGERING_CLOSE_H_

#include <chrono>
#include <list>
#include <memory>
#include <string>

#include "ingress/event_loop.h"
#include "relay/control/fd.h"
#include "relay/core/counters.h"

namespace ingress {

// On its loop's thread; the loop outlives it. What still lingers when it ends is closed at once.
class LingeringCloser {
 public:
  // So long the other side has to read our end and to send its own.
  static constexpr Duration kTime = std::chrono::seconds(2);
  static constexpr size_t kMost = 1024;  // Beyond, the oldest is closed at once.

  explicit LingeringCloser(EventLoop& loop);
  ~LingeringCloser();
  LingeringCloser(const LingeringCloser&) = delete;
  LingeringCloser& operator=(const LingeringCloser&) = delete;

  // Sends `unsent` and a FIN, then drops what comes until the other side's FIN. `fd` is on no loop.
  void Close(relay::Fd fd, std::string unsent);
  size_t size() const { return size_.Get(); }  // Any thread.

 private:
  class Closing;

  void Forget(std::list<std::unique_ptr<Closing>>::iterator closing);
  void Expire();

  EventLoop& loop_;
  std::list<std::unique_ptr<Closing>> closing_;  // The oldest first.
  relay::Counter size_;                          // Of closing_.
  Timer timer_;                                  // Of the oldest.
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_LINGERING_CLOSE_H_
