#include "ingress/event_loop.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <thread>

namespace ingress {
namespace {

using std::chrono::milliseconds;

struct Recorder : EventLoop::Handler {
  std::function<void(uint32_t)> on_events;
  int count = 0;
  void OnEvents(uint32_t events) override {
    ++count;
    on_events(events);
  }
};

struct SocketPair {
  SocketPair() { EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0); }
  ~SocketPair() {
    close(fds[0]);
    close(fds[1]);
  }
  void Send() const { EXPECT_EQ(write(fds[1], "x", 1), 1); }
  void Receive() const {
    char byte;
    EXPECT_EQ(read(fds[0], &byte, 1), 1);
  }
  int fds[2];
};

TEST(EventLoopTest, TellsOfReadableDescriptors) {
  EventLoop loop;
  SocketPair pair;
  Recorder handler;
  handler.on_events = [&](uint32_t events) {
    EXPECT_TRUE(events & EPOLLIN);
    pair.Receive();
    loop.Stop();
  };
  ASSERT_TRUE(loop.Add(pair.fds[0], EPOLLIN, handler));
  pair.Send();
  loop.Run();
  EXPECT_EQ(handler.count, 1);
}

TEST(EventLoopTest, TimersExpireInOrderAndNotTooEarly) {
  EventLoop loop;
  std::string order;
  const Instant begin = loop.now();
  Timer second(loop, [&] {
    order += '2';
    EXPECT_GE(loop.now() - begin, milliseconds(20));
    loop.Stop();
  });
  Timer first(loop, [&] { order += '1'; });
  Timer never(loop, [&] { order += 'n'; });
  second.Set(milliseconds(20));
  first.Set(milliseconds(5));
  never.Set(milliseconds(1));
  never.Cancel();
  loop.Run();
  EXPECT_EQ(order, "12");
  EXPECT_FALSE(first.is_set());
}

TEST(EventLoopTest, ATimerMayDestroyItselfAndOthers) {
  EventLoop loop;
  auto victim = std::make_unique<Timer>(loop, [] { FAIL(); });
  std::unique_ptr<Timer> self;
  self = std::make_unique<Timer>(loop, [&] {
    victim.reset();
    self.reset();
    loop.Stop();
  });
  self->Set(milliseconds(1));
  victim->Set(milliseconds(1) + Duration(1));
  loop.Run();
}

TEST(EventLoopTest, ARemovedHandlerHearsNoMoreOfFetchedEvents) {
  EventLoop loop;
  SocketPair a, b;
  Recorder first, second;
  const auto remove_other = [&loop](SocketPair& own, SocketPair& others, Recorder& other) {
    return [&](uint32_t) {
      own.Receive();
      loop.Remove(others.fds[0], other);
      loop.Stop();
    };
  };
  first.on_events = remove_other(a, b, second);
  second.on_events = remove_other(b, a, first);
  a.Send();
  b.Send();
  ASSERT_TRUE(loop.Add(a.fds[0], EPOLLIN, first));
  ASSERT_TRUE(loop.Add(b.fds[0], EPOLLIN, second));
  loop.Run();
  EXPECT_EQ(first.count + second.count, 1);
}

TEST(EventLoopTest, DeferredWorkWaitsForTheNextTurnAndRunsOnce) {
  EventLoop loop;
  int runs = 0;
  Deferred again(loop, [&] {
    if (++runs == 3) return loop.Stop();
    again.Schedule();
    again.Schedule();
  });
  Deferred cancelled(loop, [] { FAIL(); });
  cancelled.Schedule();
  again.Schedule();
  cancelled.Cancel();
  loop.Run();
  EXPECT_EQ(runs, 3);
}

TEST(EventLoopTest, WorkIsPostedFromOtherThreads) {
  EventLoop loop;
  int sum = 0;  // Of the loop's thread.
  std::thread poster([&] {
    for (int i = 1; i <= 1000; ++i) loop.Post([&sum, i] { sum += i; });
    loop.Stop();
  });
  loop.Run();
  poster.join();
  EXPECT_EQ(sum, 500500);
}

}  // namespace
}  // namespace ingress
