// Next hops that move: what back ends that build frames themselves ask of the core.
#include <gtest/gtest.h>

#include "relay/core/relay_server.h"
#include "tests/support/verdicts.h"

namespace relay {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::Client;
using test::RelayHarness;

constexpr std::array<uint8_t, 6> kFirst = {2, 0, 0, 0, 0, 1};
constexpr std::array<uint8_t, 6> kSecond = {2, 0, 0, 0, 0, 2};

// With a VLAN tag, and without: the latter is decided by flows, if both are over IPv4.
class FollowLinkTest : public testing::TestWithParam<std::tuple<const char*, uint16_t>> {
 protected:
  FollowLinkTest() : pair_(relay_.AllocatePair()) {
    bob().MoveTo(test::Addr(std::get<0>(GetParam())));
    bob().path().local_ip = test::Addr(bob().path().remote.IsIpv4() ? "198.18.0.9:1" : "[2001:db8::9]:1").ip;
    alice().path().link = {.port = 1, .vlan = vlan(), .mac = kFirst};
    bob().path().link = {.port = 2, .vlan = 0, .mac = kFirst};
    relay_.Advance(milliseconds(300));  // Within a second.
  }
  void BindBoth() {
    ASSERT_EQ(alice().Bind(), Verdict::Accepted());
    ASSERT_EQ(bob().Bind(), Verdict::Accepted());
  }
  static uint16_t vlan() { return std::get<1>(GetParam()); }
  Client& alice() { return pair_.first; }
  Client& bob() { return pair_.second; }
  // Her path, but from another station.
  Path From(const std::array<uint8_t, 6>& mac) {
    Path path = alice().path();
    path.link.mac = mac;
    return path;
  }
  bool Follow(const Path& from) {
    relay_.qsbr.Online(0);
    const bool changed = relay_.server.FollowLink(alice().vni(), from, relay_.now);
    relay_.qsbr.Offline(0);
    return changed;
  }
  Verdict Data(const Path& from) {
    std::array<uint8_t, 12> packet{};
    geneve::Write({.vni = alice().vni(), .protocol = 0, .version = 0, .control = false},
                  std::span(packet).first<geneve::kHeaderSize>());
    return relay_.Handle(from, packet);
  }
  Link ToAlice() { return bob().Send("hi").to.link; }

  RelayHarness relay_;
  std::pair<Client, Client> pair_;
};

INSTANTIATE_TEST_SUITE_P(SecondClientAndVlan, FollowLinkTest,
                         testing::Combine(testing::Values(RelayHarness::kSecond4, RelayHarness::kSecond6),
                                          testing::Values(uint16_t{0}, uint16_t{5})));

TEST_P(FollowLinkTest, TheVerdictSaysWhenThereIsSomethingToFollow) {
  BindBoth();
  EXPECT_FALSE(Data(alice().path()).other_mac);
  for (size_t byte = 0; byte < 6; ++byte) {
    std::array<uint8_t, 6> mac = kFirst;
    mac[byte] ^= 0x40;
    EXPECT_TRUE(Data(From(mac)).other_mac) << byte;
  }
  Path elsewhere = From(kSecond);
  elsewhere.link.vlan = vlan() + 1;
  EXPECT_FALSE(Data(elsewhere).other_mac) << "VLANs change by handshakes alone";
  elsewhere = From(kSecond);
  elsewhere.link.port = 2;
  EXPECT_FALSE(Data(elsewhere).other_mac) << "and so do ports";
  elsewhere.link = {};
  EXPECT_FALSE(Data(elsewhere).other_mac) << "a kernel socket has no MAC address";
}

TEST_P(FollowLinkTest, ALegBoundByASocketStaysThere) {
  alice().path().link = {};
  BindBoth();
  Path by_port = alice().path();
  by_port.link = {.port = 1, .vlan = 0, .mac = kSecond};
  EXPECT_FALSE(Data(by_port).other_mac);
  EXPECT_FALSE(Follow(by_port));
  EXPECT_EQ(ToAlice(), Link{});
}

TEST_P(FollowLinkTest, MovesTheMacAddressAndNothingElse) {
  BindBoth();
  Path from = From(kSecond);
  from.local_ip = bob().path().local_ip;
  EXPECT_TRUE(Follow(from));
  const Path to = bob().Send("hi").to;
  EXPECT_EQ(to, From(kSecond)) << "the local address is the one that she bound to";
  EXPECT_FALSE(Data(From(kSecond)).other_mac);
  EXPECT_TRUE(Data(From(kFirst)).other_mac);
  EXPECT_EQ(alice().Send("hi").to, bob().path()) << "the other leg stays";
}

TEST_P(FollowLinkTest, AtMostOnceASecond) {
  BindBoth();
  EXPECT_TRUE(Follow(From(kSecond)));
  EXPECT_FALSE(Follow(From(kSecond))) << "it is there already";
  EXPECT_FALSE(Follow(From(kFirst)));
  relay_.Advance(milliseconds(600));
  EXPECT_FALSE(Follow(From(kFirst)));
  EXPECT_EQ(ToAlice().mac, kSecond);
  relay_.Advance(seconds(1));
  EXPECT_TRUE(Follow(From(kFirst)));
  EXPECT_EQ(ToAlice().mac, kFirst);
}

// Whatever the time of the first change is: the table counts in eighths of a second.
TEST_P(FollowLinkTest, NeverWithinASecondAndNotForeverNot) {
  BindBoth();
  uint8_t last = 10;
  const auto follow = [&] {
    std::array<uint8_t, 6> mac = kFirst;
    mac[5] = last + 1;
    const bool changed = Follow(From(mac));
    if (changed) ++last;
    return changed;
  };
  for (int i = 0; i < 600; ++i) {
    const Instant begin = relay_.now;
    ASSERT_TRUE(follow());
    relay_.now = begin + seconds(1) - milliseconds(1);
    ASSERT_FALSE(follow()) << i;
    relay_.now = begin + milliseconds(1125);
    ASSERT_TRUE(follow()) << i;
    relay_.Advance(milliseconds(1201));
  }
  // Heard of at an interval that meets itself in the table's count.
  int refused = 0;
  for (relay_.Advance(seconds(32)); !follow(); relay_.Advance(seconds(32))) ++refused;
  EXPECT_LE(refused, 9);
}

TEST_P(FollowLinkTest, OnlyFromTheBoundSourceOnItsPortAndVlan) {
  BindBoth();
  Path other = From(kSecond);
  other.remote.port ^= 1;
  EXPECT_FALSE(Follow(other));
  other = From(kSecond);
  other.link.port = 2;
  EXPECT_FALSE(Follow(other));
  other = From(kSecond);
  other.link.vlan = vlan() + 1;
  EXPECT_FALSE(Follow(other));
  EXPECT_EQ(ToAlice().mac, kFirst);
  EXPECT_TRUE(Follow(From(kSecond))) << "what was refused used nothing up";
}

TEST_P(FollowLinkTest, BothLegsOfOneAddress) {
  bob().path() = alice().path();
  BindBoth();
  EXPECT_TRUE(Follow(From(kSecond)));
  EXPECT_EQ(alice().Send("hi").to.link.mac, kSecond);
  EXPECT_EQ(ToAlice().mac, kSecond);
}

TEST_P(FollowLinkTest, AHandshakeHasTheLastWord) {
  BindBoth();
  EXPECT_TRUE(Follow(From(kSecond)));
  alice().path().link = {.port = 3, .vlan = 7, .mac = kFirst};
  EXPECT_EQ(alice().Bind(), Verdict::Accepted());
  EXPECT_EQ(ToAlice(), alice().path().link);
}

TEST_P(FollowLinkTest, NotBoundNotAllocatedOrGone) {
  EXPECT_FALSE(Follow(From(kSecond))) << "nobody is bound";
  BindBoth();
  relay_.qsbr.Online(0);
  EXPECT_FALSE(relay_.server.FollowLink(alice().vni() + 1, From(kSecond), relay_.now));
  relay_.qsbr.Offline(0);
  relay_.table.Remove(alice().vni());
  EXPECT_FALSE(Follow(From(kSecond)));
}

}  // namespace
}  // namespace relay
