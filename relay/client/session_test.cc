// Stories of two relay-clients and a relay.
#include "relay/client/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "disco/packet.h"
#include "geneve/geneve.h"
#include "relay/client/session_world.h"

namespace relay::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::StartsWith;

TEST(SessionTest, ConnectsAndSaysSo) {
  World world;
  StartBoth(world);
  ASSERT_TRUE(world.BothConnect(seconds(1)));
  EXPECT_THAT(world.alice.lines, ElementsAre("state=allocating", "state=handshaking relay=198.18.0.1:40000 vni=1",
                                             StartsWith("state=connected relay=198.18.0.1:40000 vni=1 rtt_ms=")));
  EXPECT_EQ(world.alice.session->data_path(), world.bob.session->data_path());
  EXPECT_TRUE(Exchanges(world));
}

TEST(SessionTest, StaysConnectedQuietly) {
  World world;
  StartBoth(world);
  ASSERT_TRUE(world.BothConnect(seconds(1)));
  world.sent = 0;
  world.Run(minutes(30));
  EXPECT_LE(world.sent, 2 * 900 * 4 + 8);  // A ping every two seconds and its pong, from both, to the relay and on.
  EXPECT_TRUE(Exchanges(world));
  EXPECT_EQ(world.alice.lines.size(), 3u);
  EXPECT_EQ(world.alice.allocations, 1);
}

TEST(SessionTest, KeepsAnEndpointOfAnImpatientRelayAlive) {
  World world({.steady_state_lifetime = seconds(1)});
  StartBoth(world);
  ASSERT_TRUE(world.BothConnect(seconds(1)));
  world.Run(minutes(1));
  EXPECT_EQ(world.alice.session->data_path()->vni, 1u);
  EXPECT_EQ(world.alice.lines.size(), 3u);
}

TEST(SessionTest, PingsDirectlyBehindTheAnswer) {
  World world;
  std::vector<geneve::Header> sent;
  world.lose = [&](const AddrPort&, const AddrPort&, std::span<const uint8_t> packet) {
    sent.push_back(*geneve::Parse(packet));
    return false;
  };
  world.Start(world.alice, world.bob);
  world.RunUntil([&] { return world.alice.session->data_path().has_value() && sent.size() >= 4; }, seconds(1));
  ASSERT_EQ(sent.size(), 4u);  // Bind, challenge, answer, ping.
  EXPECT_TRUE(sent[2].control);
  EXPECT_FALSE(sent[3].control);
  EXPECT_EQ(sent[3].protocol, geneve::kProtocolDisco);
}

TEST(SessionTest, WaitsForAPeerThatStartsLater) {
  World world;
  world.Start(world.alice, world.bob);
  world.Run(minutes(3));  // The relay has dropped the endpoint several times meanwhile.
  EXPECT_FALSE(world.alice.connected());
  EXPECT_THAT(world.alice.lines, testing::Contains(StartsWith("state=waiting")));
  // Neither the relay nor its API is pestered meanwhile.
  const auto challenged = static_cast<size_t>(HandshakeResult::kChallenged);
  EXPECT_LT(world.relay->counters.handshakes[challenged].Get(), 60u);
  EXPECT_LT(world.alice.allocations, 20);
  world.Start(world.bob, world.alice);
  EXPECT_TRUE(world.BothConnect(seconds(4)));
  EXPECT_TRUE(Exchanges(world));
}

TEST(SessionTest, ConnectsAtOnceToAPeerThatWaited) {
  World world;
  world.Start(world.alice, world.bob);
  world.Run(seconds(3));
  world.Start(world.bob, world.alice);
  EXPECT_TRUE(world.BothConnect(milliseconds(200)));
}

TEST(SessionTest, ConnectsThroughALossyNetwork) {
  World world;
  std::minstd_rand random(1);
  world.lose = [&](auto&&...) { return random() % 100 < 30; };
  for (int i = 0; i < 20; ++i) {
    world.RestartRelay();
    StartBoth(world);
    EXPECT_TRUE(world.BothConnect(seconds(30))) << i;
  }
}

TEST(SessionTest, RetriesTheApiWithPatience) {
  World world;
  world.api_up = false;
  StartBoth(world);
  world.Run(minutes(1));
  EXPECT_THAT(world.alice.lines, ElementsAre("state=allocating", "state=allocating error=\"cannot connect\""));
  EXPECT_GT(world.alice.allocations, 10);
  EXPECT_LT(world.alice.allocations, 25);
  world.api_up = true;
  EXPECT_TRUE(world.BothConnect(seconds(7)));
}

TEST(SessionTest, WaitsAsLongAsTheApiAsksInEveryState) {
  World world;
  StartBoth(world);
  ASSERT_TRUE(world.BothConnect(seconds(1)));
  world.api_up = false;
  world.retry_after = minutes(2);
  world.Stop(world.bob);
  world.alice.allocations = 0;
  world.Run(minutes(1));  // Reconnecting, then waiting.
  EXPECT_FALSE(world.alice.connected());
  EXPECT_EQ(world.alice.allocations, 1);
  world.alice.session->AddressChanged(world.now);
  world.Run(seconds(30));
  EXPECT_EQ(world.alice.allocations, 1);
  world.relay.reset();  // Allocating, from now on.
  world.Run(seconds(20));
  EXPECT_EQ(world.alice.allocations, 1);
  world.Run(seconds(30));
  EXPECT_EQ(world.alice.allocations, 2);
}

TEST(SessionTest, PrefersTheFirstAddressThatAnswers) {
  World world;
  world.relay_addresses = {Address("[2001:db8::1]:40000"), Address("198.18.0.1:40000")};
  world.extra_latency[world.relay_addresses[0]] = milliseconds(20);
  StartBoth(world);
  ASSERT_TRUE(world.BothConnect(seconds(1)));
  EXPECT_EQ(world.alice.session->data_path()->relay, world.relay_addresses[0]);
}

TEST(SessionTest, UsesTheNextAddressIfOneIsDead) {
  World world;
  world.relay_addresses = {Address("[2001:db8::1]:40000"), Address("198.18.0.1:40000"), Address("198.18.0.2:40000")};
  world.dead_addresses = {world.relay_addresses[0]};
  StartBoth(world);
  ASSERT_TRUE(world.BothConnect(milliseconds(200)));
  EXPECT_EQ(world.alice.session->data_path()->relay, world.relay_addresses[1]);
  // A later handshake begins with what worked.
  world.alice.session->AddressChanged(world.now);
  world.RunUntil([&] { return !world.alice.connected(); }, milliseconds(1));
  ASSERT_TRUE(world.BothConnect(milliseconds(50)));
  // When that dies, another is found.
  world.dead_addresses.push_back(world.relay_addresses[1]);
  ASSERT_TRUE(world.RunUntil([&] { return !world.alice.connected() && !world.bob.connected(); }, seconds(5)));
  EXPECT_TRUE(world.BothConnect(seconds(4)));
  EXPECT_EQ(world.alice.session->data_path()->relay, world.relay_addresses[2]);
}

TEST(SessionTest, DoesNotWaitForAnAddressWithoutARoute) {
  World world;
  world.relay_addresses = {Address("[2001:db8::1]:40000"), Address("198.18.0.1:40000")};
  world.unroutable_addresses = {world.relay_addresses[0]};
  StartBoth(world);
  EXPECT_TRUE(world.BothConnect(milliseconds(100)));
}

TEST(SessionTest, ARefusedSendIsNoReasonToBindAgain) {
  World world;
  StartBoth(world);
  ASSERT_TRUE(world.BothConnect(seconds(1)));
  world.sent = 0;
  for (int i = 0; i < 100; ++i) {
    world.alice.session->SendFailed(world.relay_addresses[0], world.now);
    world.Run(milliseconds(30));
  }
  EXPECT_THAT(world.alice.lines, testing::SizeIs(3));
  EXPECT_TRUE(world.alice.connected());
  EXPECT_GT(world.sent, 4 * 50);
  EXPECT_LE(world.sent, 4 * 110);  // No more than a ping for each.
}

TEST(SessionTest, NoticesSoonThatThereIsNoRoute) {
  World world;
  StartBoth(world);
  ASSERT_TRUE(world.BothConnect(seconds(1)));
  world.unroutable_addresses = world.relay_addresses;
  world.alice.session->SendFailed(world.relay_addresses[0], world.now);
  EXPECT_TRUE(world.RunUntil([&] { return !world.alice.connected(); }, milliseconds(600)));
  EXPECT_FALSE(world.RunUntil([&] { return world.alice.connected(); }, seconds(2)));
  world.unroutable_addresses.clear();
  EXPECT_TRUE(world.BothConnect(seconds(8)));
}

TEST(SessionTest, TriesNoAddressThatNobodyHas) {
  World world;
  world.relay_addresses = {Address("0.0.0.0:40000"), Address("224.0.0.1:40000"), Address("198.18.0.9:0"),
                           Address("198.18.0.1:40000")};
  StartBoth(world);
  EXPECT_TRUE(world.BothConnect(milliseconds(100)));
}

TEST(SessionTest, ServesTheFirstDialectToo) {
  World world;
  world.alice.dialect = world.bob.dialect = disco::Dialect::kFirst;
  StartBoth(world);
  ASSERT_TRUE(world.BothConnect(seconds(1)));
  // Its first bind pins the source: a restart is served when the relay has given the pair a new endpoint.
  world.Stop(world.alice);
  world.Start(world.alice, world.bob);
  EXPECT_TRUE(world.BothConnect(minutes(1)));
  EXPECT_TRUE(Exchanges(world));
}

TEST(SessionTest, AnEndpointFromElsewhereNeedsNoApi) {
  World world;
  const auto endpoint = world.Allocate(world.alice);
  ASSERT_TRUE(endpoint.ok());
  std::unique_ptr<Relay> relay = std::move(world.relay);
  world.Start(world.alice, world.bob, *endpoint, false);
  world.Start(world.bob, world.alice, *endpoint, false);
  world.Run(seconds(20));  // The relay is unreachable at first.
  EXPECT_THAT(world.alice.lines,
              ElementsAre(StartsWith("state=handshaking"), "state=reconnecting reason=relay_silent"));
  world.relay = std::move(relay);
  EXPECT_TRUE(world.BothConnect(seconds(8)));
  EXPECT_EQ(world.alice.allocations, 0);
}

TEST(SessionTest, RefusesAnEndpointThatIsNotForItsKeys) {
  World world;
  auto endpoint = world.Allocate(world.alice);
  ASSERT_TRUE(endpoint.ok());
  const disco::PublicKey& bob = world.bob.key.public_key();
  EXPECT_TRUE(CheckEndpoint(*endpoint, world.alice.key, bob).ok());
  auto broken = *endpoint;
  broken.client_disco[0] = broken.client_disco[1];
  EXPECT_FALSE(CheckEndpoint(broken, world.alice.key, bob).ok());
  broken = *endpoint;
  broken.vni = geneve::kMaxVni + 1;
  EXPECT_FALSE(CheckEndpoint(broken, world.alice.key, bob).ok());
  broken = *endpoint;
  broken.server_disco = {};
  EXPECT_FALSE(CheckEndpoint(broken, world.alice.key, bob).ok());
  broken = *endpoint;
  broken.addr_ports = {Address("0.0.0.0:1")};
  EXPECT_FALSE(CheckEndpoint(broken, world.alice.key, bob).ok());
}

// Whoever is between can show a client its own packets as if the peer had sent them: the box key is the same both ways.
TEST(SessionTest, IsNotFooledByItsOwnPings) {
  World world;
  int reflected = 0;
  world.lose = [&](const AddrPort& from, const AddrPort& to, std::span<const uint8_t> packet) {
    if (geneve::Parse(packet)->control || from != world.alice.address) return false;
    std::vector<uint8_t> reflection(packet.begin(), packet.end());
    const auto& bob = world.bob.key.public_key().bytes;
    std::copy(bob.begin(), bob.end(), reflection.begin() + geneve::kHeaderSize + disco::kMagic.size());
    world.Inject(to, from, std::move(reflection));
    ++reflected;
    return true;
  };
  world.Start(world.alice, world.bob);
  EXPECT_FALSE(world.RunUntil([&] { return world.alice.connected(); }, seconds(20)));
  EXPECT_GT(reflected, 10);
}

TEST(SessionTest, TakesPongsFromTheRelayAlone) {
  World world;
  // What the relay sends to Alice, but for its challenges, comes from elsewhere.
  world.lose = [&](const AddrPort&, const AddrPort& to, std::span<const uint8_t> packet) {
    if (geneve::Parse(packet)->control || to != world.alice.address) return false;
    world.Inject(Address("198.18.0.66:40000"), to, {packet.begin(), packet.end()});
    return true;
  };
  StartBoth(world);
  EXPECT_FALSE(world.RunUntil([&] { return world.alice.connected(); }, seconds(20)));
}

TEST(SessionTest, SurvivesAnyBytes) {
  World world;
  StartBoth(world);
  ASSERT_TRUE(world.BothConnect(seconds(1)));
  std::minstd_rand random(2);
  for (int i = 0; i < 20000; ++i) {
    std::vector<uint8_t> packet(random() % 300);
    for (uint8_t& byte : packet) byte = static_cast<uint8_t>(random());
    if (packet.size() >= geneve::kHeaderSize && i % 2 == 0) {
      geneve::Write({.vni = 1, .protocol = geneve::kProtocolDisco, .control = i % 4 == 0},
                    std::span(packet).first<geneve::kHeaderSize>());
      std::copy_n(disco::kMagic.begin(), std::min(disco::kMagic.size(), packet.size() - geneve::kHeaderSize),
                  packet.begin() + geneve::kHeaderSize);
    }
    world.alice.session->HandlePacket(world.relay_addresses[0], packet, world.now);
  }
  EXPECT_TRUE(world.alice.session->Take().datagrams.empty());
  EXPECT_TRUE(Exchanges(world));
}

}  // namespace
}  // namespace relay::client
