// What another thread may do between a check and the commit, done from within the MAC.
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <utility>

#include "tests/support/verdicts.h"

namespace relay {
namespace {

using test::Client;
using test::RelayHarness;

class RaceTest : public ::testing::Test {
 protected:
  RaceTest() {
    ServerCrypto crypto = ServerCrypto::Production();
    crypto.mac = [this, mac = crypto.mac](const ServerCrypto::Secret& secret, std::span<const uint8_t> message) {
      if (during_mac_) std::exchange(during_mac_, nullptr)();
      return mac(secret, message);
    };
    server_.emplace(relay_.table, relay_.key.public_key(), crypto, RelayServer::Options{});
  }
  Verdict Handle(Client& client, std::span<const uint8_t> packet) {
    return server_->HandlePacket(relay_.worker, client.path(), packet, relay_.now, relay_.reply);
  }
  std::vector<uint8_t> AnswerOf(Client& client) {
    Handle(client, client.handshake().Start(relay_.now));
    return client.handshake().HandlePacket(relay_.reply.span()).value();
  }

  RelayHarness relay_;
  std::optional<RelayServer> server_;
  std::function<void()> during_mac_;
};

TEST_F(RaceTest, AnEndpointRemovedInMidAnswerIsNotBound) {
  auto [alice, bob] = relay_.AllocatePair();
  Handle(alice, AnswerOf(alice));
  const std::vector<uint8_t> answer = AnswerOf(bob);
  during_mac_ = [&, vni = bob.vni()] { relay_.table.Remove(vni); };
  EXPECT_EQ(Handle(bob, answer), Dropped(DropReason::kUnknownVni));
  EXPECT_EQ(relay_.table.open(), 0u);
  EXPECT_EQ(relay_.table.UnboundCount(0), 0u);
}

TEST_F(RaceTest, OneAnswerBindsOnceOnTwoWorkers) {
  auto [alice, bob] = relay_.AllocatePair();
  const std::vector<uint8_t> answer = AnswerOf(alice);
  during_mac_ = [&, &client = alice] { EXPECT_EQ(Handle(client, answer), Verdict::Accepted()); };
  EXPECT_EQ(Handle(alice, answer), Dropped(DropReason::kStaleGeneration));
}

}  // namespace
}  // namespace relay
