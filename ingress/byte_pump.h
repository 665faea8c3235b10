// Copies between two streams, both ways, until both have ended: half-close carried as such, a reset as a reset.
#ifndef RELAYD_INGRESS_BYTE_PUMP_H_
#define RELAYD_INGRESS_BYTE_PUMP_H_

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "ingress/event_loop.h"
#include "ingress/stream.h"

namespace ingress {

// On its loop's thread. A side that takes nothing stops the other one from being read. One buffer serves all pumps of a
// thread: a pump holds bytes of its own only while a side takes none.
class BytePump {
 public:
  enum class End : uint8_t { kDone, kReset, kIdle };
  static constexpr Duration kIdleTime = std::chrono::hours(1);

  // Takes both streams over. `ended` is called once, from the loop; it may destroy the pump, and with it the streams.
  BytePump(EventLoop& loop, std::unique_ptr<Stream> a, std::unique_ptr<Stream> b, Duration idle_time,
           std::function<void(End)> ended);
  ~BytePump();  // Before its end: resets both.
  BytePump(const BytePump&) = delete;
  BytePump& operator=(const BytePump&) = delete;

 private:
  // One direction.
  struct Way {
    Stream* from;
    Stream* to;
    std::string held;  // What `to` had no room for.
    bool read_end = false;
    bool done = false;  // Its end has been passed on.
  };
  enum class Visit : uint8_t { kWaits, kMore, kReset };

  void OnReady();
  Visit Move(Way& way);
  bool Drain(Way& way, std::string_view bytes);
  void OnIdle();
  void Finish(End end);

  EventLoop& loop_;
  std::unique_ptr<Stream> a_, b_;
  Way up_, down_;
  const Duration idle_time_;
  Instant last_move_;
  bool reset_ = false;
  std::function<void(End)> ended_;
  Deferred again_;
  Timer idle_;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_BYTE_PUMP_H_
