// Whole runs against the real relay core, with faults of the network that the report must show exactly.
#include "bench/relay_bench/runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/measure/stamp.h"
#include "bench/relay_bench/core_world.h"

namespace bench {
namespace {

using relay::DropReason;
using std::chrono::milliseconds;
using ::testing::HasSubstr;
using Packet = CoreLink::Packet;

// Calls `fault` for the n-th data packet (from 0) and lets the others pass. The first ones are probes: one a pair.
auto OnData(int skip, std::function<bool(int n, Packet&)> fault) {
  return [skip, fault = std::move(fault), n = 0](Packet& packet) mutable {
    if (packet.control()) return true;
    const int number = n++ - skip;
    return number < 0 || fault(number, packet);
  };
}

TEST(RunnerTest, BindsAllPairsAndLosesNothing) {
  CoreWorld world;
  world.options.pairs = 20;
  world.options.bind_window = 4;
  const auto result = world.Run();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->handshakes->started, 40u);
  EXPECT_EQ(result->handshakes->completed, 40u);
  EXPECT_EQ(result->handshakes->first_attempt, 40u);
  EXPECT_EQ(result->allocations->made, 20u);
  EXPECT_EQ(world.relay.table.open(), 20u);
  EXPECT_NEAR(static_cast<double>(result->figures->sent), 2000, 2);
  EXPECT_EQ(result->figures->flows.received, result->figures->sent);
  EXPECT_EQ(result->figures->generator_lost, 0u);
  EXPECT_EQ(result->figures->latency.count, result->figures->sent);
}

TEST(RunnerTest, ReportsLossReorderingAndDuplicatesExactly) {
  CoreWorld world;
  world.options.both_directions = false;
  Packet held;
  world.link.from_relay = OnData(1, [&](int n, Packet& packet) {
    if (n == 10 || n == 20 || n == 30) return false;
    if (n == 40) world.link.queue.push_back(packet);  // And once more.
    if (n == 50) held = packet;
    if (n == 51) {
      world.link.queue.push_back(packet);
      packet = held;
    }
    return n != 50;
  });
  const auto result = world.Run();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->figures->Lost(), 3u);
  EXPECT_EQ(result->figures->flows.duplicated, 1u);
  EXPECT_EQ(result->figures->flows.reordered, 1u);
  EXPECT_EQ(result->figures->flows.corrupted, 0u);
}

TEST(RunnerTest, ReportsCorruptionAndMisdelivery) {
  CoreWorld world;
  world.options.pairs = 2;
  world.link.from_relay = OnData(2, [](int n, Packet& packet) {
    if (n == 10) packet.bytes[packet.bytes.size() / 2] ^= 1;
    if (n == 20) packet.leg ^= 2;       // To a client of the other pair.
    if (n == 30) packet.bytes[6] ^= 1;  // The VNI.
    return true;
  });
  const auto result = world.Run();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->figures->flows.corrupted, 3u);
  EXPECT_EQ(result->figures->Lost(), 3u);
  EXPECT_THAT(result->notes, testing::Contains(HasSubstr("1 came to the wrong client, 1 under the wrong VNI")));
}

TEST(RunnerTest, ALostBindIsSentAgain) {
  CoreWorld world;
  world.options.pairs = 5;
  world.link.to_relay = [n = 0](Packet& packet) mutable { return !packet.control() || n++ != 2; };
  const auto result = world.Run();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->handshakes->completed, 10u);
  EXPECT_EQ(result->handshakes->first_attempt, 9u);
  EXPECT_GE(result->handshakes->latency.max_ns, relay::Duration(milliseconds(500)).count());
}

TEST(RunnerTest, ALostAnswerIsNoticedByTheProbe) {
  CoreWorld world;
  // Two binds, then two answers, of which the first is lost.
  world.link.to_relay = [n = 0](Packet& packet) mutable { return !packet.control() || n++ != 2; };
  const auto result = world.Run();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->handshakes->completed, 2u);
  EXPECT_EQ(result->handshakes->first_attempt, 0u);
  EXPECT_EQ(result->figures->Lost(), 0u);
}

TEST(RunnerTest, ALostProbeIsNoFailedHandshake) {
  CoreWorld world;
  world.link.to_relay = [n = 0](Packet& packet) mutable { return packet.control() || n++ != 0; };
  const auto result = world.Run();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->handshakes->first_attempt, 2u);
}

TEST(RunnerTest, NoAnswerToAnyHandshakeIsAnError) {
  CoreWorld world;
  world.link.to_relay = [](Packet&) { return false; };
  const auto result = world.Run();
  EXPECT_EQ(result.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("no answer to any handshake from 198.19.0.1:40000"));
}

TEST(RunnerTest, WhatWasAnsweredAndWhatWasNotIsTold) {
  for (const bool second_leg : {true, false}) {
    CoreWorld world;
    world.options.handshake_tries = 3;
    world.link.to_relay = [&](Packet& packet) { return packet.control() && (second_leg || packet.leg == 0); };
    const auto result = world.Run();
    EXPECT_EQ(result.status().code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(std::string(result.status().message()),
                second_leg ? HasSubstr("no packet came through it from one client to the other; UDP checksums")
                           : HasSubstr("198.19.0.1:40000 answered handshakes, but of no pair those of both clients"));
  }
}

TEST(RunnerTest, ASearchThatFindsNoRateSaysSo) {
  CoreWorld world;
  world.options.rate = RateKind::kSearch;
  world.options.rate_pps = 1000;
  world.options.search_high_pps = 4000;
  world.options.search_resolution = 0.3;
  world.options.duration = milliseconds(100);
  world.link.from_relay = OnData(1, [](int n, Packet&) { return n % 10 != 0; });
  const auto result = world.Run();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(result->figures.has_value());
  EXPECT_THAT(WhyNoRate(*result), HasSubstr("the lowest that it tried, 1.00 k/s, 10 % were lost (--loss_bound: 0)"));
}

TEST(RunnerTest, APairThatIsNeverBoundTakesNoPart) {
  CoreWorld world;
  world.options.pairs = 3;
  world.link.to_relay = [](Packet& packet) { return packet.leg != 3; };  // A client of the second pair.
  const auto result = world.Run();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->handshakes->completed, 4u);
  EXPECT_EQ(result->figures->Lost(), 0u);
  EXPECT_THAT(result->notes, testing::Contains(HasSubstr("1 pairs could not be bound")));
}

TEST(RunnerTest, EveryKindOfAbuseReachesItsOwnCheck) {
  CoreWorld world;
  world.options.pairs = 4;
  world.options.hostile = {.bogus_control = 400, .unknown_vni = 1000, .wrong_source = 1000, .random = 1000};
  world.options.attack_pairs = 10;
  world.options.hostile_in_setup = true;
  const auto result = world.Run();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_NEAR(static_cast<double>(world.Dropped(DropReason::kOpenFailed)), 80, 10);
  EXPECT_EQ(world.Dropped(DropReason::kControlRateLimited), 0u);
  EXPECT_GE(world.Dropped(DropReason::kUnknownVni), 198u);
  EXPECT_GE(world.Dropped(DropReason::kUnknownSource), 198u);
  EXPECT_EQ(result->figures->Lost(), 0u);
  EXPECT_EQ(result->handshakes->started, 8u);  // The good ones.
  EXPECT_EQ(result->handshakes->first_attempt, 8u);
}

TEST(RunnerTest, BoundClientsShakeHandsAgainUnderLoad) {
  CoreWorld world;
  world.options.pairs = 50;
  world.options.handshake_share = 0.01;
  const auto result = world.Run();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_NEAR(static_cast<double>(result->handshakes->started), 20, 1);
  EXPECT_EQ(result->handshakes->completed, result->handshakes->started);
  EXPECT_EQ(result->handshakes->first_attempt, result->handshakes->started);
  EXPECT_EQ(world.relay.counters.handshakes[2].Get(), result->handshakes->started);  // Rebound.
  EXPECT_EQ(result->figures->Lost(), 0u);
}

TEST(RunnerTest, WhatTheLinkDoesNotTakeIsNeitherSentNorLost) {
  CoreWorld world;
  bool full = false;
  world.options.rate_pps = 100'000;
  world.on_clock = [&, n = 0]() mutable {
    full = ++n % 100 < 20;
    world.link.takes = full ? 1 : kMaxBurst;
  };
  const auto result = world.Run();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->figures->flows.received, result->figures->sent);
  EXPECT_EQ(result->figures->flows.missing, 0u);
}

TEST(RunnerTest, ASearchFindsWhatTheRelayCarries) {
  CoreWorld world;
  world.options.rate = RateKind::kSearch;
  world.options.rate_pps = 1000;
  world.options.search_high_pps = 100'000;
  world.options.search_resolution = 0.05;
  world.options.duration = milliseconds(100);
  relay::Instant free_at{};
  world.link.from_relay = OnData(1, [&](int, Packet&) {  // 20 us each, and room for ten that wait.
    if (free_at > world.relay.now + std::chrono::microseconds(200)) return false;
    free_at = std::max(free_at, world.relay.now) + std::chrono::microseconds(20);
    return true;
  });
  const auto result = world.Run();
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_TRUE(result->figures.has_value());
  EXPECT_NEAR(result->figures->rate_per_s, 50'000, 3000);
  EXPECT_FALSE(result->generator_limited);
  EXPECT_GT(result->trials.size(), 3u);
}

TEST(RunnerTest, ASignalEndsTheLoadWithAReport) {
  CoreWorld world;
  world.options.duration = std::chrono::seconds(1000);
  world.on_clock = [&, n = 0]() mutable { world.stop = ++n > 20'000; };
  const auto result = world.Run();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_LT(result->figures->seconds, 100);
  EXPECT_GT(result->figures->sent, 0u);
  EXPECT_EQ(result->figures->Lost(), 0u);
}

TEST(RunnerTest, NeverMoreUnboundThanTheWindowAllows) {
  CoreWorld world;
  world.options.pairs = 100;
  world.options.bind_window = 7;
  uint32_t most = 0;
  world.link.to_relay = [&](Packet&) {
    most = std::max(most, world.relay.table.live() - world.relay.table.open());
    return true;
  };
  ASSERT_TRUE(world.Run().ok());
  EXPECT_LE(most, 7u);
  EXPECT_EQ(world.relay.table.open(), 100u);
}

}  // namespace
}  // namespace bench
