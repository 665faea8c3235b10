#include "relay/core/relay_server.h"

#include <gtest/gtest.h>

#include "tests/support/verdicts.h"

namespace relay {

namespace {

using disco::BindCommon;
using disco::MessageType;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using test::Addr;
using test::Client;
using test::RelayHarness;

using RelayServerTest = test::BothFamiliesTest;
INSTANTIATE_TEST_SUITE_P(SecondClient, RelayServerTest, testing::Values(RelayHarness::kSecond4, RelayHarness::kSecond6),
                         test::BothFamiliesTest::NameOf);

TEST_P(RelayServerTest, ForwardsOnceBothClientsAreBound) {
  RelayHarness relay;
  auto [alice, bob] = relay.AllocatePair();
  EXPECT_EQ(alice.Bind(), Verdict::Accepted());
  EXPECT_EQ(alice.Send("hi"), Dropped(DropReason::kNotBound));
  EXPECT_EQ(bob.Bind(), Verdict::Accepted());
  EXPECT_EQ(alice.Send("hi"), ForwardedTo(bob));
  EXPECT_EQ(bob.Send("hello"), ForwardedTo(alice));
  EXPECT_EQ(alice.Send(""), ForwardedTo(bob)) << "a header alone is data too";
}

TEST_P(RelayServerTest, CountsWhatEachClientSent) {
  RelayHarness relay;
  auto [alice, bob] = relay.AllocatePair();
  alice.Bind();
  alice.Send("dropped: not bound yet");
  bob.Bind();
  alice.Send("1234");
  alice.Send(std::string(3 * 100 - geneve::kHeaderSize, 'x'), 3);
  const Endpoint& endpoint = *relay.table.Find(alice.vni());
  EXPECT_EQ(endpoint.packets(0), 4u);
  EXPECT_EQ(endpoint.bytes(0), 12u + 300u);
  EXPECT_EQ(endpoint.packets(1), 0u);
}

// The first that a leg was bound by owns it.
TEST_P(RelayServerTest, AnotherWorkerCountsApart) {
  RelayHarness relay;
  auto [alice, bob] = relay.AllocatePair();
  const Endpoint& endpoint = *relay.table.Find(alice.vni());
  bob.Bind();
  alice.SendBind();
  // The Qsbr has one worker: call the core without it.
  const auto handle_as = [&](uint16_t worker, std::span<const uint8_t> packet) {
    relay.worker.id = worker;
    return relay.server.HandlePacket(relay.worker, alice.path(), packet, relay.now, relay.reply);
  };
  EXPECT_EQ(handle_as(7, alice.last_answer()), Verdict::Accepted());
  EXPECT_EQ(endpoint.flow[0].owner.load(), 7u);
  std::array<uint8_t, 12> packet{};
  geneve::Write({.vni = alice.vni(), .protocol = 0, .version = 0, .control = false},
                std::span(packet).first<geneve::kHeaderSize>());
  for (const uint16_t worker : {7, 0}) EXPECT_EQ(handle_as(worker, packet), ForwardedTo(bob));
  EXPECT_EQ(endpoint.flow[0].owner_packets.load(), 1u);
  EXPECT_EQ(endpoint.activity(0).other_packets.load(), 1u);
  EXPECT_EQ(endpoint.packets(0), 2u);
  EXPECT_EQ(endpoint.bytes(0), 24u);
}

TEST_P(RelayServerTest, DropsDataFromElsewhere) {
  RelayHarness relay;
  auto [alice, bob] = relay.AllocatePair();
  alice.Bind();
  bob.Bind();
  alice.MoveTo(Addr("198.18.0.1:1002"));
  EXPECT_EQ(alice.Send("other port"), Dropped(DropReason::kUnknownSource));
  alice.MoveTo(Addr("198.18.0.2:1001"));
  EXPECT_EQ(alice.Send("other address"), Dropped(DropReason::kUnknownSource));
  alice.MoveTo(Addr("198.18.0.2:0"));
  EXPECT_EQ(alice.Send("no port"), Dropped(DropReason::kRefusedSource));
}

TEST_P(RelayServerTest, LinkLocalSourcesDifferByScope) {
  RelayHarness relay;
  auto [alice, bob] = relay.AllocatePair();
  alice.MoveTo(Addr("[fe80::1%3]:1001"));
  EXPECT_EQ(alice.Bind(), Verdict::Accepted());
  bob.Bind();
  EXPECT_EQ(bob.Send("hi").to.remote.scope, 3u);
  alice.MoveTo(Addr("[fe80::1%4]:1001"));
  EXPECT_EQ(alice.Send("same address on another link"), Dropped(DropReason::kUnknownSource));
}

TEST_P(RelayServerTest, ChallengeHoldsForItsScopeOnly) {
  RelayHarness relay;
  auto [alice, bob] = relay.AllocatePair();
  alice.MoveTo(Addr("[fe80::1%3]:1001"));
  alice.SendBind();
  alice.MoveTo(Addr("[fe80::1%4]:1001"));
  EXPECT_EQ(alice.SendAnswer(), Dropped(DropReason::kMacMismatch));
}

TEST_P(RelayServerTest, BothClientsMayShareOneAddress) {
  RelayHarness relay;
  auto [alice, bob] = relay.AllocatePair();
  bob.MoveTo(alice.path().remote);
  bob.path().local_ip = alice.path().local_ip;
  EXPECT_EQ(alice.Bind(), Verdict::Accepted());
  EXPECT_EQ(bob.Bind(), Verdict::Accepted());
  relay.Advance(seconds(10));
  EXPECT_EQ(alice.Send("hi"), ForwardedTo(bob));
  for (const Flow& flow : relay.table.Find(alice.vni())->flow) {
    EXPECT_GE(flow.last_seen_ns.load(), ToNs(relay.now)) << "either of them may have sent it";
  }
}

TEST_P(RelayServerTest, RoamsAcrossFamiliesAndKeepsTheOldBindingUntilTheAnswer) {
  RelayHarness relay;
  auto [alice, bob] = relay.AllocatePair();
  alice.Bind();
  bob.Bind();
  const Path old = alice.path();
  alice.MoveTo(Addr("[2001:db8::77]:7777"));
  EXPECT_EQ(alice.SendBind(), RepliedTo(alice));
  EXPECT_EQ(bob.Send("still there?").to.remote, old.remote);
  EXPECT_EQ(alice.SendAnswer(), Verdict::Accepted());
  EXPECT_EQ(bob.Send("and now?"), ForwardedTo(alice));
  EXPECT_EQ(relay.counters.handshakes[static_cast<size_t>(HandshakeResult::kBound)].Get(), 2u);
  EXPECT_EQ(relay.counters.handshakes[static_cast<size_t>(HandshakeResult::kRebound)].Get(), 1u);
  EXPECT_EQ(relay.counters.handshakes[static_cast<size_t>(HandshakeResult::kChallenged)].Get(), 3u);
}

TEST_P(RelayServerTest, AnswersFromTheAddressThatALegBoundTo) {
  RelayHarness relay;
  auto [alice, bob] = relay.AllocatePair();
  alice.Bind();
  bob.Bind();
  EXPECT_EQ(alice.Send("hi").to.local_ip, bob.path().local_ip);
  EXPECT_EQ(bob.Send("hi").to.local_ip, alice.path().local_ip);
}

TEST_P(RelayServerTest, AnAnswerIsGoodOnce) {
  RelayHarness relay;
  auto [alice, bob] = relay.AllocatePair();
  EXPECT_EQ(alice.Bind(), Verdict::Accepted());
  EXPECT_EQ(alice.SendAnswer(), Dropped(DropReason::kStaleGeneration));
}

TEST_P(RelayServerTest, AFailedAnswerLeavesTheHandshakeInProgress) {
  RelayHarness relay;
  auto [alice, bob] = relay.AllocatePair();
  alice.SendBind();
  const AddrPort home = alice.path().remote;
  alice.MoveTo(Addr("198.18.0.200:1"));
  EXPECT_EQ(alice.SendAnswer(), Dropped(DropReason::kMacMismatch));
  alice.MoveTo(home);
  EXPECT_EQ(alice.SendAnswer(), Verdict::Accepted());
}

TEST_P(RelayServerTest, AnyGenerationButZeroStartsAHandshake) {
  RelayHarness relay;
  auto [alice, bob] = relay.AllocatePair();
  BindCommon bind{.vni = alice.vni(), .generation = 9, .remote_key = bob.public_key(), .challenge = {}};
  for (const uint32_t generation : {9u, 9u, 3u, UINT32_MAX}) {
    bind.generation = generation;
    EXPECT_EQ(alice.SendBindMessage(MessageType::kBindUdpRelayEndpoint, bind), RepliedTo(alice)) << generation;
  }
  bind.generation = 0;
  EXPECT_EQ(alice.SendBindMessage(MessageType::kBindUdpRelayEndpoint, bind), Dropped(DropReason::kGenerationZero));
}

TEST_P(RelayServerTest, ChecksEveryFieldOfABind) {
  RelayHarness relay;
  auto [alice, bob] = relay.AllocatePair();
  const BindCommon good{.vni = alice.vni(), .generation = 1, .remote_key = bob.public_key(), .challenge = {}};
  BindCommon bind = good;
  bind.vni += 1;
  EXPECT_EQ(alice.SendBindMessage(MessageType::kBindUdpRelayEndpoint, bind), Dropped(DropReason::kVniMismatch));
  bind = good;
  bind.remote_key = alice.public_key();
  EXPECT_EQ(alice.SendBindMessage(MessageType::kBindUdpRelayEndpoint, bind), Dropped(DropReason::kRemoteKeyMismatch));
  EXPECT_EQ(alice.SendBindMessage(MessageType::kBindUdpRelayEndpointAnswer, good),
            Dropped(DropReason::kStaleGeneration));
  EXPECT_EQ(alice.SendBindMessage(MessageType::kBindUdpRelayEndpointChallenge, good), Dropped(DropReason::kBadMessage));
}

TEST_P(RelayServerTest, DropsMessagesOfWrongTypeOrLength) {
  RelayHarness relay;
  auto [alice, bob] = relay.AllocatePair();
  for (const size_t size : {0u, 1u, 2u, 3u, 33u, 35u, 73u}) {
    std::vector<uint8_t> clear(size);
    if (size > 0) clear[0] = static_cast<uint8_t>(MessageType::kBindUdpRelayEndpoint);
    EXPECT_EQ(alice.SendSealed(clear), Dropped(DropReason::kBadMessage)) << size;
  }
  EXPECT_EQ(alice.SendSealed(disco::Marshal(disco::Ping{})), Dropped(DropReason::kBadMessage));
}

TEST_P(RelayServerTest, AcceptsTrailingBytesBehindABind) {
  RelayHarness relay;
  auto [alice, bob] = relay.AllocatePair();
  const BindCommon bind{.vni = alice.vni(), .generation = 1, .remote_key = bob.public_key(), .challenge = {}};
  std::vector<uint8_t> clear(60'000);
  disco::WriteBindMessage(MessageType::kBindUdpRelayEndpoint, bind, std::span(clear).first<disco::kBindMessageSize>());
  EXPECT_EQ(alice.SendSealed(clear), RepliedTo(alice));
  EXPECT_EQ(relay.reply.size, 160u);
}

TEST_P(RelayServerTest, TheSecretRotatesEveryTwoMinutesAndThePreviousOneStillCounts) {
  RelayHarness relay;
  auto [alice, bob] = relay.AllocatePair();
  relay.now = Instant(kMacSecretLifetime * 10 + seconds(1));
  alice.SendBind();
  relay.now = Instant(kMacSecretLifetime * 12 - seconds(1));
  EXPECT_EQ(alice.SendAnswer(), Verdict::Accepted());

  bob.SendBind();
  relay.Advance(kMacSecretLifetime * 2);
  EXPECT_EQ(bob.SendAnswer(), Dropped(DropReason::kMacMismatch));
  EXPECT_EQ(bob.Bind(), Verdict::Accepted());
}

TEST_P(RelayServerTest, TwoServersSecretsDiffer) {
  RelayHarness one;
  RelayHarness other;
  auto [alice, bob] = one.AllocatePair();
  alice.SendBind();
  const auto first = ServerCrypto::Production();
  const auto second = ServerCrypto::Production();
  EXPECT_NE(first.mac_secret(1), second.mac_secret(1));
  EXPECT_NE(first.mac_secret(1), first.mac_secret(2));
  EXPECT_NE(first.first_dialect_challenge(*one.table.Find(1), 0), first.first_dialect_challenge(*one.table.Find(1), 1));
}

TEST_P(RelayServerTest, RefusesSourcesThatCannotBeAnswered) {
  RelayHarness relay;
  auto [alice, bob] = relay.AllocatePair();
  for (const char* source : {"0.0.0.0:1", "224.0.0.1:1", "239.255.255.255:1", "255.255.255.255:1", "198.18.0.1:0",
                             "[::]:1", "[ff02::1]:1", "[2001:db8::1]:0", "[::ffff:224.0.0.1]:1"}) {
    alice.MoveTo(Addr(source));
    EXPECT_EQ(alice.SendBind(), Dropped(DropReason::kRefusedSource)) << source;
  }
}

TEST_P(RelayServerTest, JunkIsToldApartBeforeItCostsAnything) {
  RelayHarness relay;
  auto [alice, bob] = relay.AllocatePair();
  auto [carol, dave] = relay.AllocatePair();
  alice.SendBind();
  const std::vector<uint8_t> good = alice.last_answer();
  struct Row {
    const char* what;
    DropReason reason;
    size_t size;
    size_t at;
    uint8_t value;
  };
  const uint8_t vni_low = good[6];
  for (const Row& row : std::initializer_list<Row>{
           {"seven bytes", DropReason::kBadGeneve, 7, 0, 0},
           {"empty", DropReason::kBadGeneve, 0, 0, 0},
           {"version 1", DropReason::kUnknownVersion, good.size(), 0, 0x40},
           {"version 3", DropReason::kUnknownVersion, good.size(), 0, 0xc0},
           {"WireGuard with O", DropReason::kControlNotDisco, good.size(), 3, 0x12},
           {"header alone", DropReason::kShort, 8, 8, 0},
           {"61 bytes of body", DropReason::kShort, 8 + 61, 8, 0x54},
           {"magic", DropReason::kBadMagic, good.size(), 8, 0x55},
           {"unknown VNI", DropReason::kUnknownVni, good.size(), 4, 0x7f},
           {"key of nobody", DropReason::kUnknownDiscoKey, good.size(), 14, static_cast<uint8_t>(good[14] ^ 1)},
           {"another endpoint's VNI", DropReason::kUnknownDiscoKey, good.size(), 6, static_cast<uint8_t>(vni_low + 1)},
           {"no room for a tag", DropReason::kOpenFailed, 8 + 62, 8, 0x54},
           {"box", DropReason::kOpenFailed, good.size(), good.size() - 1, static_cast<uint8_t>(good.back() ^ 1)},
       }) {
    std::vector<uint8_t> packet = good;
    if (row.at < packet.size()) packet[row.at] = row.value;
    packet.resize(row.size);
    EXPECT_EQ(alice.SendRaw(packet), Dropped(row.reason)) << row.what;
  }
  EXPECT_EQ(alice.SendAnswer(), Verdict::Accepted()) << "none of it hurt the handshake";
}

TEST_P(RelayServerTest, OptionLengthAndReservedBitsAreIgnored) {
  RelayHarness relay;
  auto [alice, bob] = relay.AllocatePair();
  alice.SendBind();
  std::vector<uint8_t> answer = alice.last_answer();
  answer[0] |= 0x3f;
  answer[1] |= 0x7f;
  answer[7] = 0xff;
  EXPECT_EQ(alice.SendRaw(answer), Verdict::Accepted());
}

TEST_P(RelayServerTest, ALegHasTwentyHandshakeMessagesASecondAndABurstOfForty) {
  RelayHarness relay;
  auto [alice, bob] = relay.AllocatePair();
  for (int i = 0; i < 40; ++i) EXPECT_EQ(alice.SendBind(), RepliedTo(alice)) << i;
  EXPECT_EQ(alice.SendBind(), Dropped(DropReason::kControlRateLimited));
  EXPECT_EQ(bob.SendBind(), RepliedTo(bob)) << "the other leg has its own";
  relay.Advance(milliseconds(50));
  EXPECT_EQ(alice.SendBind(), RepliedTo(alice));
  EXPECT_EQ(alice.SendBind(), Dropped(DropReason::kControlRateLimited));
}

TEST_P(RelayServerTest, JunkSpendsNoTokens) {
  RelayHarness relay;
  auto [alice, bob] = relay.AllocatePair();
  alice.SendBind();
  std::vector<uint8_t> junk = alice.last_answer();
  junk[14] ^= 1;  // The sender's key.
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(alice.SendRaw(junk), Dropped(DropReason::kUnknownDiscoKey));
  EXPECT_EQ(alice.SendAnswer(), Verdict::Accepted());
}

// However many legs a flood has, it is behind those whose boxes open.
TEST_P(RelayServerTest, BoxesThatDoNotOpenLeaveHalfOfTheBurst) {
  RelayHarness relay;
  relay.worker.control_bucket = TokenBucket::Of(10, 8);
  auto [alice, bob] = relay.AllocatePair();
  auto [carol, dave] = relay.AllocatePair();
  carol.SendBind();
  std::vector<uint8_t> bogus = carol.last_answer();
  bogus.back() ^= 1;
  relay.Advance(seconds(1));
  EXPECT_EQ(carol.SendRaw(bogus), Dropped(DropReason::kOpenFailed)) << "nothing is known of her yet";
  for (int i = 0; i < 3; ++i) EXPECT_EQ(carol.SendRaw(bogus), Dropped(DropReason::kOpenFailed));
  EXPECT_EQ(carol.SendRaw(bogus), Dropped(DropReason::kControlRateLimited));
  for (int i = 0; i < 2; ++i) EXPECT_EQ(alice.Bind(), Verdict::Accepted());
  relay.Advance(seconds(1));
  EXPECT_EQ(carol.Bind(), Verdict::Accepted());
  for (int i = 0; i < 2; ++i) EXPECT_EQ(alice.Bind(), Verdict::Accepted());
  EXPECT_EQ(carol.SendBind(), RepliedTo(carol)) << "one that opened has cleared her name";
}

TEST_P(RelayServerTest, ASmallBudgetIsForAll) {
  RelayHarness relay;
  relay.worker.control_bucket = TokenBucket::Of(10, 1);
  auto [alice, bob] = relay.AllocatePair();
  alice.SendBind();
  std::vector<uint8_t> bogus = alice.last_answer();
  bogus.back() ^= 1;
  for (int i = 0; i < 3; ++i) {
    relay.Advance(milliseconds(100));
    EXPECT_EQ(alice.SendRaw(bogus), Dropped(DropReason::kOpenFailed));
  }
  relay.Advance(milliseconds(100));
  EXPECT_EQ(alice.SendAnswer(), Verdict::Accepted());
}

TEST_P(RelayServerTest, AWorkerHasABudgetForAllLegs) {
  RelayHarness relay;
  relay.worker.control_bucket = TokenBucket::Of(10, 3);
  for (int i = 0; i < 3; ++i) {
    auto [alice, bob] = relay.AllocatePair();
    EXPECT_EQ(alice.SendBind(), RepliedTo(alice));
  }
  auto [alice, bob] = relay.AllocatePair();
  EXPECT_EQ(alice.SendBind(), Dropped(DropReason::kControlRateLimited));
  relay.Advance(milliseconds(100));
  EXPECT_EQ(alice.SendBind(), RepliedTo(alice));
}

TEST_P(RelayServerTest, DataAndTheBindItselfBreakSilence) {
  RelayHarness relay;
  auto [alice, bob] = relay.AllocatePair();
  const Endpoint& endpoint = *relay.table.Find(alice.vni());
  const auto silent_for = [&] { return ToNs(relay.now) - endpoint.last_seen_ns(0); };
  relay.Advance(seconds(10));
  alice.SendBind();
  EXPECT_EQ(silent_for(), Duration(seconds(10)).count()) << "a bind is control";
  alice.SendAnswer();
  EXPECT_LE(silent_for(), 0);
  EXPECT_GE(silent_for(), -kLastSeenStep.count()) << "rounding lengthens life, and by little";
  relay.Advance(seconds(10));
  alice.Send("dropped");
  EXPECT_GT(silent_for(), Duration(seconds(9)).count()) << "dropped data does not count";
  bob.Bind();
  alice.Send("forwarded");
  EXPECT_LE(silent_for(), 0);
  relay.Advance(seconds(10));
  alice.MoveTo(Addr("198.18.0.3:3"));
  alice.Send("from nowhere");
  EXPECT_GT(silent_for(), Duration(seconds(9)).count());
}

TEST_P(RelayServerTest, ARemovedEndpointIsUnknownAtOnce) {
  RelayHarness relay;
  auto [alice, bob] = relay.AllocatePair();
  alice.Bind();
  bob.Bind();
  relay.table.Remove(alice.vni());
  EXPECT_EQ(alice.Send("hi"), Dropped(DropReason::kUnknownVni));
  EXPECT_EQ(alice.SendBind(), Dropped(DropReason::kUnknownVni));
}

}  // namespace
}  // namespace relay
