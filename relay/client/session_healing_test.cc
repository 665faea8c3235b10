// Stories of a relay, an address or a peer that is lost and found again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "disco/packet.h"
#include "relay/client/session.h"
#include "relay/client/session_world.h"

namespace relay::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(SessionTest, HealsWhenTheRelayForgets) {
  World world;
  StartBoth(world);
  ASSERT_TRUE(world.BothConnect(seconds(1)));
  world.RestartRelay();
  ASSERT_TRUE(world.RunUntil([&] { return !world.alice.connected() && !world.bob.connected(); }, seconds(5)));
  EXPECT_TRUE(world.BothConnect(seconds(3)));
  EXPECT_TRUE(Exchanges(world));
}

// The key, the VNI and the LamportID may all be the old ones, and the legs unbound.
TEST(SessionTest, HealsWhenARelayOfTheSameKeyForgets) {
  World world;
  const std::string key = disco::PrivateKey::Generate().ToString();
  world.RestartRelay(*disco::PrivateKey::Parse(key));
  StartBoth(world);
  ASSERT_TRUE(world.BothConnect(seconds(1)));
  world.RestartRelay(*disco::PrivateKey::Parse(key));
  ASSERT_TRUE(world.RunUntil([&] { return !world.alice.connected() && !world.bob.connected(); }, seconds(5)));
  EXPECT_TRUE(world.BothConnect(seconds(3)));
  EXPECT_TRUE(Exchanges(world));
}

TEST(SessionTest, HealsAfterAnOutageThatOutlastsTheEndpoint) {
  World world;
  StartBoth(world);
  ASSERT_TRUE(world.BothConnect(seconds(1)));
  const auto reliable = world.lose;
  world.lose = [](auto&&...) { return true; };
  world.Run(minutes(7));
  world.lose = reliable;
  EXPECT_TRUE(world.BothConnect(seconds(8)));
  EXPECT_TRUE(Exchanges(world));
}

TEST(SessionTest, HealsWhenTheRelayComesBackWithOtherKeys) {
  for (const Duration down : {milliseconds(100), milliseconds(3000), milliseconds(20000), milliseconds(300000)}) {
    World world;
    StartBoth(world);
    ASSERT_TRUE(world.BothConnect(seconds(1)));
    world.relay.reset();
    world.Run(down);
    world.RestartRelay();
    ASSERT_TRUE(world.RunUntil([&] { return Exchanges(world); }, seconds(8))) << down.count();
    EXPECT_TRUE(world.BothConnect(seconds(2)));
    EXPECT_THAT(world.alice.lines, testing::Contains("state=reconnecting reason=no_pong"));
  }
}

TEST(SessionTest, BindsAgainAtOnceWhenItsAddressChanges) {
  World world;
  StartBoth(world);
  ASSERT_TRUE(world.BothConnect(seconds(1)));
  world.alice.address = Address("[2001:db8::a]:1");  // Another family, too.
  world.alice.session->AddressChanged(world.now);
  world.RunUntil([&] { return !world.alice.connected(); }, milliseconds(1));
  EXPECT_TRUE(world.BothConnect(milliseconds(100)));
  EXPECT_EQ(world.alice.allocations, 1);
  EXPECT_THAT(world.alice.lines, testing::Contains("state=reconnecting reason=address_changed"));
  EXPECT_TRUE(Exchanges(world));
}

TEST(SessionTest, NoticesAnAddressChangeThatNobodyReports) {
  World world;
  StartBoth(world);
  ASSERT_TRUE(world.BothConnect(seconds(1)));
  world.alice.address.port = 1;  // A NAT between has forgotten us.
  ASSERT_TRUE(world.RunUntil([&] { return !world.alice.connected(); }, seconds(4)));
  EXPECT_TRUE(world.BothConnect(seconds(1)));
  EXPECT_TRUE(Exchanges(world));
  EXPECT_EQ(world.alice.session->data_path()->vni, 1u);
}

TEST(SessionTest, MovesWithoutTheApi) {
  World world;
  StartBoth(world);
  ASSERT_TRUE(world.BothConnect(seconds(1)));
  world.api_up = false;
  world.alice.address = Address("198.18.1.9:1");
  ASSERT_TRUE(world.RunUntil([&] { return !world.alice.connected(); }, seconds(4)));
  EXPECT_TRUE(world.BothConnect(seconds(2)));
}

TEST(SessionTest, EitherSideMayRestart) {
  World world;
  StartBoth(world);
  ASSERT_TRUE(world.BothConnect(seconds(1)));
  for (int i = 0; i < 4; ++i) {
    Node& restarts = i % 2 == 0 ? world.alice : world.bob;
    Node& stays = i % 2 == 0 ? world.bob : world.alice;
    world.Stop(restarts);
    world.Run(seconds(20 * i * i));
    world.Start(restarts, stays);
    EXPECT_TRUE(world.BothConnect(seconds(8))) << i;
    EXPECT_TRUE(Exchanges(world)) << i;
  }
}

}  // namespace
}  // namespace relay::client
