#include "disco/packet.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "disco/messages.h"
#include "tests/support/vectors.h"

namespace disco {
namespace {

using test::Text;

PrivateKey PrivateOf(const boost::json::value& name) {
  const boost::json::value& pair = test::Vectors().at("keys").at("pairs").at(name.as_string());
  const std::vector<uint8_t> bytes = test::FromHex(Text(pair.at("private_hex")));
  return PrivateKey::FromBytes(std::span(bytes).first<kKeySize>());
}

// A message of the vectors, sealed under its own nonce and opened again: `section` is a list of disco_messages.
void SealsAndOpensAsTheReference(const boost::json::value& section) {
  for (const boost::json::value& v : section.as_array()) {
    SCOPED_TRACE(Text(v.at("name")));
    const PrivateKey sender = PrivateOf(v.at("sender"));
    const PrivateKey recipient = PrivateOf(v.at("recipient"));
    const std::vector<uint8_t> clear = test::FromHex(Text(v.at("payload_hex")));
    const std::vector<uint8_t> nonce_bytes = test::FromHex(Text(v.at("nonce_hex")));
    Nonce nonce{};
    ASSERT_EQ(nonce_bytes.size(), nonce.size());
    std::copy(nonce_bytes.begin(), nonce_bytes.end(), nonce.begin());

    std::vector<uint8_t> packet(kSealedOverhead + clear.size());
    const std::optional<SharedKey> sealing = sender.Agree(recipient.public_key());
    ASSERT_EQ(Seal(sender.public_key(), *sealing, nonce, clear, packet), packet.size());
    EXPECT_EQ(test::ToHex(packet), Text(v.at("packet_hex")));

    const std::optional<Wrapper> wrapper = ReadWrapper(packet);
    ASSERT_TRUE(wrapper);
    EXPECT_EQ(wrapper->sender, sender.public_key());
    EXPECT_EQ(wrapper->nonce, nonce);
    std::vector<uint8_t> room(clear.size());
    const auto opened = Open(*wrapper, *recipient.Agree(wrapper->sender), room);
    ASSERT_TRUE(opened);
    EXPECT_EQ(std::vector<uint8_t>(opened->begin(), opened->end()), clear);
  }
}

class PacketTest : public testing::Test {
 protected:
  PacketTest() { InitCrypto(); }
};

TEST_F(PacketTest, SealsAndOpensAsTheReference) { SealsAndOpensAsTheReference(test::Vectors().at("disco_messages")); }

TEST_F(PacketTest, SealsAndOpensTheFirstDialectAsItsReference) {
  SealsAndOpensAsTheReference(test::Vectors().at("seed_2025_03").at("disco_messages"));
}

// Each stage of a hostile or damaged packet ends where the reference ends: wrapper, sender, box, message.
TEST_F(PacketTest, ReadsWrappersAsTheReference) {
  for (const boost::json::value& v : test::Vectors().at("disco_wrapper").as_array()) {
    SCOPED_TRACE(Text(v.at("name")));
    const boost::json::object& fields = v.as_object();
    const std::vector<uint8_t> packet = test::FromHex(Text(v.at("packet_hex")));
    WrapperError error{};
    const std::optional<Wrapper> wrapper = ReadWrapper(packet, &error);
    ASSERT_EQ(wrapper.has_value(), v.at("looks_like_disco").as_bool());
    if (!wrapper) {
      EXPECT_EQ(error, packet.size() < 62 ? WrapperError::kShort : WrapperError::kBadMagic);
      continue;
    }
    EXPECT_EQ(error, WrapperError::kNone);
    EXPECT_EQ(wrapper->sender.ToString(), "discokey:" + Text(v.at("source_hex")));

    std::vector<uint8_t> room(packet.size());
    const auto clear = Open(*wrapper, *PrivateOf(v.at("recipient")).Agree(wrapper->sender), room);
    ASSERT_EQ(clear.has_value(), v.at("open_ok").as_bool());
    if (!clear) continue;
    EXPECT_EQ(test::ToHex({clear->begin(), clear->end()}), Text(v.at("payload_hex")));

    const auto message = Parse(*clear);
    ASSERT_EQ(std::holds_alternative<Message>(message), Text(v.at("parse")) == "parsed");
    if (!fields.contains("parse_error")) continue;
    EXPECT_EQ(std::get<ParseError>(message) == ParseError::kShort, Text(v.at("parse_error")) == "short message");
  }
}

TEST_F(PacketTest, NothingIsWrittenPastTheRoomGiven) {
  const SharedKey key(std::array<uint8_t, kKeySize>{7});
  const PublicKey sender{{1}};
  const std::vector<uint8_t> clear = {1, 2, 3};
  std::vector<uint8_t> packet(kSealedOverhead + clear.size());
  for (size_t size = 0; size < packet.size(); ++size) {
    EXPECT_EQ(Seal(sender, key, Nonce{}, clear, std::span(packet).first(size)), 0u);
  }
  EXPECT_EQ(packet, std::vector<uint8_t>(packet.size()));
  EXPECT_EQ(Seal(sender, key, Nonce{}, clear, packet), packet.size());

  const std::optional<Wrapper> wrapper = ReadWrapper(packet);
  std::vector<uint8_t> room(clear.size());
  EXPECT_FALSE(Open(*wrapper, key, std::span(room).first(clear.size() - 1)));
  EXPECT_TRUE(Open(*wrapper, key, room));
  EXPECT_EQ(room, clear);
}

TEST_F(PacketTest, AnEmptyClearTextOpensToNothing) {
  const SharedKey key(std::array<uint8_t, kKeySize>{7});
  std::array<uint8_t, kSealedOverhead> packet{};
  ASSERT_EQ(Seal(PublicKey{}, key, Nonce{}, {}, packet), packet.size());
  const auto clear = Open(*ReadWrapper(packet), key, {});
  ASSERT_TRUE(clear);
  EXPECT_TRUE(clear->empty());
}

TEST_F(PacketTest, NoncesDiffer) { EXPECT_NE(RandomNonce(), RandomNonce()); }

}  // namespace
}  // namespace disco
