// Connections to backends: those that wait for another request, and how many there are.
#ifndef RELAYD_INGRESS_NODE_BACKEND_POOL_H_
#define RELAYD_INGRESS_NODE_BACKEND_POOL_H_

#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>

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
  relay::Counter client_gone;    // The client did, within the request or the answer.
  relay::Counter tunnels;        // WebSockets, as they begin.
};

// How long things may take. Tests have less patience.
struct BackendTimes {
  Duration connect = std::chrono::seconds(5);  // With TLS's handshake.
  // Without a byte either way. A long poll or a report may take its time, and events may be rare.
  Duration quiet = std::chrono::minutes(5);
  Duration idle = std::chrono::seconds(60);  // Servers close theirs after 5 to 75 s.
  Duration burst = std::chrono::seconds(1);  // Idle ones beyond kMaxIdle.
};

class BackendConnection;

// One a loop; on its thread. Outlives the responders that use it.
class BackendPool {
 public:
  // A stream that is being connected: its Write says kAgain until it is there, kError if that fails. nullptr: it has
  // failed already.
  using Dial = std::function<std::unique_ptr<Stream>(EventLoop&, const Backend&)>;

  static constexpr size_t kMaxIdle = 16;   // A backend: what the requests of one page need at once.
  static constexpr size_t kMaxOpen = 256;  // A backend, those in use and idle: what small servers bear.

  BackendPool(EventLoop& loop, Dial dial, BackendTimes times = {});
  ~BackendPool();
  BackendPool(const BackendPool&) = delete;
  BackendPool& operator=(const BackendPool&) = delete;

  EventLoop& loop() { return loop_; }
  const BackendCounters& counters() const { return counters_; }
  size_t open() const;  // Connections, of all backends.
  size_t idle() const;

 private:
  friend class BackendConnection;
  friend class BackendResponder;

  // What is alike may share connections.
  struct Key {
    AddrPort addr;
    bool tls, verify;
    std::string host;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  struct Slot {
    size_t open = 0;
    std::list<std::unique_ptr<BackendConnection>> idle;  // The one that waits longest first.
  };
  using Slots = std::map<Key, Slot>;

  // An idle connection, unless it is to be a fresh one, or else one that is being dialed. nullptr: kMaxOpen are open.
  std::unique_ptr<BackendConnection> Take(const Backend& backend, bool fresh);
  // For another request.
  void GiveBack(std::unique_ptr<BackendConnection> connection);
  void OnIdleReady(BackendConnection& connection);
  Instant ExpiryOf(const Slot& slot) const;  // Of its next one; Instant::max(): none.
  void Expire();
  void Closed(Slots::iterator slot);

  EventLoop& loop_;
  Dial dial_;
  const BackendTimes times_;
  BackendCounters counters_;
  Slots slots_;
  Instant next_expiry_ = Instant::max();  // When expiry_ is set for.
  Timer expiry_;
};

// One connection, which counts as long as it lives.
class BackendConnection {
 public:
  BackendConnection(BackendPool& pool, BackendPool::Slots::iterator slot);
  ~BackendConnection();
  BackendConnection(const BackendConnection&) = delete;
  BackendConnection& operator=(const BackendConnection&) = delete;

  Stream* stream() { return stream_.get(); }                           // nullptr: the dial failed at once.
  std::unique_ptr<Stream> TakeStream() { return std::move(stream_); }  // It still counts here.
  bool is_reused() const { return reused_; }

 private:
  friend class BackendPool;

  BackendPool& pool_;
  BackendPool::Slots::iterator slot_;
  std::unique_ptr<Stream> stream_;
  bool reused_ = false;
  Instant idle_since_;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_BACKEND_POOL_H_
