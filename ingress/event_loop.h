// One thread's readiness loop: descriptors (epoll), timers, and work that others hand over. Frontend threads and
// funnel-node each run their connections on one; nothing on it waits.
#ifndef RELAYD_INGRESS_EVENT_LOOP_H_
#define RELAYD_INGRESS_EVENT_LOOP_H_

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "relay/core/time.h"

namespace ingress {

using relay::Duration;
using relay::Instant;

// All on the loop's thread, or before it runs, but for Post and Stop.
class EventLoop {
 public:
  // Of a descriptor. An object may handle several descriptors by having several of these.
  class Handler {
   public:
    virtual ~Handler() = default;
    // EPOLLIN and so on, as epoll reports them. May close descriptors and destroy handlers, its own too.
    virtual void OnEvents(uint32_t events) = 0;
  };

  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  void Run();   // Until Stop, after which it may be called again. The caller's thread is the loop's.
  void Stop();  // Any thread.
  // Any thread: runs `work` on the loop's thread. What was posted before Stop and has not run is dropped with the loop.
  void Post(std::function<void()> work);

  // `events` as epoll_ctl takes them (EPOLLET, EPOLLEXCLUSIVE too). The handler outlives its place here. False: the
  // kernel's limit is reached (errno).
  bool Add(int fd, uint32_t events, Handler& handler);
  void Modify(int fd, uint32_t events, Handler& handler);
  // No event reaches `handler` any more, not even one that was fetched already. Before the descriptor is closed.
  void Remove(int fd, Handler& handler);
  // The same for a descriptor that is closed next and has no duplicate: the kernel forgets it then, which saves a call.
  void Forget(Handler& handler);

  // Read once a turn of the loop.
  Instant now() const { return now_; }

 private:
  friend class Timer;
  friend class Deferred;
  static constexpr size_t kEvents = 256;  // A turn's.

  void RunTimers();
  void RunDeferred();
  void RunPosted();
  void Dispatch();
  int WaitMs() const;

  int epoll_;
  int wake_;  // An eventfd.
  Instant now_;
  bool stop_ = false;
  std::array<epoll_event, kEvents> events_;
  int event_next_ = 0, event_count_ = 0;  // What of events_ is yet to be dispatched.
  absl::btree_set<std::pair<Instant, class Timer*>> timers_;
  std::vector<class Deferred*> deferred_;  // For the next turn; nullptr: cancelled.
  std::mutex posted_mutex_;
  std::vector<std::function<void()>> posted_;
};

// Calls its function once after a time, on the loop's thread. The loop outlives it.
class Timer {
 public:
  Timer(EventLoop& loop, std::function<void()> expired) : loop_(loop), expired_(std::move(expired)) {}
  ~Timer() { Cancel(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void Set(Duration after) { SetAt(loop_.now() + after); }  // Replaces what was set.
  void SetAt(Instant at);
  void Cancel();
  bool is_set() const { return at_ != Instant::max(); }

 private:
  friend class EventLoop;

  EventLoop& loop_;
  std::function<void()> expired_;
  Instant at_ = Instant::max();  // Not set.
};

// Work put off to the next turn, behind the events that wait meanwhile: what would keep the loop from others is cut
// into such turns. The loop outlives it.
class Deferred {
 public:
  Deferred(EventLoop& loop, std::function<void()> work) : loop_(loop), work_(std::move(work)) {}
  ~Deferred() { Cancel(); }
  Deferred(const Deferred&) = delete;
  Deferred& operator=(const Deferred&) = delete;

  void Schedule();  // Once, however often it is asked for before it runs.
  void Cancel();

 private:
  friend class EventLoop;
  static constexpr size_t kNowhere = SIZE_MAX;

  EventLoop& loop_;
  std::function<void()> work_;
  size_t place_ = kNowhere;  // In the loop's list.
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_EVENT_LOOP_H_
