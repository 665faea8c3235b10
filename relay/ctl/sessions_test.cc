#include "relay/ctl/sessions.h"

#include <gtest/gtest.h>

namespace relay::ctl {
namespace {

constexpr std::string_view kPage =
    R"({"UDPPort":40000,"Sessions":[{"VNI":7,"Client1":{"Endpoint":"198.18.0.1:51820","ShortDisco":"d:0011223344556677",)"
    R"("PacketsTx":18446744073709551615,"BytesTx":9},"Client2":{"Endpoint":"","ShortDisco":"d:8899aabbccddeeff",)"
    R"("PacketsTx":0,"BytesTx":0}}]})";

TEST(SessionsTest, ReadsAPage) {
  const absl::StatusOr<SessionPage> page = ParseSessionPage(kPage);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->udp_port, 40000);
  ASSERT_EQ(page->sessions.size(), 1u);
  EXPECT_EQ(page->sessions[0].vni, 7u);
  EXPECT_EQ(page->sessions[0].clients[0].packets_tx, 18446744073709551615u);
  EXPECT_EQ(page->sessions[0].clients[1].short_disco, "d:8899aabbccddeeff");
}

TEST(SessionsTest, WritesASessionAsTheApiDoes) {
  const absl::StatusOr<SessionPage> page = ParseSessionPage(kPage);
  ASSERT_TRUE(page.ok());
  EXPECT_NE(kPage.find(SessionToJson(page->sessions[0])), std::string_view::npos) << SessionToJson(page->sessions[0]);
}

TEST(SessionsTest, ATableHasARowForEachClient) {
  const absl::StatusOr<SessionPage> page = ParseSessionPage(kPage);
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(SessionToRows(page->sessions[0]),
            "7         d:0011223344556677  198.18.0.1:51820                           18446744073709551615"
            "                  9\n"
            "          d:8899aabbccddeeff  -                                                       0"
            "                  0\n");
}

TEST(SessionsTest, RefusesWhatIsNoPage) {
  for (const char* text : {"", "[]", "{}", R"({"UDPPort":1})", R"({"UDPPort":1,"Sessions":[1]})",
                           R"({"UDPPort":70000,"Sessions":[]})", R"({"UDPPort":1,"Sessions":[{"VNI":-1}]})"}) {
    EXPECT_FALSE(ParseSessionPage(text).ok()) << text;
  }
}

TEST(SessionsTest, ATerminalIsShownNoControlCharacters) {
  const auto page = ParseSessionPage(
      R"({"UDPPort":1,"Sessions":[{"VNI":1,"Client1":{"Endpoint":"\u001b[2J","ShortDisco":"","PacketsTx":0,"BytesTx":0},)"
      R"("Client2":{"Endpoint":"","ShortDisco":"","PacketsTx":0,"BytesTx":0}}]})");
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->sessions[0].clients[0].endpoint, "?[2J");
}

}  // namespace
}  // namespace relay::ctl
