#include "ingress/frontend/route.h"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <optional>
#include <thread>
#include <vector>

namespace ingress {
namespace {

using namespace std::chrono_literals;
using relay::FunnelRoute;

AddrPort Addr(std::string_view text) { return AddrPort::Parse(text).value(); }
std::vector<relay::Prefix> Prefixes(std::initializer_list<std::string_view> texts) {
  std::vector<relay::Prefix> prefixes;
  for (const std::string_view text : texts) prefixes.push_back(relay::Prefix::Parse(text).value());
  return prefixes;
}

const AddrPort kNode0 = Addr("198.19.0.1:1"), kNode1 = Addr("198.19.0.2:1"), kNode2 = Addr("198.19.0.3:1");

FunnelRoute OfNodes(std::vector<AddrPort> nodes) {
  FunnelRoute config;
  config.name = "node.example";
  config.peerapi = std::move(nodes);
  return config;
}

const Instant kStart{};
constexpr uint16_t kPort = 443;

TEST(RouteTest, DenyWinsAndAnEmptyAllowAdmitsAll) {
  struct Row {
    std::initializer_list<std::string_view> allow, deny;
    std::string_view client;
    bool admitted;
  };
  const Row rows[] = {
      {{}, {}, "192.0.2.1:1", true},
      {{}, {}, "[2001:db8::1]:1", true},
      {{"192.0.2.0/24"}, {}, "192.0.2.1:1", true},
      {{"192.0.2.0/24"}, {}, "[::ffff:192.0.2.1]:1", true},
      {{"192.0.2.0/24"}, {}, "192.0.3.1:1", false},
      {{"192.0.2.0/24"}, {}, "[2001:db8::1]:1", false},
      {{"192.0.2.0/24", "2001:db8::/32"}, {}, "[2001:db8::1]:1", true},
      {{"192.0.2.0/24"}, {"192.0.2.1/32"}, "192.0.2.1:1", false},
      {{"192.0.2.0/24"}, {"192.0.2.1/32"}, "[::ffff:192.0.2.1]:1", false},
      {{"192.0.2.1/32"}, {"192.0.2.0/24"}, "192.0.2.1:1", false},
      {{}, {"::/0"}, "192.0.2.1:1", true},
      {{}, {"0.0.0.0/0"}, "192.0.2.1:1", false},
  };
  for (const Row& row : rows) {
    FunnelRoute config = OfNodes({kNode0});
    config.allow = Prefixes(row.allow);
    config.deny = Prefixes(row.deny);
    EXPECT_EQ(Route(config).Admits(Addr(row.client)), row.admitted) << row.client;
  }
}

TEST(RouteTest, ATicketIsAPlaceUntilItIsGone) {
  FunnelRoute config = OfNodes({kNode0});
  config.max_connections = 2;
  Route route(config);
  Route::Ticket first, second, third;
  EXPECT_EQ(route.Admit(kStart, first), Route::Admission::kAdmitted);
  EXPECT_EQ(route.Admit(kStart, second), Route::Admission::kAdmitted);
  EXPECT_EQ(route.Admit(kStart, third), Route::Admission::kTooMany);
  EXPECT_EQ(route.connections(), 2u);
  first = Route::Ticket();
  EXPECT_EQ(route.connections(), 1u);
  EXPECT_EQ(route.Admit(kStart, third), Route::Admission::kAdmitted);
  {
    const Route::Ticket moved = std::move(second);
    EXPECT_EQ(route.connections(), 2u);
  }
  EXPECT_EQ(route.connections(), 1u);
}

TEST(RouteTest, NewConnectionsHaveARateAndABurstOfASecond) {
  FunnelRoute config = OfNodes({kNode0});
  config.new_per_second = 10;
  Route route(config);
  Route::Ticket ticket;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(route.Admit(kStart + 1h, ticket), Route::Admission::kAdmitted) << i;
  EXPECT_EQ(route.Admit(kStart + 1h, ticket), Route::Admission::kTooFast);
  EXPECT_EQ(route.connections(), 1u);  // Those refused hold no place.
  EXPECT_EQ(route.Admit(kStart + 1h + 100ms, ticket), Route::Admission::kAdmitted);
  EXPECT_EQ(route.Admit(kStart + 1h + 100ms, ticket), Route::Admission::kTooFast);
}

TEST(RouteTest, WhatIsRefusedForWantOfAPlaceSpendsNoToken) {
  FunnelRoute config = OfNodes({kNode0});
  config.max_connections = 1;
  config.new_per_second = 2;
  Route route(config);
  Route::Ticket ticket, other;
  EXPECT_EQ(route.Admit(kStart + 1h, ticket), Route::Admission::kAdmitted);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(route.Admit(kStart + 1h, other), Route::Admission::kTooMany);
  ticket = Route::Ticket();
  EXPECT_EQ(route.Admit(kStart + 1h, other), Route::Admission::kAdmitted);
}

TEST(RouteTest, ALargeRateIsARate) {
  FunnelRoute config = OfNodes({kNode0});
  config.new_per_second = std::numeric_limits<int64_t>::max();
  config.bytes_per_second = std::numeric_limits<int64_t>::max();
  Route route(config);
  Route::Ticket ticket;
  Instant again;
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(route.Admit(kStart + 1h, ticket), Route::Admission::kAdmitted);
    EXPECT_EQ(route.TakeBytes(1 << 20, kStart + 1h, again), size_t{1} << 20);
  }
}

TEST(RouteTest, TheNodeWithTheFewestConnectionsIsNext) {
  Route route(OfNodes({kNode0, kNode1, kNode2}));
  route.AddConnection(0, 2);
  route.AddConnection(1, 1);
  route.AddConnection(2, 3);
  EXPECT_EQ(route.Pick(kPort, 0b000, kStart), 1);
  EXPECT_EQ(route.Pick(kPort, 0b010, kStart), 0);
  EXPECT_EQ(route.Pick(kPort, 0b011, kStart), 2);
  EXPECT_EQ(route.Pick(kPort, 0b111, kStart), -1);
  route.AddConnection(2, -3);
  EXPECT_EQ(route.Pick(kPort, 0b000, kStart), 2);
}

TEST(RouteTest, EqualNodesTakeTurns) {
  const Route route(OfNodes({kNode0, kNode1, kNode2}));
  for (int i = 0; i < 6; ++i) EXPECT_EQ(route.Pick(kPort, 0, kStart), i % 3);
}

TEST(RouteTest, AFailedNodeIsOutForItsTime) {
  Route route(OfNodes({kNode0, kNode1}));
  route.AddConnection(1, 5);
  ASSERT_EQ(route.Pick(kPort, 0, kStart), 0);
  route.Report(kPort, 0, true, kStart);
  EXPECT_FALSE(route.Healthy(0));
  EXPECT_TRUE(route.Healthy(1));
  EXPECT_EQ(route.Pick(kPort, 0, kStart + 4999ms), 1);
  EXPECT_EQ(route.Pick(kPort + 1, 0, kStart), 0);  // Health is a port's.
  EXPECT_EQ(route.Pick(kPort, 0, kStart + 5s), 0);
  EXPECT_EQ(route.Pick(kPort, 0, kStart + 5s), 1);  // One tries it, not everybody.
  route.Report(kPort, 0, false, kStart + 6s);
  EXPECT_TRUE(route.Healthy(0));
  EXPECT_EQ(route.Pick(kPort, 0, kStart + 6s), 0);
}

TEST(RouteTest, WhoeverTriesAndNeverReportsKeepsNobodyFromIt) {
  Route route(OfNodes({kNode0, kNode1}));
  route.AddConnection(1, 5);
  route.Report(kPort, 0, true, kStart);
  EXPECT_EQ(route.Pick(kPort, 0, kStart + 5s), 0);
  EXPECT_EQ(route.Pick(kPort, 0, kStart + 9s), 1);
  EXPECT_EQ(route.Pick(kPort, 0, kStart + 10s), 0);
}

TEST(RouteTest, ATryThatIsGivenUpIsTheNextOnes) {
  Route route(OfNodes({kNode0, kNode1}));
  route.AddConnection(1, 5);
  route.Report(kPort, 0, true, kStart);
  route.GiveUp(kPort, 0, kStart + 1s);  // One that was dialed before.
  EXPECT_EQ(route.Pick(kPort, 0, kStart + 1s), 1);
  EXPECT_EQ(route.Pick(kPort, 0, kStart + 5s), 0);
  EXPECT_EQ(route.Pick(kPort, 0, kStart + 5s), 1);
  route.GiveUp(kPort, 0, kStart + 5s);
  EXPECT_EQ(route.Pick(kPort, 0, kStart + 5s), 0);
  EXPECT_FALSE(route.Healthy(0));
}

TEST(RouteTest, TheTimeOutDoublesToAMinute) {
  Route route(OfNodes({kNode0, kNode1}));
  route.AddConnection(1, 5);
  Instant now = kStart;
  for (const auto out : {5s, 10s, 20s, 40s, 60s, 60s, 60s}) {
    route.Report(kPort, 0, true, now);
    EXPECT_EQ(route.Pick(kPort, 0, now + out - 1ms), 1) << out.count();
    now += out;
    ASSERT_EQ(route.Pick(kPort, 0, now), 0) << out.count();
  }
  route.Report(kPort, 0, false, now);
  route.Report(kPort, 0, true, now);
  EXPECT_EQ(route.Pick(kPort, 0, now + 5s), 0);  // From the beginning.
}

TEST(RouteTest, ManyDialsThatFailAtOnceAreOneFailure) {
  Route route(OfNodes({kNode0, kNode1}));
  route.AddConnection(1, 5);
  for (int i = 0; i < 100; ++i) route.Report(kPort, 0, true, kStart + std::chrono::milliseconds(i));
  EXPECT_EQ(route.Pick(kPort, 0, kStart + 5s), 0);
}

TEST(RouteTest, IfAllAreOutTheLeastRecentlyFailedIsTried) {
  Route route(OfNodes({kNode0, kNode1, kNode2}));
  route.Report(kPort, 1, true, kStart);
  route.Report(kPort, 2, true, kStart + 1s);
  route.Report(kPort, 0, true, kStart + 2s);
  EXPECT_EQ(route.Pick(kPort, 0b000, kStart + 3s), 1);
  EXPECT_EQ(route.Pick(kPort, 0b010, kStart + 3s), 2);
  EXPECT_EQ(route.Pick(kPort, 0b110, kStart + 3s), 0);
  route.Report(kPort, 1, true, kStart + 3s);
  EXPECT_EQ(route.Pick(kPort, 0b000, kStart + 4s), 2);
}

TEST(RouteTest, PortsThatAreRememberedAreBounded) {
  Route route(OfNodes({kNode0, kNode1}));
  route.AddConnection(1, 5);
  for (int port = 1; port <= 1000; ++port) {
    route.Report(static_cast<uint16_t>(port), 0, true, kStart + std::chrono::microseconds(port));
  }
  EXPECT_EQ(route.Pick(1, 0, kStart + 1s), 0);  // Forgotten.
  EXPECT_EQ(route.Pick(1000, 0, kStart + 1s), 1);
}

// The bytes that one who always wants more gets in a time.
uint64_t TakeFor(Route& route, size_t wanted, Instant from, Duration time) {
  uint64_t taken = 0;
  for (Instant now = from; now < from + time;) {
    Instant again;
    const size_t n = route.TakeBytes(wanted, now, again);
    taken += n;
    if (n == 0) {
      EXPECT_GT(again, now);
      now = again;
    }
  }
  return taken;
}

TEST(RouteTest, BytesHaveARateAndABoundedBurst) {
  struct Row {
    uint64_t rate, burst;
    Duration time;
  };
  for (const Row& row : {Row{1'000, 65'536, 100s}, Row{100'000, 65'536, 10s}, Row{1'000'000, 250'000, 10s},
                         Row{1'000'000'000, 250'000'000, 1s}}) {
    FunnelRoute config = OfNodes({kNode0});
    config.bytes_per_second = row.rate;
    Route route(config);
    EXPECT_TRUE(route.paced());
    const double expected = static_cast<double>(row.burst) +
                            static_cast<double>(row.rate) * std::chrono::duration<double>(row.time).count();
    EXPECT_NEAR(static_cast<double>(TakeFor(route, 65'536, kStart + 1h, row.time)), expected, expected / 50)
        << row.rate;
  }
}

TEST(RouteTest, WithoutARateBytesAreNotPaced) {
  Route route(OfNodes({kNode0}));
  Instant again;
  EXPECT_FALSE(route.paced());
  EXPECT_EQ(route.TakeBytes(1 << 30, kStart, again), size_t{1} << 30);
}

TEST(RouteTest, BytesThatWereNotNeededGoBack) {
  FunnelRoute config = OfNodes({kNode0});
  config.bytes_per_second = 1000;
  Route route(config);
  const Instant now = kStart + 1h;
  Instant again;
  EXPECT_EQ(route.TakeBytes(1 << 20, now, again), 65'536u);
  EXPECT_EQ(route.TakeBytes(1000, now, again), 0u);
  route.ReturnBytes(1000);
  EXPECT_NEAR(static_cast<double>(route.TakeBytes(1 << 20, now, again)), 1000, 1);
  route.ReturnBytes(1 << 30);
  EXPECT_EQ(route.TakeBytes(1 << 20, now, again), 65'536u);  // Never more than the burst.
}

TEST(RouteTest, ThoseWhoArePutOffTakeTurns) {
  FunnelRoute config = OfNodes({kNode0});
  config.bytes_per_second = 100'000;
  Route route(config);
  std::array<Instant, 4> next;
  std::array<uint64_t, 4> taken{};
  next.fill(kStart + 1h);
  while (true) {
    const auto due = static_cast<size_t>(std::min_element(next.begin(), next.end()) - next.begin());
    if (next[due] > kStart + 1h + 60s) break;
    const size_t n = route.TakeBytes(65'536, next[due], next[due]);
    taken[due] += n;
  }
  for (const uint64_t bytes : taken) EXPECT_NEAR(static_cast<double>(bytes), 1'516'000, 150'000);
}

TEST(RouteTest, WhatReplacesARouteTakesOverHowItStands) {
  FunnelRoute config = OfNodes({kNode0, kNode1});
  config.max_connections = 2;
  config.bytes_per_second = 1;
  Route before(config);
  Route::Ticket ticket, other;
  ASSERT_EQ(before.Admit(kStart, ticket), Route::Admission::kAdmitted);
  before.AddConnection(1, 7);
  before.Report(kPort, 0, true, kStart);
  Instant again;
  ASSERT_EQ(before.TakeBytes(65'536, kStart + 1h, again), 65'536u);

  config.peerapi = {kNode2, kNode1, kNode0};
  config.bytes_per_second = 1000;
  config.max_connections = 1;
  Route after(config, before);
  EXPECT_EQ(after.connections(), 1u);
  EXPECT_EQ(after.Admit(kStart, other), Route::Admission::kTooMany);
  EXPECT_FALSE(after.Healthy(2));
  EXPECT_EQ(after.Pick(kPort, 0b001, kStart + 1s), 1);  // Node 0 of before is out, for all its 7 connections.
  EXPECT_EQ(after.Pick(kPort, 0b000, kStart + 1s), 0);
  EXPECT_EQ(after.TakeBytes(1, kStart + 1h, again), 0u);
  EXPECT_LT(again, kStart + 1h + 2s);  // By the new rate, not by the 18 hours of the old one.
  before.AddConnection(1, -7);
  after.AddConnection(0, 1);
  EXPECT_EQ(after.Pick(kPort, 0b100, kStart + 1s), 1);
  ticket = Route::Ticket();
  EXPECT_EQ(after.connections(), 0u);
}

TEST(RouteTest, AReplacedRoutesConnectionsGoByTheNewRate) {
  FunnelRoute config = OfNodes({kNode0});
  config.bytes_per_second = 1;
  Route before(config);
  config.bytes_per_second = 0;
  const Route after(config, before);
  Instant again;
  EXPECT_TRUE(before.paced());
  EXPECT_EQ(before.TakeBytes(1 << 20, kStart, again), size_t{1} << 20);
}

TEST(RouteTest, ThreadsShareIt) {
  FunnelRoute config = OfNodes({kNode0, kNode1, kNode2});
  config.max_connections = 3;
  config.new_per_second = 1'000'000'000;
  config.bytes_per_second = 1'000'000'000;
  const auto route = std::make_shared<Route>(config);
  std::atomic<int> admitted{0}, most{0};
  const auto work = [&](const std::shared_ptr<Route>& mine) {
    for (int i = 0; i < 2000; ++i) {
      const Instant now = std::chrono::steady_clock::now();
      Route::Ticket ticket;
      if (mine->Admit(now, ticket) != Route::Admission::kAdmitted) continue;
      const int open = ++admitted;
      for (int seen = most; open > seen && !most.compare_exchange_weak(seen, open);) {
      }
      const int node = mine->Pick(kPort, 0, now);
      mine->AddConnection(node, 1);
      mine->Report(kPort, node, i % 7 == 0, now);
      Instant again;
      mine->ReturnBytes(mine->TakeBytes(1000, now, again) / 2);
      EXPECT_LE(mine->connections(), 3u);
      (void)mine->Healthy(node);
      mine->AddConnection(node, -1);
      --admitted;
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) threads.emplace_back(work, route);
  threads.emplace_back([&] { work(std::make_shared<Route>(config, *route)); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(route->connections(), 0u);
  EXPECT_GE(most, 1);
  EXPECT_LE(most, 3);
}

}  // namespace
}  // namespace ingress
