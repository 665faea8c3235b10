// The 2025-03 dialect, and both dialects on one leg.
#include <gtest/gtest.h>

#include "tests/support/verdicts.h"

namespace relay {
namespace {

using disco::BindCommon;
using disco::MessageType;
using test::Addr;
using test::RelayHarness;

TEST(FirstDialectTest, BindsAndForwards) {
  RelayHarness relay;
  auto [alice, bob] = relay.AllocatePair(disco::Dialect::kFirst);
  EXPECT_EQ(alice.Bind(), Verdict::Accepted());
  EXPECT_EQ(bob.Bind(), Verdict::Accepted());
  EXPECT_EQ(alice.Send("hi"), ForwardedTo(bob));
  EXPECT_TRUE(relay.table.Find(alice.vni())->first_dialect(0));
}

TEST(FirstDialectTest, IsRefusedWhereSwitchedOff) {
  RelayHarness relay({.first_dialect = false});
  auto [alice, bob] = relay.AllocatePair(disco::Dialect::kFirst);
  EXPECT_EQ(alice.SendBind(), Dropped(DropReason::kBadMessage));
}

TEST(FirstDialectTest, TheFirstBindPinsTheSource) {
  RelayHarness relay;
  auto [alice, bob] = relay.AllocatePair(disco::Dialect::kFirst);
  const AddrPort home = alice.path().remote;
  alice.SendBind();
  const std::vector<uint8_t> answer = alice.last_answer();
  alice.MoveTo(Addr("198.18.0.66:66"));
  EXPECT_EQ(alice.SendBind(), Dropped(DropReason::kUnknownSource));
  EXPECT_EQ(alice.SendRaw(answer), Dropped(DropReason::kStaleGeneration));
  alice.MoveTo(home);
  EXPECT_EQ(alice.SendRaw(answer), Verdict::Accepted());
}

TEST(FirstDialectTest, RepeatsOneChallengeAndChecksIt) {
  RelayHarness relay;
  auto [alice, bob] = relay.AllocatePair(disco::Dialect::kFirst);
  std::array<uint8_t, disco::kFirstDialectMessageSize> wrong;
  disco::WriteFirstDialectMessage(MessageType::kBindUdpRelayEndpointAnswer, {}, wrong);
  EXPECT_EQ(alice.SendSealed(wrong), Dropped(DropReason::kStaleGeneration)) << "nothing in progress";
  alice.SendBind();
  EXPECT_EQ(alice.SendSealed(wrong), Dropped(DropReason::kMacMismatch));
  const std::vector<uint8_t> answer = alice.last_answer();
  alice.SendBind();
  EXPECT_EQ(alice.SendRaw(answer), Verdict::Accepted()) << "the challenge of the first bind still counts";
}

TEST(FirstDialectTest, AnyContentOfABindIsTaken) {
  RelayHarness relay;
  auto [alice, bob] = relay.AllocatePair(disco::Dialect::kFirst);
  std::array<uint8_t, disco::kFirstDialectMessageSize> clear;
  clear.fill(0xa5);
  clear[0] = static_cast<uint8_t>(MessageType::kBindUdpRelayEndpoint);
  EXPECT_EQ(alice.SendSealed(clear), RepliedTo(alice));
  EXPECT_EQ(relay.reply.size, 120u);
}

TEST(FirstDialectTest, ABoundLegIgnoresIt) {
  RelayHarness relay;
  auto [alice, bob] = relay.AllocatePair();
  EXPECT_EQ(alice.Bind(), Verdict::Accepted());
  std::array<uint8_t, disco::kFirstDialectMessageSize> clear;
  for (const MessageType type : {MessageType::kBindUdpRelayEndpoint, MessageType::kBindUdpRelayEndpointAnswer}) {
    disco::WriteFirstDialectMessage(type, {}, clear);
    EXPECT_EQ(alice.SendSealed(clear), Dropped(DropReason::kStaleGeneration));
  }
}

TEST(FirstDialectTest, ACurrentHandshakeProceedsAndClearsThePin) {
  RelayHarness relay;
  auto [alice, bob] = relay.AllocatePair(disco::Dialect::kFirst);
  alice.SendBind();
  const std::vector<uint8_t> first_dialect_answer = alice.last_answer();
  const BindCommon bind{.vni = alice.vni(), .generation = 4, .remote_key = bob.public_key(), .challenge = {}};
  const AddrPort home = alice.path().remote;
  alice.MoveTo(Addr("198.18.0.66:66"));
  EXPECT_EQ(alice.SendBindMessage(MessageType::kBindUdpRelayEndpoint, bind), RepliedTo(alice));
  alice.MoveTo(home);
  EXPECT_EQ(alice.SendRaw(first_dialect_answer), Dropped(DropReason::kStaleGeneration)) << "its pin is gone";
}

TEST(FirstDialectTest, ACurrentHandshakeMovesALegBoundInIt) {
  RelayHarness relay;
  auto [alice, bob] = relay.AllocatePair(disco::Dialect::kFirst);
  alice.Bind();
  bob.Bind();
  BindCommon bind{.vni = alice.vni(), .generation = 4, .remote_key = bob.public_key(), .challenge = {}};
  alice.MoveTo(Addr("198.18.0.66:66"));
  EXPECT_EQ(alice.SendBindMessage(MessageType::kBindUdpRelayEndpoint, bind), RepliedTo(alice));
  const auto wrapper = disco::ReadWrapper(relay.reply.span().subspan(geneve::kHeaderSize));
  std::array<uint8_t, 256> buffer;
  const auto clear = disco::Open(*wrapper, relay.table.Find(alice.vni())->shared(0), buffer);
  bind = disco::ReadBindCommon(clear->subspan<disco::kMessageHeaderSize, disco::kBindCommonSize>());
  EXPECT_EQ(alice.SendBindMessage(MessageType::kBindUdpRelayEndpointAnswer, bind), Verdict::Accepted());
  EXPECT_EQ(bob.Send("hi"), ForwardedTo(alice));
  EXPECT_FALSE(relay.table.Find(alice.vni())->first_dialect(0));
}

}  // namespace
}  // namespace relay
