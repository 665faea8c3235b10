// What is under way at once, and how long it may take.
#include <gtest/gtest.h>

#include <vector>

#include "ingress/node/funnel_fixture.h"

namespace ingress {
namespace {

using relay::text::Cat;
using std::chrono::milliseconds;

constexpr std::string_view kOk = "HTTP/1.1 101 Switching Protocols";
constexpr std::string_view kFull = "HTTP/1.1 503 Service Unavailable";

class FunnelBoundsTest : public FunnelTest {
 protected:
  static std::string Source(size_t i) { return Cat("198.18.", i / 250, ".", i % 250, ":1000"); }
};

TEST_F(FunnelBoundsTest, The257thHandshakeIsRefused) {
  Start(WebConfig());
  std::vector<Peer> peers;
  for (size_t i = 0; i < FunnelManager::kMaxHandshakes; ++i) peers.push_back(Switch("node.example:443", Source(i)));
  EXPECT_EQ(StatusLine("node.example:443", Source(999)), kFull);
  EXPECT_EQ(thread_.Call([&] { return stats().queue_full.Get(); }), 1U);
  const Peer refused = Connect();
  refused.Send(Post("node.example:443", Source(999)));
  EXPECT_NE(refused.ReceiveAll().find("\r\nRetry-After: 1\r\n"), std::string::npos);
  peers.pop_back();
  EXPECT_TRUE(thread_.Await([&] { return stats().handshaking.Get() == FunnelManager::kMaxHandshakes - 1; }));
  EXPECT_EQ(StatusLine("node.example:443", Source(999)), kOk);
}

TEST_F(FunnelBoundsTest, The33rdOfOneSourceIsRefused) {
  Start(WebConfig());
  std::vector<Peer> peers;
  for (size_t i = 0; i < FunnelManager::kMaxHandshakesPerSource; ++i) {
    peers.push_back(Switch("node.example:443", Cat("[2001:db8::", i + 1, "]:1000")));
  }
  EXPECT_EQ(StatusLine("node.example:443", "[2001:db8::ffff]:1"), kFull);
  EXPECT_EQ(StatusLine("node.example:443", "[2001:db8:0:1::1]:1"), kOk);
  // A finished handshake frees its place.
  TlsClient client(std::move(peers.back()), {.name = "node.example"});
  ASSERT_TRUE(client.Handshake());
  EXPECT_TRUE(thread_.Await([&] { return stats().handshakes.Get() == 1; }));
  EXPECT_EQ(StatusLine("node.example:443", "[2001:db8::ffff]:1"), kOk);
}

TEST_F(FunnelBoundsTest, AHandshakeHasItsTime) {
  options_.handshake_timeout = milliseconds(100);
  Start(WebConfig());
  const Peer silent = Switch("node.example:443");
  const Peer slow = Switch("node.example:443");
  slow.Send("\x16\x03\x01");
  EXPECT_EQ(silent.Receive(), "reset");
  EXPECT_EQ(slow.Receive(), "reset");
  EXPECT_TRUE(thread_.Await([&] { return stats().handshake_timeout.Get() == 2 && stats().active.Get() == 0; }));
}

TEST_F(FunnelBoundsTest, ASilentOneDelaysNobody) {
  Start(WebConfig());
  const Peer silent = Switch("node.example:443");
  TlsClient client = Tls("node.example:443", {.name = "node.example"});
  EXPECT_TRUE(client.Handshake());
}

TEST_F(FunnelBoundsTest, AsManyAsMayWaitForAcceptWait) {
  Start(Config(""));
  thread_.Call([&] { listener_ = *manager_->Listen(*HostPort::Parse("node.example:443"), [] {}); });
  std::vector<TlsClient> waiting;
  for (size_t i = 0; i < FunnelManager::kMaxFinished; ++i) {
    waiting.push_back(Tls("node.example:443", {.name = "node.example"}, Source(i)));
    ASSERT_TRUE(waiting.back().Handshake());
  }
  EXPECT_TRUE(thread_.Await([&] { return stats().handshakes.Get() == FunnelManager::kMaxFinished; }));
  EXPECT_EQ(StatusLine("node.example:443", Source(999)), kFull);
  thread_.Call([&] { EXPECT_TRUE(listener_->Accept()); });
  EXPECT_EQ(StatusLine("node.example:443", Source(999)), kOk);
  // What is on its way counts too.
  const Peer on_its_way = Switch("node.example:443", Source(999));
  EXPECT_EQ(StatusLine("node.example:443", Source(998)), kFull);
}

TEST_F(FunnelBoundsTest, ThereIsABoundOfOneSource) {
  options_.max_active_per_source = 2;
  Start(WebConfig());
  TlsClient first = Tls("node.example:443", {.name = "node.example"}, "[2001:db8::1]:1");
  ASSERT_TRUE(first.Handshake());
  Peer second = Switch("node.example:443", "[2001:db8::2]:2");
  EXPECT_EQ(StatusLine("node.example:443", "[2001:db8::3]:3"), kFull);
  EXPECT_EQ(StatusLine("node.example:443"), kOk);
  { const Peer gone = std::move(second); }
  EXPECT_TRUE(thread_.Await([&] { return stats().active.Get() == 1; }));
  EXPECT_EQ(StatusLine("node.example:443", "[2001:db8::3]:3"), kOk);
}

TEST_F(FunnelBoundsTest, ThereIsABoundOfAll) {
  options_.max_active = 2;
  Start(WebConfig());
  const Peer first = Switch("node.example:443"), second = Switch("node.example:443");
  EXPECT_EQ(StatusLine("node.example:443"), kFull);
}

}  // namespace
}  // namespace ingress
