#include "disco/key.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "tests/support/vectors.h"

namespace disco {
namespace {

std::array<uint8_t, kKeySize> Bytes(std::string_view hex) {
  const std::vector<uint8_t> bytes = test::FromHex(hex);
  std::array<uint8_t, kKeySize> out{};
  EXPECT_EQ(bytes.size(), out.size());
  std::copy_n(bytes.begin(), std::min(bytes.size(), out.size()), out.begin());
  return out;
}

const boost::json::object& Pairs() { return test::Vectors().at("keys").at("pairs").as_object(); }

PrivateKey PrivateOf(std::string_view name) {
  return PrivateKey::FromBytes(Bytes(Pairs().at(name).at("private_hex").as_string()));
}

class KeyTest : public testing::Test {
 protected:
  KeyTest() { InitCrypto(); }
};

TEST_F(KeyTest, PublicKeysAndTheirTexts) {
  for (const auto& [name, v] : Pairs()) {
    SCOPED_TRACE(std::string(name));
    const PublicKey key = PrivateOf(name).public_key();
    EXPECT_EQ(key.bytes, Bytes(v.at("public_hex").as_string()));
    EXPECT_EQ(key.ToString(), v.at("public_text").as_string());
    EXPECT_EQ(key.ShortText(), v.at("short").as_string());
    EXPECT_EQ(PublicKey::Parse(key.ToString()), key);
  }
}

TEST_F(KeyTest, BothSidesAgreeAsTheReference) {
  for (const boost::json::value& v : test::Vectors().at("keys").at("shared").as_array()) {
    const PrivateKey a = PrivateOf(v.at("a").as_string());
    const PrivateKey b = PrivateOf(v.at("b").as_string());
    const auto expected = Bytes(v.at("beforenm_hex").as_string());
    EXPECT_EQ(a.Agree(b.public_key())->bytes(), expected);
    EXPECT_EQ(b.Agree(a.public_key())->bytes(), expected);
  }
}

TEST_F(KeyTest, OrderIsByBytes) {
  const boost::json::array& sorted = test::Vectors().at("keys").at("sorted_client_pair").as_array();
  EXPECT_LT(*PublicKey::Parse(sorted[0].as_string()), *PublicKey::Parse(sorted[1].as_string()));
  EXPECT_LT((PublicKey{{0x01, 0xff}}), (PublicKey{{0x80}}));  // Bytes are unsigned.
}

TEST_F(KeyTest, TextIsPrefixAndSixtyFourHexDigits) {
  const std::string digits(64, 'a');
  EXPECT_TRUE(PublicKey::Parse("discokey:" + digits));
  EXPECT_EQ(PublicKey::Parse("discokey:" + std::string(64, 'A')), PublicKey::Parse("discokey:" + digits));
  for (const std::string& text : {std::string(), std::string("discokey:"), digits, "nodekey:" + digits,
                                  "DISCOKEY:" + digits, "discokey:" + digits + "a", "discokey:" + digits.substr(1),
                                  " discokey:" + digits, "discokey:" + digits.substr(1) + "g",
                                  "discokey:" + digits.substr(1) + "\n", "discokey:" + digits.substr(1) + '\0'}) {
    EXPECT_FALSE(PublicKey::Parse(text)) << text;
  }
  EXPECT_TRUE(PublicKey::Parse("discokey:" + std::string(64, '0'))->IsZero());
  EXPECT_FALSE(PublicKey::Parse("discokey:" + std::string(63, '0') + "1")->IsZero());
}

TEST_F(KeyTest, PrivateKeyTextRoundTrips) {
  const PrivateKey key = PrivateKey::Generate();
  const std::string text = key.ToString();
  EXPECT_EQ(text.size(), 8 + 64u);
  for (const std::string& form : {text, text + "\n", " \t" + text + "\r\n"}) {
    const std::optional<PrivateKey> again = PrivateKey::Parse(form);
    ASSERT_TRUE(again) << form;
    EXPECT_EQ(again->public_key(), key.public_key());
    EXPECT_EQ(again->ToString(), text);
  }
  for (const std::string& form : {std::string(), std::string(" \n"), text.substr(8), text + "0", text + "\n" + text,
                                  key.public_key().ToString()}) {
    EXPECT_FALSE(PrivateKey::Parse(form)) << form;
  }
}

TEST_F(KeyTest, GeneratedKeysDifferAndAreClamped) {
  const PrivateKey a = PrivateKey::Generate();
  EXPECT_NE(a.public_key(), PrivateKey::Generate().public_key());
  const auto bytes = Bytes(a.ToString().substr(8));
  EXPECT_EQ(bytes[0] & 7, 0);
  EXPECT_EQ(bytes[31] & 0xc0, 0x40);
  EXPECT_EQ(PrivateKey::FromBytes(bytes).public_key(), a.public_key());
}

// All encodings of the points of order 1, 2, 4 and 8 on the curve and its twist: u of 0, 1, p-1 and the two of order 8,
// and p and p+1, which are not reduced; each with and without the top bit, which X25519 ignores (RFC 7748 section 5).
TEST_F(KeyTest, EveryLowOrderPointIsRefused) {
  const PrivateKey key = PrivateOf("server");
  int refused = 0;
  for (const std::string_view hex : {
           "0000000000000000000000000000000000000000000000000000000000000000",
           "0100000000000000000000000000000000000000000000000000000000000000",
           "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
           "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
           "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
           "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
           "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
       }) {
    for (const uint8_t top : {0x00, 0x80}) {
      PublicKey point{Bytes(hex)};
      point.bytes[31] |= top;
      EXPECT_FALSE(key.Agree(point)) << point.ToString();
      ++refused;
    }
  }
  EXPECT_EQ(refused, 14);
  EXPECT_TRUE(key.Agree(PublicKey{{2}}));  // A neighbour of full order is not refused.
  EXPECT_TRUE(key.Agree(PublicKey{{9}}));
}

// The bytes that an object leaves in its storage when it is destroyed. Volatile: the compiler may take reads of a dead
// object's storage for anything.
template <typename T>
std::vector<uint8_t> BytesLeftBy(T&& object) {
  alignas(T) static std::byte storage[sizeof(T)];
  std::memset(storage, 0xee, sizeof(storage));
  std::destroy_at(new (storage) T(std::forward<T>(object)));
  const volatile std::byte* const bytes = storage;
  std::vector<uint8_t> left;
  for (size_t i = 0; i < sizeof(T); ++i) left.push_back(std::to_integer<uint8_t>(bytes[i]));
  return left;
}

bool Contains(const std::vector<uint8_t>& haystack, std::span<const uint8_t> needle) {
  return std::search(haystack.begin(), haystack.end(), needle.begin(), needle.end()) != haystack.end();
}

TEST_F(KeyTest, KeysAreZeroedOnDestruction) {
  const auto secret = Bytes(Pairs().at("client_a").at("private_hex").as_string());
  const std::array<uint8_t, kKeySize> zeros{};
  // The first and last bytes alone would show, too.
  const std::vector<uint8_t> private_left = BytesLeftBy(PrivateKey::FromBytes(secret));
  EXPECT_TRUE(Contains(private_left, zeros));
  EXPECT_FALSE(Contains(private_left, std::span(secret).first<4>()));
  EXPECT_FALSE(Contains(private_left, std::span(secret).last<4>()));
  const std::vector<uint8_t> shared_left = BytesLeftBy(SharedKey(secret));
  EXPECT_EQ(shared_left, std::vector<uint8_t>(zeros.begin(), zeros.end()));
}

// NOLINTBEGIN(bugprone-use-after-move,clang-analyzer-cplusplus.Move): what is left behind is what is tested.
TEST_F(KeyTest, AMovedFromKeyIsZeroed) {
  const auto secret = Bytes(Pairs().at("client_a").at("private_hex").as_string());
  const std::string zero_text = "privkey:" + std::string(64, '0');
  PrivateKey first = PrivateKey::FromBytes(secret);
  const std::string text = first.ToString();
  PrivateKey second = std::move(first);
  EXPECT_EQ(first.ToString(), zero_text);
  PrivateKey third = PrivateKey::Generate();
  third = std::move(second);
  EXPECT_EQ(second.ToString(), zero_text);
  EXPECT_EQ(third.ToString(), text);
  EXPECT_EQ(third.public_key(), PrivateOf("client_a").public_key());
}
// NOLINTEND(bugprone-use-after-move,clang-analyzer-cplusplus.Move)

}  // namespace
}  // namespace disco
