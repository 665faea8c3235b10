// The kernel path without TAP interfaces: what goes out of kernel sockets, and the rings and the thread behind both.
#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

#include "relay/dataplane/kernel_path_fixture.h"

namespace relay {
namespace {

using testing::ElementsAre;

// As Await, in step with the other thread to the nanosecond where there are cores for both.
bool AwaitBusily(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  for (uint64_t spin = 1; !condition(); ++spin) {
    if (spin % 10'000 != 0) continue;
    std::this_thread::yield();
    if (std::chrono::steady_clock::now() > deadline) return false;
  }
  return true;
}

TEST_F(KernelPathTest, PayloadsAreSentAndCounted) {
  OpenBare();
  path_->Start();
  for (const char* payload : {"one", "!two", "three", "+four"}) ASSERT_TRUE(path_->ToSocket(0, MakePayload(payload)));
  ASSERT_TRUE(path_->ToSocket(0, MakePayload("in three pieces", 3)));
  EXPECT_TRUE(AllReclaimed());
  EXPECT_THAT(sent_, ElementsAre("198.18.0.9:9 one", "198.18.0.9:9 three", "198.18.0.9:9 in three pieces"));
  EXPECT_EQ(Forwarded(), 3u);
  EXPECT_EQ(path_->counters().forwarded_bytes[1][0].Get(), 3u + 5u + 15u);
  EXPECT_EQ(SendFailed(), 1u);
  EXPECT_EQ(Dropped(DropReason::kTooBig), 1u);
}

TEST_F(KernelPathTest, WithoutTapsThereAreOnlySockets) {
  OpenBare();
  EXPECT_FALSE(path_->HasTap(0));
  rte_mbuf* m = MakeUdp("for nobody");
  EXPECT_EQ(path_->ToTap(0, 0, &m, 1), 0);
  rte_pktmbuf_free(m);
  EXPECT_EQ(ports_[0].kernel_interface.Get(), 0u);
}

TEST_F(KernelPathTest, WhatDoesNotFitStaysTheCallers) {
  constexpr uint32_t kRing = 8;
  OpenBare({.ring_size = kRing});
  for (uint32_t i = 0; i < kRing; ++i) ASSERT_TRUE(path_->ToSocket(0, MakePayload(std::to_string(i))));
  rte_mbuf* const more = MakePayload("more");
  EXPECT_FALSE(path_->ToSocket(0, more));
  path_->Start();
  EXPECT_TRUE(Await([&] { return Forwarded() == kRing; }));
  EXPECT_TRUE(path_->ToSocket(0, more));  // There is room without a poll: it frees what is done.
  EXPECT_TRUE(AllReclaimed());
  EXPECT_EQ(Forwarded(), kRing + 1);
}

// In every round the two threads meet in the sending of a first payload; then the kernel path's goes to sleep while a
// second one comes. Who is first by how much shifts from round to round, by nanoseconds. A wake-up lost once hangs.
TEST_F(KernelPathTest, TheThreadWakesWheneverThereIsWork) {
  constexpr uint64_t kRounds = 20'000;
  const auto enough = std::chrono::steady_clock::now() + std::chrono::seconds(4);
  std::atomic<uint64_t> arrived{0};
  std::atomic<uint64_t> released{0};
  std::atomic<uint64_t> sent{0};
  const auto dawdle = [](uint64_t spins) {
    for (; spins > 0; --spins) asm volatile("");
  };
  path_ = KernelPath::Open({.tap = false}, ports_, {0}, [&](const Path&, std::span<const uint8_t> payload) {
            if (payload[0] == '1') {
              const uint64_t round = arrived.fetch_add(1) + 1;
              AwaitBusily([&] { return released >= round; });
              dawdle(round % 37 * 40);
            }
            sent.fetch_add(1);
            return true;
          }).value();
  path_->Start();
  for (uint64_t round = 1; round <= kRounds && std::chrono::steady_clock::now() < enough; ++round) {
    rte_mbuf* const second = MakePayload("2");
    ASSERT_TRUE(path_->ToSocket(0, MakePayload("1")));
    ASSERT_TRUE(AwaitBusily([&] { return arrived >= round; })) << "asleep in round " << round;
    released = round;
    dawdle(round % 41 * 40);
    ASSERT_TRUE(path_->ToSocket(0, second));
    ASSERT_TRUE(AwaitBusily([&] { return sent >= 2 * round; })) << "asleep in round " << round;
  }
  EXPECT_TRUE(AllReclaimed());
}

TEST_F(KernelPathTest, StartsAgainWhereItStopped) {
  OpenBare();
  path_->Start();
  path_->Stop();
  ASSERT_TRUE(path_->ToSocket(0, MakePayload("while stopped")));
  EXPECT_EQ(Forwarded(), 0u);
  path_->Start();
  EXPECT_TRUE(AllReclaimed());
  EXPECT_EQ(Forwarded(), 1u);
}

TEST_F(KernelPathTest, TheDestructorFreesWhatIsInTheRings) {
  OpenBare({.ring_size = 64});
  path_->Start();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(path_->ToSocket(0, MakePayload("done, and never fetched", 2)));
  EXPECT_TRUE(Await([&] { return Forwarded() == 10; }));
  path_->Stop();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(path_->ToSocket(0, MakePayload("never looked at", 2)));
}

// Each worker on its own thread, as they are.
TEST_F(KernelPathTest, WorkersDoNotMeet) {
  constexpr uint64_t kEach = 1000;
  constexpr uint32_t kWorkers = 2;
  OpenBare({.workers = kWorkers, .ring_size = 32});
  path_->Start();
  std::vector<std::vector<rte_mbuf*>> payloads(kWorkers);
  for (auto& of_worker : payloads) {
    for (uint64_t i = 0; i < kEach; ++i) of_worker.push_back(MakePayload("!"));
  }
  std::vector<std::thread> workers;
  for (uint32_t worker = 0; worker < kWorkers; ++worker) {
    workers.emplace_back([this, worker, &payloads] {
      for (rte_mbuf* const payload : payloads[worker]) {
        while (!path_->ToSocket(worker, payload)) std::this_thread::yield();
        EXPECT_EQ(path_->FromKernel(worker, nullptr, 0), 0);
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  EXPECT_TRUE(Await([&] { return SendFailed() == kWorkers * kEach; }));
}

TEST_F(KernelPathTest, EveryPortNeedsAWorker) {
  EXPECT_FALSE(KernelPath::Open({.tap = false}, ports_, {}, Sender()).ok());
  EXPECT_FALSE(KernelPath::Open({.tap = false, .workers = 2}, ports_, {2}, Sender()).ok());
}

}  // namespace
}  // namespace relay
