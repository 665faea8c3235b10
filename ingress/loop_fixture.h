// For tests: a loop that runs on a thread of its own, while the test says what happens there and waits for what has to.
#ifndef RELAYD_INGRESS_LOOP_FIXTURE_H_
#define RELAYD_INGRESS_LOOP_FIXTURE_H_

#include <chrono>
#include <functional>
#include <future>
#include <optional>
#include <thread>

#include "ingress/event_loop.h"

namespace ingress {

// What lives on the loop is made, used and destroyed within Do.
class LoopThread {
 public:
  LoopThread() : thread_([this] { loop_.Run(); }) {}
  ~LoopThread() {
    loop_.Stop();
    thread_.join();
  }

  EventLoop& loop() { return loop_; }

  void Do(const std::function<void()>& work) {
    std::promise<void> done;
    loop_.Post([&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }

  // False: it has not come true in a time that is far more than enough.
  bool Await(const std::function<bool()>& condition) {
    std::promise<bool> result;
    std::optional<Timer> again;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    std::function<void()> check = [&] {
      const bool holds = condition();
      if (!holds && std::chrono::steady_clock::now() < deadline) return again->Set(std::chrono::milliseconds(1));
      again.reset();
      result.set_value(holds);
    };
    loop_.Post([&] {
      again.emplace(loop_, [&] { check(); });
      check();
    });
    return result.get_future().get();
  }

 private:
  EventLoop loop_;
  std::thread thread_;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_LOOP_FIXTURE_H_
