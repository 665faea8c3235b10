#include "ingress/event_loop.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <system_error>

namespace ingress {
namespace {

Instant ReadClock() { return std::chrono::steady_clock::now(); }

}  // namespace

EventLoop::EventLoop() : epoll_(epoll_create1(EPOLL_CLOEXEC)), wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  now_ = ReadClock();
  epoll_event event{};  // Without a handler: the loop's own.
  event.events = EPOLLIN;
  if (epoll_ < 0 || wake_ < 0 || epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event) != 0) {
    throw std::system_error(errno, std::generic_category(), "epoll");
  }
}

EventLoop::~EventLoop() {
  close(wake_);
  close(epoll_);
}

void EventLoop::Run() {
  while (!std::exchange(stop_, false)) {
    const int count = epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), WaitMs());
    now_ = ReadClock();
    event_count_ = std::max(count, 0);  // EINTR, at worst.
    Dispatch();
    RunTimers();
    RunDeferred();
  }
}

void EventLoop::Dispatch() {
  for (event_next_ = 0; event_next_ < event_count_;) {
    const epoll_event event = events_[static_cast<size_t>(event_next_++)];
    if (event.data.ptr != nullptr) {
      static_cast<Handler*>(event.data.ptr)->OnEvents(event.events);
    } else if (event.events != 0) {  // Else its handler was removed meanwhile.
      RunPosted();
    }
  }
  event_count_ = 0;
}

void EventLoop::Stop() {
  Post([this] { stop_ = true; });
}

void EventLoop::Post(std::function<void()> work) {
  bool first = false;
  {
    const std::lock_guard lock(posted_mutex_);
    first = posted_.empty();
    posted_.push_back(std::move(work));
  }
  const uint64_t one = 1;
  if (first && write(wake_, &one, sizeof(one)) < 0) {
    // EAGAIN: the counter is full, so the loop is about to wake anyway.
  }
}

void EventLoop::RunPosted() {
  uint64_t count = 0;
  if (read(wake_, &count, sizeof(count)) < 0) return;
  std::vector<std::function<void()>> work;
  {
    const std::lock_guard lock(posted_mutex_);
    work.swap(posted_);
  }
  for (const std::function<void()>& one : work) one();
}

bool EventLoop::Add(int fd, uint32_t events, Handler& handler) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &handler;
  return epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0;
}

void EventLoop::Modify(int fd, uint32_t events, Handler& handler) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &handler;
  epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event);
}

void EventLoop::Remove(int fd, Handler& handler) {
  epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
  Forget(handler);
}

void EventLoop::Forget(Handler& handler) {
  for (int i = event_next_; i < event_count_; ++i) {
    epoll_event& event = events_[static_cast<size_t>(i)];
    if (event.data.ptr == &handler) event = {};
  }
}

// Rounded up: a timer that expires too early would make the loop spin until it is due.
int EventLoop::WaitMs() const {
  if (!deferred_.empty()) return 0;
  if (timers_.empty()) return -1;
  const Duration wait = timers_.begin()->first - ReadClock();
  if (wait <= Duration::zero()) return 0;
  return static_cast<int>(std::min<int64_t>(std::chrono::ceil<std::chrono::milliseconds>(wait).count(), 1'000'000));
}

void EventLoop::RunTimers() {
  while (!timers_.empty() && timers_.begin()->first <= now_) {
    Timer& timer = *timers_.begin()->second;
    timer.Cancel();
    // A copy: the function may destroy its timer.
    const std::function<void()> expired = timer.expired_;
    expired();
  }
}

// Those that are scheduled meanwhile wait for the next turn.
void EventLoop::RunDeferred() {
  const size_t count = deferred_.size();
  for (size_t i = 0; i < count; ++i) {
    if (deferred_[i] == nullptr) continue;
    Deferred& deferred = *std::exchange(deferred_[i], nullptr);
    deferred.place_ = Deferred::kNowhere;
    const std::function<void()> work = deferred.work_;
    work();
  }
  deferred_.erase(deferred_.begin(), deferred_.begin() + static_cast<std::ptrdiff_t>(count));
  for (size_t i = 0; i < deferred_.size(); ++i) {
    if (deferred_[i] != nullptr) deferred_[i]->place_ = i;
  }
}

void Timer::SetAt(Instant at) {
  Cancel();
  at_ = std::min(at, Instant::max() - Duration(1));
  loop_.timers_.emplace(at_, this);
}

void Timer::Cancel() {
  if (is_set()) loop_.timers_.erase({std::exchange(at_, Instant::max()), this});
}

void Deferred::Schedule() {
  if (place_ != kNowhere) return;
  place_ = loop_.deferred_.size();
  loop_.deferred_.push_back(this);
}

void Deferred::Cancel() {
  if (place_ != kNowhere) loop_.deferred_[std::exchange(place_, kNowhere)] = nullptr;
}

}  // namespace ingress
