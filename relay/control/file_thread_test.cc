#include "relay/control/file_thread.h"

#include <gtest/gtest.h>

#include <future>

#include "relay/control/http_test_server.h"

namespace relay {
namespace {

TEST(FileThreadTest, WorkIsDoneThereAndItsEndHere) {
  boost::asio::io_context io;
  std::vector<int> order;
  std::thread::id worked_on;
  {
    FileThread files(io);
    for (const int i : {1, 2}) {
      files.Post([&order, &worked_on, i] {
        worked_on = std::this_thread::get_id();
        return [&order, i] { order.push_back(i); };
      });
    }
    while (order.size() < 2) io.run_one_for(std::chrono::seconds(10)), io.restart();
  }
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
  EXPECT_NE(worked_on, std::this_thread::get_id());
}

TEST(FileThreadTest, WorkThatDoesNotEndIsLeftBehind) {
  boost::asio::io_context io;
  std::promise<void> started, gate;
  auto called = std::make_shared<bool>(false);
  const std::weak_ptr<bool> kept = called;
  {
    FileThread files(io);
    files.Post([&started, opened = gate.get_future().share(), called = std::move(called)] {
      started.set_value();
      opened.wait();
      return [called] { *called = true; };
    });
    started.get_future().wait();
  }  // Without the thread's end.
  EXPECT_FALSE(kept.expired());
  gate.set_value();
  EXPECT_TRUE(Await([&] { return kept.expired(); }));
  EXPECT_EQ(io.poll(), 0u);
}

}  // namespace
}  // namespace relay
