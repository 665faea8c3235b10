// The socket workers over loopback, with real kernel sockets on both sides.
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "geneve/geneve.h"
#include "relay/dataplane/backend_fixture.h"
#include "relay/dataplane/socket_worker.h"

namespace relay {
namespace {

constexpr char kV4[] = "127.0.0.1:0";
constexpr char kV6[] = "[::1]:0";

TEST_F(BackendTest, ForwardsBothWaysInAndAcrossFamilies) {
  StartRelay();
  const std::pair<const char*, const char*> families[] = {{kV4, kV4}, {kV6, kV6}, {kV4, kV6}, {kV6, kV4}};
  for (const auto& [a, b] : families) {
    if (!backend_->has_ipv6() && (a == kV6 || b == kV6)) continue;
    auto [alice, bob] = BoundPair(a, b);
    alice.SendText("to bob");
    EXPECT_EQ(bob.ReceiveText(), "to bob") << a << b;
    bob.SendText("to alice");
    EXPECT_EQ(alice.ReceiveText(), "to alice") << a << b;
  }
  EXPECT_TRUE(Await([&] { return Forwarded() == 8; }));
  const Counters& counters = backend_->counters(0);
  for (const auto& in : counters.forwarded_packets) {
    for (const Counter& packets : in) EXPECT_EQ(packets.Get(), 2u);
  }
  EXPECT_EQ(counters.forwarded_bytes[0][0].Get(), 2 * geneve::kHeaderSize + 6 + 8);
}

TEST_F(BackendTest, AnswersFromTheAddressThatWasHit) {
  StartRelay();
  auto [alice, bob] = Pair(kV4, kV4, "127.0.0.2:1", "127.0.0.3:1");
  alice.Send(alice.Handshake());
  bob.Send(bob.Handshake());
  ASSERT_TRUE(Await([&] { return Accepted() == 2; }));
  alice.SendText("hello");
  const SocketClient::Message message = bob.Receive();
  EXPECT_EQ(message.from.IpToString(), "127.0.0.3");
  bob.SendText("hello");
  EXPECT_EQ(alice.Receive().from.IpToString(), "127.0.0.2");
}

TEST_F(BackendTest, TheChallengeComesFromTheAddressThatWasHit) {
  StartRelay();
  auto [alice, bob] = Pair(kV4, kV4, "127.0.0.2:1");
  alice.Handshake();
  EXPECT_EQ(alice.challenged_from().IpToString(), "127.0.0.2");
  EXPECT_EQ(alice.challenged_from().port, backend_->port());
}

TEST_F(BackendTest, PassesAWholeTrainOn) {
  StartRelay();
  auto [alice, bob] = BoundPair(kV4, kV4, "", "", true);
  std::vector<Bytes> datagrams(10, Data(alice.vni(), "segment", 200));
  datagrams.push_back(Data(alice.vni(), "tail", 90));
  alice.SendTrain(datagrams, 200);
  const SocketClient::Message message = bob.Receive();
  EXPECT_EQ(message.bytes.size(), 2090u);
  EXPECT_EQ(message.gro_size, 200u);
  EXPECT_EQ(TextOf(Bytes(message.bytes.begin() + 2000, message.bytes.end())), "tail");
  EXPECT_TRUE(Await([&] { return Forwarded() == 11; }));
  EXPECT_EQ(backend_->counters(0).gso_trains.Get(), 1u);
}

TEST_F(BackendTest, WithoutGsoATrainLeavesAsDatagrams) {
  StartRelay({.gso = SocketBackend::Options::Gso::kOff});
  EXPECT_FALSE(backend_->gso_enabled());
  auto [alice, bob] = BoundPair(kV4, kV6, "", "", true);
  std::vector<Bytes> datagrams;
  for (int i = 0; i < 40; ++i) datagrams.push_back(Data(alice.vni(), std::to_string(i), 100));
  alice.SendTrain(datagrams, 100);
  for (int i = 0; i < 40; ++i) {
    const SocketClient::Message message = bob.Receive();
    EXPECT_EQ(message.gro_size, 0u);
    EXPECT_EQ(TextOf(message.bytes), std::to_string(i));
  }
  EXPECT_TRUE(Await([&] { return Forwarded() == 40; }));
  EXPECT_EQ(backend_->counters(0).gso_trains.Get(), 0u);
}

TEST_F(BackendTest, AMixedTrainIsDecidedSegmentBySegmentInOrder) {
  StartRelay();
  auto [alice, bob] = BoundPair(kV4, kV4);
  auto [carol, dave] = BoundPair("127.0.0.1:0", kV4);
  Bytes old_version = Data(alice.vni(), "version 1", 80);
  old_version[0] |= 0x40;
  alice.SendTrain(
      {Data(alice.vni(), "one", 80), old_version, Data(alice.vni(), "two", 80), Data(geneve::kMaxVni, "nobody's", 80),
       Data(dave.vni(), "not hers", 80), Data(alice.vni(), "three", 80), Data(alice.vni(), "", 7)},
      80);
  for (const char* text : {"one", "two", "three"}) EXPECT_EQ(bob.ReceiveText(), text);
  EXPECT_TRUE(Await([&] { return Dropped(DropReason::kUnknownSource) == 1 && Forwarded() == 4; }));
  EXPECT_EQ(Dropped(DropReason::kUnknownVersion), 1u);
  EXPECT_EQ(Dropped(DropReason::kUnknownVni), 1u);
}

// What clients send once and never again: the answer, and the ping that tells whether it was taken.
TEST_F(BackendTest, AnAnswerAndAPingBehindItInOneBurstBindAndRelay) {
  StartRelay();
  for (int i = 0; i < 20; ++i) {
    auto [alice, bob] = Pair(kV4, kV4);
    Bind(bob);
    alice.SendBurst({alice.Handshake(), Data(alice.vni(), "ping")});
    EXPECT_EQ(bob.ReceiveText(), "ping");
  }
}

TEST_F(BackendTest, AnAnswerAndAPingBehindItInOneTrainBindAndRelay) {
  StartRelay();
  auto [alice, bob] = Pair(kV4, kV4);
  Bind(bob);
  const Bytes answer = alice.Handshake();
  alice.SendTrain({answer, Data(alice.vni(), "ping", answer.size()), Data(alice.vni(), "pong")}, answer.size());
  EXPECT_EQ(bob.ReceiveText(), "ping");
  EXPECT_EQ(bob.ReceiveText(), "pong");
}

TEST_F(BackendTest, OddDatagramsHarmNobodyBesideThem) {
  StartRelay();
  auto [alice, bob] = BoundPair(kV4, kV4);
  const Bytes empty;
  const Bytes stub(7, 0xff);
  alice.SendBurst({empty, Data(alice.vni(), "one"), empty, stub, Data(alice.vni(), "two"), empty});
  EXPECT_EQ(bob.ReceiveText(), "one");
  EXPECT_EQ(bob.ReceiveText(), "two");
  EXPECT_TRUE(Await([&] { return Dropped(DropReason::kBadGeneve) == 4; }));
}

TEST_F(BackendTest, DataOfOneSourceKeepsItsOrderWhateverItsSizes) {
  StartRelay();
  auto [alice, bob] = BoundPair(kV4, kV4);
  auto [carol, dave] = BoundPair(kV6, kV4);
  const size_t sizes[] = {100, 100, 60, 100, 120, 300, 300, 300, 20, 20};
  int next = 0;
  for (int burst = 0; burst < 20; ++burst) {
    std::vector<Bytes> datagrams;
    for (const size_t size : sizes) datagrams.push_back(Data(alice.vni(), std::to_string(next++), size));
    alice.SendBurst(datagrams);
    carol.SendBurst({Data(carol.vni(), "between", 100)});
  }
  for (int i = 0; i < next; ++i) ASSERT_EQ(bob.ReceiveText(), std::to_string(i));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(dave.ReceiveText(), "between");
}

// IPv6 takes a little more than IPv4 does.
TEST_F(BackendTest, WhatTheWayOutDoesNotTakeIsTooBig) {
  StartRelay();
  if (!backend_->has_ipv6()) GTEST_SKIP() << "no IPv6 here";
  auto [alice, bob] = BoundPair(kV6, kV4);
  alice.Send(Data(alice.vni(), "fits", 65507));
  alice.Send(Data(alice.vni(), "does not", 65508));
  alice.Send(Data(alice.vni(), "does not", 65527));
  alice.SendText("behind");
  EXPECT_EQ(bob.ReceiveText(), "fits");
  EXPECT_EQ(bob.ReceiveText(), "behind");
  EXPECT_EQ(Dropped(DropReason::kTooBig), 2u);
}

TEST_F(BackendTest, AClosedPeerStopsNobody) {
  StartRelay();
  auto [alice, bob] = BoundPair(kV4, kV4);
  auto [carol, dave] = BoundPair(kV6, kV6);
  auto [erin, frank] = BoundPair(kV4, kV4);
  bob.Close();
  dave.Close();
  for (int i = 0; i < 50; ++i) {  // Each one is answered by an ICMP port unreachable.
    alice.SendText("lost");
    carol.SendText("lost");
    erin.SendText("found");
    EXPECT_EQ(frank.ReceiveText(), "found");
  }
}

TEST_F(BackendTest, CountsWhatTheKernelDropped) {
  SocketBackend::Options options;
  options.udp_port = 0;
  options.socket_buffer_bytes = 4096;
  auto opened = SocketBackend::Open(options);
  ASSERT_TRUE(opened.ok()) << opened.status();
  backend_ = *std::move(opened);
  relay_port_ = backend_->port();
  auto [alice, bob] = Pair(kV4, kV4);
  for (int i = 0; i < 100; ++i) alice.Send(Data(alice.vni(), "flood", 1000));  // Nobody reads yet.
  ASSERT_TRUE(backend_->Start(server_, qsbr_).ok());
  const auto received = [&] { return Sum([](const Counters& c) { return c.received.Get(); }); };
  const auto overflow = [&] { return Sum([](const Counters& c) { return c.socket_overflow.Get(); }); };
  ASSERT_TRUE(Await([&] { return received() > 0; }));
  EXPECT_TRUE(Await([&] { return received() + overflow() == 100; }));
}

TEST_F(BackendTest, SeveralWorkersShareThePort) {
  StartRelay({.workers = kMaxWorkers});
  for (int i = 0; i < 16; ++i) {
    auto [alice, bob] = BoundPair(kV4, i % 2 == 0 ? kV4 : kV6);
    for (int n = 0; n < 10; ++n) alice.SendText(std::to_string(n));
    for (int n = 0; n < 10; ++n) EXPECT_EQ(bob.ReceiveText(), std::to_string(n));
  }
  int used = 0;
  for (uint32_t i = 0; i < kMaxWorkers; ++i) used += backend_->counters(i).received.Get() > 0;
  EXPECT_GT(used, 1);
}

TEST_F(BackendTest, StartsAndStopsManyTimesWhateverComesIn) {
  for (int i = 0; i < 30; ++i) {
    StartRelay({.workers = 2});
    auto [alice, bob] = Pair(kV4, kV4);
    if (i % 2 == 0) {
      for (int n = 0; n < 200; ++n) alice.Send(Data(alice.vni(), "flood"));
    }
    StopRelay();
  }
}

TEST_F(BackendTest, AStoppedBackendStaysStopped) {
  StartRelay();
  backend_->Stop();
  EXPECT_FALSE(backend_->Start(server_, qsbr_).ok());
}

TEST_F(BackendTest, RefusesWhatItCannotDo) {
  StartRelay();
  const auto second = SocketBackend::Open({.udp_port = backend_->port()});
  EXPECT_TRUE(absl::IsAlreadyExists(second.status())) << second.status();
  EXPECT_FALSE(SocketBackend::Open({.udp_port = 0, .workers = 0}).ok());
  EXPECT_FALSE(SocketBackend::Open({.udp_port = 0, .workers = 2, .cores = {0}}).ok());
  auto unpinnable = SocketBackend::Open({.udp_port = 0, .cores = {100'000}});
  ASSERT_TRUE(unpinnable.ok());
  EXPECT_FALSE((*unpinnable)->Start(server_, qsbr_).ok());
}

// Where the machine refuses dual-stack sockets, a worker has one of each family.
TEST_F(BackendTest, OneWorkerServesTwoSockets) {
  auto sets = OpenSocketSets({.port = 0, .workers = 1, .allow_dual = false});
  ASSERT_TRUE(sets.ok()) << sets.status();
  const SocketSet& sockets = sets->front();
  if (sockets.size() < 2) GTEST_SKIP() << "no IPv6 here";
  relay_port_ = sockets.front().port();
  Counters counters;
  WorkerContext context;
  context.counters = &counters;
  const auto worker = std::make_unique<SocketWorker>(sockets, server_, qsbr_, context, true);
  std::thread thread([&] { worker->Run(); });
  auto [alice, bob] = Pair(kV4, kV6);
  alice.Send(alice.Handshake());
  bob.Send(bob.Handshake());
  EXPECT_TRUE(Await([&] { return counters.accepted.Get() == 2; }));
  alice.SendText("to bob");
  EXPECT_EQ(bob.ReceiveText(), "to bob");
  bob.SendText("to alice");
  EXPECT_EQ(alice.ReceiveText(), "to alice");
  worker->Stop();
  thread.join();
}

}  // namespace
}  // namespace relay
