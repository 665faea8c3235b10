// What a worker does at its edges: full ports, other workers, the kernel, next hops that move.
#include <rte_ring.h>
#include <unistd.h>

#include <cerrno>

#include "relay/dataplane/dpdk_worker_fixture.h"
#include "relay/dataplane/kernel_fixture.h"

namespace relay {
namespace {

using test::Build;
using test::PacketRow;
using test::SentFrame;
using test::WorkerWorld;
using Bytes = test::Bytes;

class WorkerPortTest : public WorkerTest {
 protected:
  // Distinct by their length.
  void PutNumbered(const test::RingPort& ring, size_t from, size_t count) {
    for (size_t i = from; i < from + count; ++i) ring.Put(Build(Data(Row4(), i)));
  }
  static void ExpectNumbered(const std::vector<SentFrame>& sent, size_t& next) {
    for (const SentFrame& frame : sent) EXPECT_EQ(test::Inspect(frame.bytes).payload.size(), 8 + next++);
  }
};

TEST_F(WorkerPortTest, AFullPortKeepsSomeDropsTheRestAndGoesOnInOrder) {
  WorkerWorld& relay = UseStarted({&Narrow()});
  const size_t all = kNarrow + TxBuffer::kCapacity + 50;
  PutNumbered(Narrow(), 0, all);
  while (relay.Poll() != 0) {
  }
  EXPECT_EQ(relay.Count().forwarded, kNarrow);
  EXPECT_EQ(relay.Count().Of(DropReason::kTxFull), 50u);
  EXPECT_EQ(relay.workers[0]->ports[0]->tx_full.Get(), 50u);
  // The link is back.
  size_t next = 0;
  while (next < kNarrow + TxBuffer::kCapacity) {
    const size_t before = next;
    ExpectNumbered(Narrow().Take(), next);
    ASSERT_GT(next, before);
    relay.Poll();
  }
  EXPECT_EQ(relay.Count().forwarded, kNarrow + TxBuffer::kCapacity);
  PutNumbered(Narrow(), next, 1);
  relay.Poll();
  ExpectNumbered(Narrow().Take(), next);
  EXPECT_EQ(relay.workers[0]->ports[0]->sent.Get(), next);
}

TEST_F(WorkerPortTest, WhatAPortNeverTookIsDroppedAtTheEnd) {
  WorkerWorld& relay = UseStarted({&Narrow()});
  PutNumbered(Narrow(), 0, 100);
  while (relay.Poll() != 0) {
  }
  relay.Settle();
  EXPECT_EQ(relay.Count().Of(DropReason::kTxFull), 100 - kNarrow);
}

// Challenges count as answered only once they are sent; ICMP counts nowhere.
TEST_F(WorkerPortTest, AnswersToAFullPort) {
  WorkerWorld& relay = UseStarted({&Narrow()});
  PutNumbered(Narrow(), 0, kNarrow);
  relay.Poll();
  PacketRow bind = Row4();
  bind.payload = relay.Handshake(0).Start(std::chrono::steady_clock::now());
  Narrow().Put(Build(bind));
  Narrow().Put(Build(Data(Row4(), 1480)));
  EXPECT_EQ(relay.Poll(), 2u);
  EXPECT_EQ(relay.Count().answered, 0u);
  relay.Settle();
  EXPECT_EQ(relay.Count().answered, 0u);
  EXPECT_EQ(relay.Count().Of(DropReason::kTxFull), 1u);
  EXPECT_EQ(relay.Count().Of(DropReason::kTooBig), 1u);
  EXPECT_EQ(relay.workers[0]->ports[0]->tx_full.Get(), 2u);
}

TEST_F(WorkerPortTest, HandsOverWhatAnotherWorkersQueueSends) {
  WorkerWorld& relay = Use({&Left(), &Right()}, 2);
  relay.Bind(relay.PathOf(Row4(), 0), relay.PathOf(Row6(), 1));
  relay.Start();
  for (size_t i = 0; i < 20; ++i) Left().Put(Build(Data(Row4(), i)));
  Right().Put(Build(Data(Row6(), 7)));
  EXPECT_EQ(relay.Poll(0), 20u);
  EXPECT_TRUE(Right().Take().empty());
  EXPECT_EQ(relay.Poll(1), 1u);
  size_t next = 0;
  ExpectNumbered(Right().Take(), next);
  EXPECT_EQ(next, 20u);
  EXPECT_EQ(relay.Poll(0), 0u);
  const std::vector<SentFrame> left = Left().Take();
  ASSERT_EQ(left.size(), 1u);
  ExpectForwarded(left[0], Data(Row6(), 7), relay.PathOf(Row4(), 0), relay.ports[0]);
  // Who sends counts.
  EXPECT_EQ(relay.workers[0]->counters.received.Get(), 20u);
  EXPECT_EQ(relay.workers[1]->counters.forwarded_packets[0][1].Get(), 20u);
  EXPECT_EQ(relay.workers[1]->counters.forwarded_bytes[0][1].Get(), 20u * 8 + 190);
  EXPECT_EQ(relay.workers[0]->counters.forwarded_packets[1][0].Get(), 1u);
}

TEST_F(WorkerPortTest, AWorkerThatIsBehindIsHandedNoMore) {
  WorkerWorld& relay = Use({&Left(), &Right()}, 2);
  relay.Bind(relay.PathOf(Row4(), 0), relay.PathOf(Row6(), 1));
  relay.Start();
  const size_t ring = 63;
  PutNumbered(Left(), 0, ring + TxBuffer::kCapacity + 10);
  while (relay.Poll(0) != 0) {
  }
  EXPECT_EQ(relay.Count().Of(DropReason::kTxFull), 10u);
  size_t next = 0;
  for (int i = 0; i < 100; ++i) {
    relay.Poll(1);
    relay.Poll(0);
    ExpectNumbered(Right().Take(), next);
  }
  EXPECT_EQ(next, ring + TxBuffer::kCapacity);
}

TEST_F(WorkerPortTest, WhatWasHandedOverLastIsSentWhenAllHaveStopped) {
  WorkerWorld& relay = Use({&Left(), &Right()}, 2);
  relay.Bind(relay.PathOf(Row4(), 0), relay.PathOf(Row6(), 1));
  relay.Start();
  PutNumbered(Left(), 0, 32);
  EXPECT_EQ(relay.Poll(0), 32u);
  relay.Settle();
  EXPECT_EQ(Right().Take().size(), 32u);
  EXPECT_EQ(relay.Count().forwarded, 32u);
}

TEST_F(WorkerPortTest, ToALegThatAKernelSocketBound) {
  WorkerWorld& relay = Use({&Left()});
  std::vector<Bytes> sent;  // Of the kernel path's thread, until that is stopped.
  Path to;
  to.remote = test::AddrOf("198.18.0.9:9");
  to.local_ip = test::AddrOf(test::kRelay4).ip;
  to.local_port = test::kRelayPort;
  relay.Bind(relay.PathOf(Row4()), to);
  relay.kernel_path = KernelPath::Open({.tap = false, .ring_size = 4}, relay.ports, {0},
                                       [&](const Path& path, std::span<const uint8_t> payload) {
                                         EXPECT_EQ(path, to);
                                         sent.emplace_back(payload.begin(), payload.end());
                                         return payload.size() == 8 + 20 ? EPERM : 0;
                                       })
                          .value();
  relay.Start();
  const std::array<size_t, 3> segments = {60, 1, 2};
  Left().Put(Build(Data(Row4(), 10)));
  Left().Put(Build(Data(Row4(), 20)));
  Left().Put(Build(Data(Row4(), 30)), segments);
  Left().Put(Build(Data(Row4(), 40)));
  Left().Put(Build(Data(Row4(), 50)));
  EXPECT_EQ(relay.Poll(), 5u);
  EXPECT_EQ(relay.Count().Of(DropReason::kKernelPathFull), 1u);
  relay.kernel_path->Start();
  EXPECT_TRUE(Await([&] { return relay.Count().Balances(); }));
  relay.kernel_path->Stop();
  const test::Ledger ledger = relay.Count();
  EXPECT_EQ(ledger.forwarded, 3u);
  EXPECT_EQ(ledger.forwarded_bytes, 10u + 30 + 40 + 3 * 8);
  EXPECT_EQ(ledger.Of(DropReason::kSendFailed), 1u);
  ASSERT_EQ(sent.size(), 4u);
  for (size_t i = 0; i < sent.size(); ++i) EXPECT_EQ(sent[i], test::GeneveData(1, 10 * (i + 1)));
  relay.Poll();
  EXPECT_EQ(Left().InUse(), 0u) << "the worker frees what the thread is done with";
}

class WorkerFollowTest : public WorkerTest {
 protected:
  const Counters& counters() const { return world_->workers[0]->counters; }
  // Where bob's data goes.
  MacAddress ToAlice() {
    const std::vector<SentFrame> out = Exchange(Data(Row6()));
    return out.size() == 1 ? test::Inspect(out[0].bytes).to_mac : MacAddress{};
  }
  static constexpr MacAddress kSecond = {2, 0, 0, 0, 0, 0x22};
  static constexpr MacAddress kThird = {2, 0, 0, 0, 0, 0x33};
  static PacketRow From(const MacAddress& mac) {
    PacketRow row = Data(Row4());
    row.from_mac = mac;
    return row;
  }
  Link LinkOf(const MacAddress& mac, uint16_t vlan = 0) const {
    return {.port = static_cast<uint16_t>(world_->ports[0].id + 1), .vlan = vlan, .mac = mac};
  }
};

TEST_F(WorkerFollowTest, OnlyToNeighboursAndOnceASecond) {
  WorkerWorld& relay = UseStarted();
  EXPECT_EQ(Exchange(From(kSecond)).size(), 1u) << "it is forwarded all the same";
  EXPECT_EQ(counters().link_refused.Get(), 1u);
  EXPECT_EQ(ToAlice(), test::kClientMac);
  relay.Neighbours({LinkOf(kSecond), LinkOf(kThird)});
  Exchange(From(kSecond));
  EXPECT_EQ(counters().link_followed.Get(), 1u);
  EXPECT_EQ(ToAlice(), kSecond);
  Exchange(From(kSecond));
  EXPECT_EQ(counters().link_followed.Get(), 1u) << "it is there already";
  // Both change it as often as they like, for more than a second.
  const auto began = std::chrono::steady_clock::now();
  uint64_t frames = 0;
  while (counters().link_followed.Get() < 3) {
    Exchange(From(++frames % 2 == 0 ? kSecond : kThird));
    ASSERT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(30));
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  EXPECT_GT(took.count(), 0.5);
  EXPECT_LE(static_cast<double>(counters().link_followed.Get()), took.count() + 2);
  EXPECT_EQ(counters().link_refused.Get(), 1u);
}

TEST_F(WorkerFollowTest, NeverToAnotherPortOrVlan) {
  WorkerWorld& relay = UseStarted({&Left(), &Right()});
  relay.Neighbours({LinkOf(kSecond),
                    LinkOf(kSecond, 5),
                    {.port = static_cast<uint16_t>(relay.ports[1].id + 1), .vlan = 0, .mac = kSecond}});
  PacketRow tagged = From(kSecond);
  tagged.vlan = 5;
  EXPECT_EQ(Exchange(tagged).size(), 1u);
  Right().Put(Build(From(kSecond)));
  relay.Poll();
  EXPECT_EQ(Left().Take().size(), 1u);
  EXPECT_EQ(ToAlice(), test::kClientMac);
  EXPECT_EQ(counters().link_followed.Get(), 0u);
  EXPECT_EQ(counters().link_refused.Get(), 0u) << "another way here is nothing to refuse";
  // A leg that a kernel socket bound stays there, whatever its data comes by.
  Path by_socket = relay.PathOf(Row4());
  by_socket.link = {};
  relay.Bind(by_socket, relay.PathOf(Row6()));
  EXPECT_EQ(Exchange(From(kSecond)).size(), 1u);
  EXPECT_EQ(counters().link_followed.Get(), 0u);
}

// For TAPs. Namespaces are entered before EAL starts threads, so before the first test.
class NamespaceEnvironment : public testing::Environment {
 public:
  void SetUp() override { has_tap = EnterEmptyNamespace() && access("/dev/net/tun", R_OK | W_OK) == 0; }
  bool has_tap = false;
};
auto* const environment =
    static_cast<NamespaceEnvironment*>(testing::AddGlobalTestEnvironment(new NamespaceEnvironment));

class WorkerKernelTest : public WorkerTest {};

TEST_F(WorkerKernelTest, ThereAndBack) {
  if (!environment->has_tap) GTEST_SKIP() << "no namespace, or no TAP";
  WorkerWorld& relay = Use({&Left()});
  relay.kernel_path = KernelPath::Open({.ring_size = 16}, relay.ports, {0}, [](auto&&...) { return 0; }).value();
  ASSERT_TRUE(Ip("addr add 198.18.0.254/24 dev relay0"));
  ASSERT_TRUE(Ip("neigh replace 198.18.0.1 lladdr 02:00:00:00:00:02 dev relay0 nud permanent"));
  relay.Start();
  PacketRow ping = Row4();
  ping.protocol = 1;
  ping.udp_checksum = 0;
  // Type 8, code 0, checksum, identifier and sequence in place of UDP's ports, length and checksum.
  Bytes frame = Build(ping);
  const size_t icmp = 14 + 20;
  std::fill(frame.begin() + icmp, frame.end(), 0);
  frame[icmp] = 8;
  frame[icmp + 2] = 0xf7;
  frame[icmp + 3] = 0xff;
  for (size_t i = 0; i < 20; ++i) Left().Put(frame);
  Left().Put(Build(Data(Row4(), 3)));
  EXPECT_EQ(relay.Poll(), 21u);
  EXPECT_EQ(relay.Count().to_kernel, 16u);
  EXPECT_EQ(relay.Count().Of(DropReason::kKernelPathFull), 4u);
  EXPECT_EQ(relay.Count().forwarded, 1u);
  relay.kernel_path->Start();
  size_t replies = 0;
  EXPECT_TRUE(Await([&] {
    relay.Poll();
    for (const SentFrame& sent : Left().Take()) {
      const test::Seen seen = test::Inspect(sent.bytes);
      if (seen.protocol == 1 && seen.ip_payload.at(0) == 0) ++replies;
    }
    return replies == 16;
  })) << replies;
  EXPECT_GE(relay.workers[0]->ports[0]->from_kernel.Get(), 16u);
}

}  // namespace
}  // namespace relay
