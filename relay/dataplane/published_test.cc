#include "relay/dataplane/published.h"

#include <gtest/gtest.h>

#include <thread>

namespace relay {
namespace {

struct Tracked {
  Tracked() : Tracked(0) {}
  explicit Tracked(int v) : value(v), twice(2 * v) { ++live; }
  Tracked(const Tracked&) = delete;
  Tracked& operator=(const Tracked&) = delete;
  ~Tracked() {
    value = twice = -1;
    --live;
  }

  int value;
  int twice;
  static inline std::atomic<int> live{0};
};

TEST(PublishedTest, BeginsWithADefault) {
  Qsbr qsbr(1);
  const Published<Tracked> published(qsbr);
  EXPECT_EQ(published.Load().value, 0);
}

TEST(PublishedTest, OldValuesLiveUntilEveryWorkerHasMovedOn) {
  Qsbr qsbr(2);
  {
    Published<Tracked> published(qsbr);
    qsbr.Register(0);
    qsbr.Register(1);
    qsbr.Online(0);
    qsbr.Online(1);
    const Tracked& held = published.Load();
    published.Publish(std::make_unique<const Tracked>(1));
    EXPECT_EQ(published.Load().value, 1);
    EXPECT_EQ(published.Latest().value, 1);
    EXPECT_EQ(held.value, 0);
    EXPECT_EQ(Tracked::live, 2);
    qsbr.Quiescent(0);
    published.Reclaim();
    EXPECT_EQ(Tracked::live, 2);  // Worker 1 may hold it.
    qsbr.Offline(1);
    published.Reclaim();
    EXPECT_EQ(Tracked::live, 1);
    // Both are freed by a later Publish: worker 0 has moved on, and the one at rest holds up nobody.
    published.Publish(std::make_unique<const Tracked>(2));
    published.Publish(std::make_unique<const Tracked>(3));
    EXPECT_EQ(Tracked::live, 3);
    qsbr.Quiescent(0);
    published.Reclaim();
    EXPECT_EQ(Tracked::live, 1);
    published.Publish(std::make_unique<const Tracked>(4));  // Worker 0 still has it when all ends.
    qsbr.Unregister(0);
    qsbr.Unregister(1);
  }
  EXPECT_EQ(Tracked::live, 0);
}

TEST(PublishedTest, WorkersNeverSeeAFreedValue) {
  constexpr int kValues = 2000;
  Qsbr qsbr(1);
  Published<Tracked> published(qsbr);
  std::atomic<bool> ready{false};
  std::thread worker([&] {
    qsbr.Register(0);
    qsbr.Online(0);
    ready = true;
    for (int last = 0; last < kValues;) {
      const Tracked& value = published.Load();
      EXPECT_GE(value.value, last);
      last = value.value;
      EXPECT_EQ(value.twice, 2 * last);
      qsbr.Quiescent(0);
    }
    qsbr.Unregister(0);
  });
  while (!ready) std::this_thread::yield();
  for (int i = 1; i <= kValues; ++i) published.Publish(std::make_unique<const Tracked>(i));
  worker.join();
  published.Reclaim();
  EXPECT_EQ(Tracked::live, 1);
}

}  // namespace
}  // namespace relay
