// A byte stream both ways, of a TCP connection or of TLS over one: what a funnel's bytes are read from and written to.
#ifndef RELAYD_INGRESS_STREAM_H_
#define RELAYD_INGRESS_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

namespace ingress {

enum class IoStatus : uint8_t {
  kOk,     // `bytes` of them, at least one.
  kAgain,  // Not now: OnReady's function is called when it is worth another try.
  kEnd,    // Of Read alone: the other side has ended its way (FIN, close_notify). Nothing more comes.
  kError,  // Reset, or TLS broken: nothing works any more.
};

struct IoResult {
  IoStatus status = IoStatus::kAgain;
  size_t bytes = 0;
};

// On its loop's thread. Never waits. Destroyed without Abort it is closed: what was written is still delivered.
class Stream {
 public:
  virtual ~Stream() = default;

  virtual IoResult Read(std::span<char> into) = 0;
  // As many of `bytes` as there is room for.
  virtual IoResult Write(std::string_view bytes) = 0;
  // Ends our way; the other one goes on. kAgain: call again when ready.
  virtual IoResult EndWrite() = 0;
  // The other side gets a reset. Nothing works any more.
  virtual void Abort() = 0;
  // `ready` is called whenever what said kAgain may go on, now and then for nothing, and never from within a call of
  // this object's. It may destroy the stream. Edge-triggered: after kAgain alone it comes again, so who stops earlier
  // (a Deferred goes on) must not wait for it.
  virtual void OnReady(std::function<void()> ready) = 0;
  // The TCP socket, if bytes may be moved past this object (splice) from now on; -1: not, as with TLS.
  virtual int RawFd() const { return -1; }
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_STREAM_H_
