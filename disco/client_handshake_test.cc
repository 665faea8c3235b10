#include "disco/client_handshake.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "disco/packet.h"
#include "geneve/geneve.h"

namespace disco {
namespace {

using std::chrono::milliseconds;
using State = ClientHandshake::State;

constexpr uint32_t kVni = 0xabcdef;
constexpr ClientHandshake::Instant kStart{std::chrono::hours(1)};
constexpr Challenge kChallenge = {1, 2, 3, 4, 5, 6, 7, 8};

// What a packet of a client holds, or of a relay; type 0: it did not open.
struct Opened {
  uint8_t type = 0;
  uint8_t version = 0;
  std::vector<uint8_t> payload;
};

// A relay's side of one leg: opens what the client sends and seals what a test wants it to hear.
class FakeRelay {
 public:
  FakeRelay() : key_(PrivateKey::Generate()), client_(PrivateKey::Generate()), peer_(PrivateKey::Generate()) {}

  ClientHandshake::Options ClientOptions() const {
    return {.self = client_.public_key(),
            .server = key_.public_key(),
            .peer = peer_.public_key(),
            .shared = *client_.Agree(key_.public_key()),
            .vni = kVni};
  }

  Opened Open(const std::vector<uint8_t>& packet) const {
    EXPECT_EQ(geneve::Parse(packet),
              (geneve::Header{.vni = kVni, .protocol = geneve::kProtocolDisco, .control = true}));
    const auto wrapper = ReadWrapper(std::span(packet).subspan(geneve::kHeaderSize));
    if (!wrapper) return {};
    EXPECT_EQ(wrapper->sender, client_.public_key());
    std::vector<uint8_t> room(packet.size());
    const auto clear = disco::Open(*wrapper, *key_.Agree(client_.public_key()), room);
    if (!clear || clear->size() < kMessageHeaderSize) return {};
    return {(*clear)[0], (*clear)[1], {clear->begin() + kMessageHeaderSize, clear->end()}};
  }

  BindCommon OpenBind(const std::vector<uint8_t>& packet, MessageType type) const {
    const Opened opened = Open(packet);
    EXPECT_EQ(opened.type, static_cast<uint8_t>(type));
    EXPECT_EQ(opened.version, 0);
    EXPECT_EQ(opened.payload.size(), kBindCommonSize);
    if (opened.payload.size() != kBindCommonSize) return {};
    return ReadBindCommon(std::span(opened.payload).first<kBindCommonSize>());
  }

  BindCommon ChallengeFor(uint32_t generation) const {
    return {.vni = kVni, .generation = generation, .remote_key = peer_.public_key(), .challenge = kChallenge};
  }

  std::vector<uint8_t> SealChallenge(const BindCommon& bind) const {
    std::vector<uint8_t> clear(kBindMessageSize);
    WriteBindMessage(MessageType::kBindUdpRelayEndpointChallenge, bind, std::span(clear).first<kBindMessageSize>());
    return SealClear(clear);
  }

  std::vector<uint8_t> SealClear(const std::vector<uint8_t>& clear) const { return SealAs(key_, clear); }
  std::vector<uint8_t> SealAs(const PrivateKey& sender, const std::vector<uint8_t>& clear) const {
    std::vector<uint8_t> packet(geneve::kHeaderSize + kSealedOverhead + clear.size());
    geneve::Write({.vni = kVni, .protocol = geneve::kProtocolDisco, .control = true},
                  std::span(packet).first<geneve::kHeaderSize>());
    Seal(sender.public_key(), *sender.Agree(client_.public_key()), RandomNonce(), clear,
         std::span(packet).subspan(geneve::kHeaderSize));
    return packet;
  }

  const PublicKey& peer() const { return peer_.public_key(); }

 private:
  PrivateKey key_;
  PrivateKey client_;
  PrivateKey peer_;
};

class ClientHandshakeTest : public testing::Test {
 protected:
  // Runs before the members are made.
  struct Crypto {
    Crypto() { InitCrypto(); }
  } crypto_;
  FakeRelay relay_;
  ClientHandshake client_{relay_.ClientOptions()};
};

TEST_F(ClientHandshakeTest, BindChallengeAnswer) {
  EXPECT_EQ(client_.state(), State::kIdle);
  EXPECT_FALSE(client_.deadline());
  const BindCommon bind = relay_.OpenBind(client_.Start(kStart), MessageType::kBindUdpRelayEndpoint);
  EXPECT_EQ(bind, (BindCommon{.vni = kVni, .generation = 1, .remote_key = relay_.peer()}));
  EXPECT_EQ(client_.state(), State::kBindSent);

  const auto answer = client_.HandlePacket(relay_.SealChallenge(relay_.ChallengeFor(1)));
  ASSERT_TRUE(answer);
  EXPECT_EQ(relay_.OpenBind(*answer, MessageType::kBindUdpRelayEndpointAnswer), relay_.ChallengeFor(1));
  EXPECT_EQ(client_.state(), State::kAnswered);
  EXPECT_FALSE(client_.deadline());
  EXPECT_FALSE(client_.Tick(kStart + std::chrono::hours(1)));
}

TEST_F(ClientHandshakeTest, BindsAgainUntilItGivesUp) {
  const std::vector<uint8_t> first = client_.Start(kStart);
  ClientHandshake::Instant now = kStart;
  for (int i = 1; i < 10; ++i) {
    EXPECT_EQ(client_.deadline(), now + milliseconds(500));
    EXPECT_FALSE(client_.Tick(now + milliseconds(499)));
    now += milliseconds(500);
    const auto again = client_.Tick(now);
    ASSERT_TRUE(again) << i;
    EXPECT_NE(*again, first);  // Another nonce.
    EXPECT_EQ(relay_.OpenBind(*again, MessageType::kBindUdpRelayEndpoint).generation, 1u);
  }
  EXPECT_FALSE(client_.Tick(now + milliseconds(500)));
  EXPECT_EQ(client_.state(), State::kFailed);
  EXPECT_FALSE(client_.deadline());
  EXPECT_FALSE(client_.HandlePacket(relay_.SealChallenge(relay_.ChallengeFor(1))));
}

TEST_F(ClientHandshakeTest, AChallengeToAnyOfItsBindsIsAnswered) {
  client_.Start(kStart);
  ASSERT_TRUE(client_.Tick(kStart + milliseconds(500)));
  EXPECT_TRUE(client_.HandlePacket(relay_.SealChallenge(relay_.ChallengeFor(1))));
}

TEST_F(ClientHandshakeTest, ARepeatedChallengeIsAnsweredAgain) {
  client_.Start(kStart);
  ASSERT_TRUE(client_.HandlePacket(relay_.SealChallenge(relay_.ChallengeFor(1))));
  BindCommon other = relay_.ChallengeFor(1);
  other.challenge[0] ^= 1;  // The relay's secret rotated.
  const auto answer = client_.HandlePacket(relay_.SealChallenge(other));
  ASSERT_TRUE(answer);
  EXPECT_EQ(relay_.OpenBind(*answer, MessageType::kBindUdpRelayEndpointAnswer), other);
}

TEST_F(ClientHandshakeTest, EachStartHasTheNextGeneration) {
  client_.Start(kStart);
  ASSERT_TRUE(client_.HandlePacket(relay_.SealChallenge(relay_.ChallengeFor(1))));
  const auto bind = relay_.OpenBind(client_.Start(kStart), MessageType::kBindUdpRelayEndpoint);
  EXPECT_EQ(bind.generation, 2u);
  EXPECT_EQ(client_.generation(), 2u);
  EXPECT_FALSE(client_.HandlePacket(relay_.SealChallenge(relay_.ChallengeFor(1))));  // Of the one before.
  EXPECT_EQ(client_.state(), State::kBindSent);
  EXPECT_TRUE(client_.HandlePacket(relay_.SealChallenge(relay_.ChallengeFor(2))));
}

TEST_F(ClientHandshakeTest, AFailedOneStartsAnew) {
  ClientHandshake::Options options = relay_.ClientOptions();
  options.max_binds = 1;
  ClientHandshake client(options);
  client.Start(kStart);
  client.Tick(kStart + milliseconds(500));
  ASSERT_EQ(client.state(), State::kFailed);
  client.Start(kStart + milliseconds(500));
  EXPECT_EQ(client.deadline(), kStart + milliseconds(1000));
  EXPECT_TRUE(client.HandlePacket(relay_.SealChallenge(relay_.ChallengeFor(2))));
}

TEST_F(ClientHandshakeTest, GenerationsPassOverZero) {
  ClientHandshake::Options options = relay_.ClientOptions();
  options.first_generation = UINT32_MAX;
  ClientHandshake client(options);
  client.Start(kStart);
  EXPECT_EQ(client.generation(), UINT32_MAX);
  client.Start(kStart);
  EXPECT_EQ(client.generation(), 1u);
}

TEST_F(ClientHandshakeTest, IgnoresChallengesThatAreNotItsOwn) {
  const std::vector<uint8_t> good = relay_.SealChallenge(relay_.ChallengeFor(1));
  EXPECT_FALSE(client_.HandlePacket(good));  // Nothing was asked yet.
  client_.Start(kStart);

  const auto changed = [&](const std::function<void(BindCommon&)>& change) {
    BindCommon bind = relay_.ChallengeFor(1);
    change(bind);
    return relay_.SealChallenge(bind);
  };
  const auto flipped = [&](size_t at, uint8_t mask) {
    std::vector<uint8_t> packet = good;
    packet[at] ^= mask;
    return packet;
  };
  const auto clear = [&](MessageType type) {
    std::vector<uint8_t> bytes(kBindMessageSize);
    WriteBindMessage(type, relay_.ChallengeFor(1), std::span(bytes).first<kBindMessageSize>());
    return bytes;
  };
  const std::vector<uint8_t> challenge = clear(MessageType::kBindUdpRelayEndpointChallenge);
  const std::vector<std::pair<std::string, std::vector<uint8_t>>> cases = {
      {"empty", {}},
      {"no body", std::vector<uint8_t>(good.begin(), good.begin() + geneve::kHeaderSize)},
      {"truncated", std::vector<uint8_t>(good.begin(), good.end() - 1)},
      {"not control", flipped(1, 0x80)},
      {"another version", flipped(0, 0x40)},
      {"another protocol", flipped(3, 0x03)},
      {"another VNI in the header", flipped(6, 0x01)},
      {"magic", flipped(8, 0x01)},
      {"another sender than who sealed it", flipped(14, 0x01)},
      {"box", flipped(good.size() - 1, 0x01)},
      {"another relay's key", relay_.SealAs(PrivateKey::Generate(), challenge)},
      {"another VNI in the box", changed([](BindCommon& b) { b.vni ^= 1; })},
      {"another generation", changed([](BindCommon& b) { b.generation = 2; })},
      {"another remote key", changed([](BindCommon& b) { b.remote_key.bytes[0] ^= 1; })},
      {"a bind", relay_.SealClear(clear(MessageType::kBindUdpRelayEndpoint))},
      {"an answer", relay_.SealClear(clear(MessageType::kBindUdpRelayEndpointAnswer))},
      {"one byte short", relay_.SealClear({challenge.begin(), challenge.end() - 1})},
      {"type alone", relay_.SealClear({5})},
      {"first dialect", relay_.SealClear({challenge.begin(), challenge.begin() + kFirstDialectMessageSize})},
      {"huge", relay_.SealClear(std::vector<uint8_t>(2000, 5))},
  };
  for (const auto& [name, packet] : cases) EXPECT_FALSE(client_.HandlePacket(packet)) << name;
  EXPECT_EQ(client_.state(), State::kBindSent);
  EXPECT_TRUE(client_.HandlePacket(good));
}

TEST_F(ClientHandshakeTest, FirstDialect) {
  ClientHandshake::Options options = relay_.ClientOptions();
  options.dialect = Dialect::kFirst;
  ClientHandshake client(options);
  const Opened bind = relay_.Open(client.Start(kStart));
  EXPECT_EQ(bind.type, static_cast<uint8_t>(MessageType::kBindUdpRelayEndpoint));
  EXPECT_EQ(bind.payload, std::vector<uint8_t>(32));

  std::vector<uint8_t> clear(kFirstDialectMessageSize);
  WriteFirstDialectMessage(MessageType::kBindUdpRelayEndpointChallenge, kChallenge,
                           std::span(clear).first<kFirstDialectMessageSize>());
  std::vector<uint8_t> longer = clear;
  longer.push_back(0);
  EXPECT_FALSE(client.HandlePacket(relay_.SealClear({clear.begin(), clear.end() - 1})));
  EXPECT_FALSE(client.HandlePacket(relay_.SealClear(longer)));
  EXPECT_FALSE(client.HandlePacket(relay_.SealChallenge(relay_.ChallengeFor(1))));

  const auto packet = client.HandlePacket(relay_.SealClear(clear));
  ASSERT_TRUE(packet);
  const Opened answer = relay_.Open(*packet);
  EXPECT_EQ(answer.type, static_cast<uint8_t>(MessageType::kBindUdpRelayEndpointAnswer));
  EXPECT_EQ(answer.payload, std::vector<uint8_t>(kChallenge.begin(), kChallenge.end()));
  EXPECT_EQ(client.state(), State::kAnswered);
  EXPECT_TRUE(client.HandlePacket(relay_.SealClear(clear)));
}

}  // namespace
}  // namespace disco
