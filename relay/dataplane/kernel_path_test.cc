// The kernel path with real TAP interfaces, in a network namespace of the test's own; the test is the worker.
#include "relay/dataplane/kernel_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <rte_eal.h>
#include <rte_mempool.h>
#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <string>
#include <thread>

#include "relay/dataplane/kernel_fixture.h"
#include "relay/dataplane/mbuf.h"

namespace relay {
namespace {

using testing::ElementsAre;

constexpr Mac kOurs = {0x02, 0, 0, 0, 0x18, 0x01};
constexpr Mac kPeer = {0x02, 0, 0, 0, 0x18, 0x02};
constexpr uint16_t kPortId = 5;  // DPDK's; there is no such port, and nobody asks.

// Once a process, on a core that we may run on; the thread keeps its affinity.
bool StartEal() {
  static const bool started = [] {
    cpu_set_t cores;
    sched_getaffinity(0, sizeof(cores), &cores);
    std::string core = std::to_string(sched_getcpu());
    std::vector<std::string> words = {"test",     "--no-huge",         "-m", "256", "--no-shconf",
                                      "--no-pci", "--log-level=error", "-l", core};
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    const bool ok = rte_eal_init(static_cast<int>(argv.size()), argv.data()) >= 0;
    sched_setaffinity(0, sizeof(cores), &cores);
    return ok;
  }();
  return started;
}

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

class KernelPathTest : public testing::Test {
 protected:
  static constexpr uint32_t kMbufs = 4095;

  void SetUp() override {
    // Namespaces are entered before EAL starts threads.
    has_tap_ = EnterEmptyNamespace() && access("/dev/net/tun", R_OK | W_OK) == 0;
    ASSERT_TRUE(StartEal());
    pool_ = MakePool("test", kMbufs, 2048, SOCKET_ID_ANY);
    ASSERT_NE(pool_, nullptr);
    ports_.push_back({.id = kPortId, .name = "test", .driver = "test", .mac = kOurs});
  }

  void TearDown() override {
    path_.reset();
    if (pool_ == nullptr) return;
    EXPECT_EQ(rte_mempool_in_use_count(pool_), 0u);
    rte_mempool_free(pool_);
    int others = 0;  // The kernel path's own goes if all its mbufs are back.
    rte_mempool_walk([](rte_mempool*, void* count) { ++*static_cast<int*>(count); }, &others);
    EXPECT_EQ(others, 0);
  }

  // With port 0's TAP at 198.18.0.1/24, and a neighbour at .2.
  void OpenTap(KernelPath::Options options = {}) {
    path_ =
        KernelPath::Open(options, ports_, std::vector<uint32_t>(ports_.size(), options.workers - 1), Sender()).value();
    ASSERT_TRUE(Ip("addr add 198.18.0.1/24 dev relay0"));
    ASSERT_TRUE(Ip("neigh add 198.18.0.2 lladdr 02:00:00:00:18:02 dev relay0 nud permanent"));
  }
  void OpenBare(KernelPath::Options options = {}) {
    options.tap = false;
    path_ = KernelPath::Open(options, ports_, std::vector<uint32_t>(ports_.size()), Sender()).value();
  }

  // Notes what is sent; refuses what begins with '!'.
  KernelPath::SocketSend Sender() {
    return [this](const Path& to, std::span<const uint8_t> payload) {
      if (!payload.empty() && payload[0] == '!') return false;
      const std::lock_guard lock(sent_mutex_);
      sent_.push_back(to.remote.ToString() + " " + std::string(payload.begin(), payload.end()));
      return true;
    };
  }

  // An mbuf of these bytes, in `segments` of about the same size.
  rte_mbuf* Make(std::span<const uint8_t> bytes, size_t segments = 1) {
    rte_mbuf* head = nullptr;
    for (size_t i = 0, at = 0; i < segments; ++i) {
      const size_t size = (bytes.size() - at) / (segments - i);
      rte_mbuf* const m = rte_pktmbuf_alloc(pool_);
      std::memcpy(rte_pktmbuf_append(m, static_cast<uint16_t>(size)), bytes.data() + at, size);
      at += size;
      if (head == nullptr) {
        head = m;
      } else {
        EXPECT_EQ(rte_pktmbuf_chain(head, m), 0);
      }
    }
    return head;
  }
  rte_mbuf* MakeUdp(const std::string& payload, size_t segments = 1) {
    return Make(BuildFrame({.to = kOurs,
                            .from = kPeer,
                            .source = At("198.18.0.2:800"),
                            .destination = At("198.18.0.1:700"),
                            .payload = payload}),
                segments);
  }
  rte_mbuf* MakePayload(const std::string& payload, size_t segments = 1) {
    rte_mbuf* const m = Make({reinterpret_cast<const uint8_t*>(payload.data()), payload.size()}, segments);
    MbufNote& note = NoteOf(m);
    note = {};
    note.to.remote = At("198.18.0.9:9");
    note.payload_bytes = static_cast<uint16_t>(payload.size());
    note.transport_in = static_cast<uint8_t>(Transport::kUdp6);
    note.transport_out = static_cast<uint8_t>(Transport::kUdp4);
    return m;
  }

  // Polls as a worker does until a UDP frame comes, and frees what comes.
  std::optional<UdpFrame> NextUdp(uint32_t worker = 0) {
    std::optional<UdpFrame> out;
    Await([&] {
      rte_mbuf* m = nullptr;
      if (path_->FromKernel(worker, &m, 1) == 0) return false;
      EXPECT_EQ(NoteOf(m).kind, MbufNote::Kind::kFromKernel);
      EXPECT_EQ(m->pkt_len, m->data_len);
      out = ParseFrame({rte_pktmbuf_mtod(m, const uint8_t*), rte_pktmbuf_data_len(m)});
      if (out.has_value()) {
        EXPECT_EQ(m->port, kPortId);
      }
      rte_pktmbuf_free(m);
      return out.has_value();
    });
    return out;
  }
  // Polls until all that was given is free again.
  bool AllReclaimed(uint32_t worker = 0) {
    return Await([&] {
      rte_mbuf* m = nullptr;
      if (path_->FromKernel(worker, &m, 1) == 1) rte_pktmbuf_free(m);
      return rte_mempool_in_use_count(pool_) == 0;
    });
  }
  uint64_t Forwarded() const { return path_->counters().forwarded_packets[1][0].Get(); }
  uint64_t SendFailed() const { return path_->counters().dropped[static_cast<size_t>(DropReason::kSendFailed)].Get(); }

  bool has_tap_ = false;
  rte_mempool* pool_ = nullptr;
  std::vector<Port> ports_;
  std::mutex sent_mutex_;
  std::vector<std::string> sent_;
  std::unique_ptr<KernelPath> path_;
};

// ---- Out of kernel sockets.

TEST_F(KernelPathTest, PayloadsAreSentAndCounted) {
  OpenBare();
  path_->Start();
  for (const char* payload : {"one", "!two", "three"}) ASSERT_TRUE(path_->ToSocket(0, MakePayload(payload)));
  ASSERT_TRUE(path_->ToSocket(0, MakePayload("in three pieces", 3)));
  EXPECT_TRUE(AllReclaimed());
  EXPECT_THAT(sent_, ElementsAre("198.18.0.9:9 one", "198.18.0.9:9 three", "198.18.0.9:9 in three pieces"));
  EXPECT_EQ(Forwarded(), 3u);
  EXPECT_EQ(path_->counters().forwarded_bytes[1][0].Get(), 3u + 5u + 15u);
  EXPECT_EQ(SendFailed(), 1u);
}

TEST_F(KernelPathTest, WithoutTapsThereAreOnlySockets) {
  OpenBare();
  EXPECT_FALSE(path_->HasTap(0));
  rte_mbuf* m = MakeUdp("for nobody");
  EXPECT_EQ(path_->ToTap(0, 0, &m, 1), 0);
  rte_pktmbuf_free(m);
  EXPECT_EQ(ports_[0].kernel_interface, 0u);
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
  for (uint64_t round = 1; round <= kRounds; ++round) {
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

// ---- By a TAP.

class KernelPathTapTest : public KernelPathTest {
 protected:
  void SetUp() override {
    KernelPathTest::SetUp();
    if (!has_tap_) GTEST_SKIP() << "no namespace with TAP interfaces for us here";
  }
};

TEST_F(KernelPathTapTest, FramesGoToTheKernelAndComeBack) {
  OpenTap();
  EXPECT_TRUE(path_->HasTap(0));
  EXPECT_FALSE(path_->HasTap(1));
  EXPECT_EQ(ports_[0].kernel_interface, if_nametoindex("relay0"));
  path_->Start();
  const TestSocket socket(At("198.18.0.1:700"));
  for (const std::string& text : {std::string("a"), std::string("bb"), std::string(1472, 'c')}) {
    rte_mbuf* const frame = MakeUdp(text);
    ASSERT_EQ(path_->ToTap(0, 0, &frame, 1), 1);
    EXPECT_EQ(socket.Receive(), text);
    ASSERT_TRUE(socket.Send("re: " + text.substr(0, 1400), At("198.18.0.2:800")));
    const std::optional<UdpFrame> answer = NextUdp();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->payload, "re: " + text.substr(0, 1400));
    EXPECT_TRUE(answer->checksums_right);
    EXPECT_EQ(answer->to, kPeer);
    EXPECT_EQ(answer->from, kOurs);
  }
  EXPECT_EQ(path_->frames().to_tap.Get(), 3u);
  EXPECT_EQ(path_->frames().to_tap_refused.Get(), 0u);
  EXPECT_GE(path_->frames().from_tap.Get(), 3u);
  EXPECT_TRUE(AllReclaimed());
}

TEST_F(KernelPathTapTest, AChainOfSegmentsIsOneFrame) {
  OpenTap();
  path_->Start();
  const TestSocket socket(At("198.18.0.1:700"));
  const std::string text = std::string(700, 'x') + std::string(700, 'y');
  rte_mbuf* const frame = MakeUdp(text, 5);
  ASSERT_EQ(path_->ToTap(0, 0, &frame, 1), 1);
  EXPECT_EQ(socket.Receive(), text);
  EXPECT_TRUE(AllReclaimed());
}

TEST_F(KernelPathTapTest, ABurstIsTakenAsFarAsThereIsRoom) {
  constexpr uint16_t kRing = 8;
  OpenTap({.ring_size = kRing});
  std::vector<rte_mbuf*> burst;
  for (int i = 0; i < 20; ++i) burst.push_back(MakeUdp(std::to_string(i)));
  EXPECT_EQ(path_->ToTap(0, 0, burst.data(), 20), kRing);
  EXPECT_EQ(path_->ToTap(0, 0, burst.data() + kRing, 12), 0);
  rte_pktmbuf_free_bulk(burst.data() + kRing, 12);
  const TestSocket socket(At("198.18.0.1:700"));
  path_->Start();
  for (int i = 0; i < kRing; ++i) EXPECT_EQ(socket.Receive(), std::to_string(i));
  EXPECT_TRUE(AllReclaimed());
}

TEST_F(KernelPathTapTest, FramesThatAreTooShortAreRefused) {
  OpenTap();
  path_->Start();
  rte_mbuf* const frame = Make(Bytes(13));
  ASSERT_EQ(path_->ToTap(0, 0, &frame, 1), 1);
  EXPECT_TRUE(AllReclaimed());
  EXPECT_EQ(path_->frames().to_tap_refused.Get(), 1u);
  EXPECT_EQ(path_->frames().to_tap.Get(), 0u);
}

// The worker does not poll for a while, with room for four: the rest waits in the TAP, in order.
TEST_F(KernelPathTapTest, WhatTheWorkerDoesNotTakeWaitsInTheTap) {
  OpenTap({.ring_size = 4});
  path_->Start();
  const TestSocket socket(At("198.18.0.1:700"));
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(socket.Send(std::to_string(i), At("198.18.0.2:800")));
  EXPECT_TRUE(Await([&] { return path_->frames().from_tap.Get() == 4; }));
  for (int i = 0; i < 50; ++i) {
    const std::optional<UdpFrame> frame = NextUdp();
    ASSERT_TRUE(frame);
    EXPECT_EQ(frame->payload, std::to_string(i));
  }
}

// Frames that a port keeps to itself use the pool up; they come again when it gives them back.
TEST_F(KernelPathTapTest, AnEmptyPoolHoldsFramesUpAndNoMore) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "a pool's own ring hands mbufs from thread to thread out of ThreadSanitizer's sight";
#endif
  OpenTap({.ring_size = 4, .tx_descriptors = 64});
  path_->Start();
  const TestSocket socket(At("198.18.0.1:700"));
  std::vector<rte_mbuf*> kept;
  rte_mempool* own = nullptr;
  EXPECT_TRUE(Await([&] {
    socket.Send("x", At("198.18.0.2:800"));
    rte_mbuf* m = nullptr;
    if (path_->FromKernel(0, &m, 1) == 1) kept.push_back(m);
    own = kept.empty() ? nullptr : kept[0]->pool;
    return own != nullptr && rte_mempool_empty(own);
  }));
  while (!kept.empty()) {
    rte_pktmbuf_free(kept.back());
    kept.pop_back();
  }
  ASSERT_TRUE(NextUdp());
  ASSERT_TRUE(socket.Send("afterwards", At("198.18.0.2:800")));
  EXPECT_TRUE(Await([&] {
    const std::optional<UdpFrame> frame = NextUdp();
    return !frame || frame->payload == "afterwards";
  }));
}

TEST_F(KernelPathTapTest, FramesBeyondThePortsMtuAreDropped) {
  OpenTap();
  ASSERT_TRUE(Ip("link set relay0 mtu 3000"));
  path_->Start();
  const TestSocket socket(At("198.18.0.1:700"));
  ASSERT_TRUE(socket.Send(std::string(1600, 'x'), At("198.18.0.2:800")));
  ASSERT_TRUE(socket.Send("fits", At("198.18.0.2:800")));
  EXPECT_EQ(NextUdp()->payload, "fits");
  EXPECT_EQ(path_->frames().from_tap_dropped.Get(), 1u);
}

TEST_F(KernelPathTapTest, AnInterfaceThatIsDeletedHarmsNobody) {
  std::atomic<uint32_t> woken{0};
  OpenTap({.wake_worker = [&](uint32_t) { ++woken; }});
  path_->Start();
  const TestSocket socket(At("198.18.0.1:700"));
  ASSERT_TRUE(socket.Send("alive", At("198.18.0.2:800")));
  ASSERT_TRUE(NextUdp());
  EXPECT_GE(woken.load(), 1u);
  ASSERT_TRUE(Ip("link del relay0"));
  rte_mbuf* const frame = MakeUdp("too late");
  ASSERT_EQ(path_->ToTap(0, 0, &frame, 1), 1);
  EXPECT_TRUE(AllReclaimed());
  EXPECT_EQ(path_->frames().to_tap_refused.Get(), 1u);
  ASSERT_TRUE(path_->ToSocket(0, MakePayload("still")));
  EXPECT_TRUE(AllReclaimed());
  EXPECT_EQ(Forwarded(), 1u);
}

TEST_F(KernelPathTapTest, PortsHaveTapsUnlessTheKernelSeesTheirFramesAnyhow) {
  ports_.push_back({.id = 6, .name = "b", .driver = "test", .mac = kPeer, .kernel_interface = 77, .steered = true});
  ports_.push_back({.id = 7, .name = "c", .driver = "test", .mac = kPeer, .mtu = 9000});
  OpenTap({.workers = 2});
  EXPECT_FALSE(path_->HasTap(1));
  EXPECT_EQ(ports_[1].kernel_interface, 77u);
  EXPECT_TRUE(path_->HasTap(2));
  EXPECT_EQ(ports_[2].kernel_interface, if_nametoindex("relay2"));
  path_->Start();
  // Worker 1 owns the ports; frames of worker 0 reach the kernel too.
  const TestSocket socket(At("198.18.0.1:700"));
  rte_mbuf* const frame = MakeUdp("by worker 0");
  ASSERT_EQ(path_->ToTap(0, 0, &frame, 1), 1);
  EXPECT_EQ(socket.Receive(), "by worker 0");
  ASSERT_TRUE(socket.Send("to worker 1", At("198.18.0.2:800")));
  EXPECT_EQ(NextUdp(1)->payload, "to worker 1");
  EXPECT_TRUE(AllReclaimed(0));
}

TEST_F(KernelPathTapTest, AFailureNamesTheInterface) {
  ASSERT_TRUE(Ip("link add relay0 type veth"));
  const absl::Status status = KernelPath::Open({}, ports_, {0}, Sender()).status();
  EXPECT_THAT(status.message(), testing::HasSubstr("relay0"));
  EXPECT_TRUE(Ip("link del relay0"));
}

}  // namespace
}  // namespace relay
