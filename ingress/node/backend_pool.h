// Connections to backends: those that wait for another request, and how many there are.
#ifndef RELAYD_INGRESS_NODE_BACKEND_POOL_H_
#define RELAYD_INGRESS_NODE_BACKEND_POOL_H_

#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <tuple>

#include "ingress/event_loop.h"
#include "ingress/node/serve_config.h"
#include "ingress/stream.h"
#include "relay/core/counters.h"

namespace ingress {

// Written by the pool's loop thread, read by any.
struct BackendCounters {
  relay::Counter requests;       // Sent, or tried to.
  relay::Counter connects;       // Dials.
  relay::Counter reused;         // Requests on a connection that had served another one.
  relay::Counter retried;        // Requests sent again, as the reused connection was closed meanwhile.
  relay::Counter failed;         // No connection, or one that ended without an answer: 502.
  relay::Counter timed_out;      // 504, or cut off within the body.
  relay::Counter bad_responses;  // Not HTTP/1.1 as it has to be: 502, or cut off.
  relay::Counter too_many;       // 503: the backend has kMaxOpen connections.
  relay::Counter cut_off;        // The backend went away within its answer.
  relay::Counter tunnels;        // WebSockets.
};

// One a loop; on its thread. Outlives the responders that use it.
class BackendPool {
 public:
  // A stream that is being connected: its Write says kAgain until it is there, kError if that fails. nullptr: it has
  // failed already.
  using Dial = std::function<std::unique_ptr<Stream>(EventLoop&, const Backend&)>;

  static constexpr size_t kMaxIdle = 16;  // A backend: what a page's requests use at once.
  static constexpr Duration kIdleTime = std::chrono::seconds(60);
  static constexpr size_t kMaxOpen = 256;  // A backend: what small servers bear.

  explicit BackendPool(EventLoop& loop);  // Dials TCP, or TLS over it.
  BackendPool(EventLoop& loop, Dial dial);
  ~BackendPool();
  BackendPool(const BackendPool&) = delete;
  BackendPool& operator=(const BackendPool&) = delete;

  EventLoop& loop() { return loop_; }
  const BackendCounters& counters() const { return counters_; }

 private:
  friend class BackendConnection;
  friend class BackendResponder;

  EventLoop& loop_;
  Dial dial_;
  BackendCounters counters_;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_BACKEND_POOL_H_
