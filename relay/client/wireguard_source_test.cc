#include "relay/client/wireguard_source.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace relay::client {
namespace {

disco::AddrPort Address(const char* text) { return *disco::AddrPort::Parse(text); }

std::vector<uint8_t> Message(uint8_t type, size_t size) {
  std::vector<uint8_t> message(size);
  message[0] = type;
  return message;
}

TEST(WireGuardSourceTest, KnowsWireGuardsMessages) {
  for (uint8_t type = 1; type <= 4; ++type) EXPECT_TRUE(LooksLikeWireGuard(Message(type, 32))) << int{type};
  EXPECT_FALSE(LooksLikeWireGuard({}));
  EXPECT_FALSE(LooksLikeWireGuard(Message(4, 31)));
  EXPECT_FALSE(LooksLikeWireGuard(Message(0, 148)));
  EXPECT_FALSE(LooksLikeWireGuard(Message(5, 148)));
  for (size_t i = 1; i < 4; ++i) {
    std::vector<uint8_t> message = Message(1, 148);
    message[i] = 1;
    EXPECT_FALSE(LooksLikeWireGuard(message)) << i;
  }
}

class LearningTest : public testing::Test {
 protected:
  void Hear(const char* from, std::vector<uint8_t> packet = Message(4, 32)) {
    source_.Heard(Address(from), packet, now_);
  }
  std::string address() const { return source_.address().ToString(); }

  Instant now_ = Instant(std::chrono::hours(1));
  WireGuardSource source_{Address("127.0.0.1:51820")};
};

TEST_F(LearningTest, TakesWireGuardAlone) {
  Hear("127.0.0.1:7", Message(9, 100));
  EXPECT_EQ(address(), "127.0.0.1:51820");
  Hear("127.0.0.2:8");
  EXPECT_EQ(address(), "127.0.0.2:8");
}

TEST_F(LearningTest, FollowsOneThatRestarts) {
  Hear("127.0.0.1:8");
  Hear("127.0.0.1:9");
  EXPECT_EQ(address(), "127.0.0.1:9");
}

TEST_F(LearningTest, KeepsOneThatSpeaks) {
  Hear("127.0.0.1:8");
  now_ += std::chrono::seconds(9);
  Hear("127.0.0.1:8", Message(9, 5));  // Whatever it is, it is there.
  now_ += std::chrono::seconds(9);
  Hear("127.0.0.2:8");
  EXPECT_EQ(address(), "127.0.0.1:8");
  now_ += std::chrono::seconds(1);
  Hear("127.0.0.2:8");
  EXPECT_EQ(address(), "127.0.0.2:8");
}

}  // namespace
}  // namespace relay::client
