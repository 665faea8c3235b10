// The kernel path with real TAP interfaces.
#include <gmock/gmock.h>
#include <net/if.h>

#include <atomic>

#include "relay/dataplane/kernel_path_fixture.h"

namespace relay {
namespace {

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
  EXPECT_EQ(ports_[0].kernel_interface.Get(), if_nametoindex("relay0"));
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

TEST_F(KernelPathTapTest, ADeletedInterfaceIsMadeAnew) {
  OpenTap();
  path_->Start();
  const uint32_t index = ports_[0].kernel_interface.Get();
  for (int round = 0; round < 2; ++round) {
    EXPECT_FALSE(path_->IsGone(0));
    EXPECT_FALSE(path_->MakeAnew(0, ports_[0]).ok());
    ASSERT_TRUE(Ip("link del relay0"));
    ASSERT_TRUE(Await([&] { return path_->IsGone(0); }));
    // Not while somebody else has the name.
    ASSERT_TRUE(Ip("link add relay0 type veth"));
    EXPECT_THAT(path_->MakeAnew(0, ports_[0]).status().message(), testing::HasSubstr("tap_prefix"));
    EXPECT_TRUE(path_->IsGone(0));
    ASSERT_TRUE(Ip("link del relay0"));
    ASSERT_EQ(path_->MakeAnew(0, ports_[0]).value(), index);
    EXPECT_FALSE(path_->IsGone(0));
    ASSERT_TRUE(Ip("addr add 198.18.0.1/24 dev relay0"));
    const TestSocket socket(At("198.18.0.1:700"));
    // The thread may still have the old one.
    ASSERT_TRUE(Await([&] {
      rte_mbuf* const frame = MakeUdp("anew");
      if (path_->ToTap(0, 0, &frame, 1) != 1) rte_pktmbuf_free(frame);
      return AllReclaimed() && path_->frames().to_tap.Get() > static_cast<uint64_t>(round);
    }));
    EXPECT_EQ(socket.Receive(), "anew");
  }
}

TEST_F(KernelPathTapTest, PortsHaveTapsUnlessTheKernelSeesTheirFramesAnyhow) {
  ports_.push_back({.id = 6, .name = "b", .driver = "test", .mac = kPeer, .kernel_interface = 77, .steered = true});
  ports_.push_back({.id = 7, .name = "c", .driver = "test", .mac = kPeer, .mtu = 9000});
  OpenTap({.workers = 2});
  EXPECT_FALSE(path_->HasTap(1));
  EXPECT_EQ(ports_[1].kernel_interface.Get(), 77u);
  EXPECT_TRUE(path_->HasTap(2));
  EXPECT_EQ(ports_[2].kernel_interface.Get(), if_nametoindex("relay2"));
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
