#include "ingress/node/peerapi_server.h"

#include <gtest/gtest.h>

#include "ingress/node/funnel_fixture.h"

namespace ingress {
namespace {

using relay::text::Cat;
using std::chrono::milliseconds;

class PeerApiServerTest : public FunnelTest {
 protected:
  // Status and body of the answer to `request`; the connection closes behind it.
  std::string Ask(const std::string& request) const {
    const Peer peer = Connect();
    peer.Send(request);
    const std::string answer = peer.ReceiveAll();
    const size_t body = answer.find("\r\n\r\n");
    if (!answer.starts_with("HTTP/1.1 ") || body == std::string::npos) return answer;
    EXPECT_NE(answer.find("\r\nContent-Type: text/plain"), std::string::npos);
    EXPECT_NE(answer.find("\r\nConnection: close\r\n"), std::string::npos);
    return answer.substr(9, 4) + answer.substr(body + 4);
  }
};

TEST_F(PeerApiServerTest, AnswersByTheTable) {
  Start(WebConfig());
  const std::string host = "Host: peer\r\n";
  const std::string src = "Tailscale-Ingress-Src: 203.0.113.9:4711\r\n";
  const std::string target = "Tailscale-Ingress-Target: node.example:443\r\n";
  struct Case {
    std::string head, answer;
  };
  const std::string post = "POST /v0/ingress HTTP/1.1\r\n";
  for (const Case& c : std::initializer_list<Case>{
           {post + host + src + target + "Origin: https://node.example\r\n", "403 invalid peerapi request\n"},
           {post + host + src + target + "Referer: https://node.example/\r\n", "403 invalid peerapi request\n"},
           {post + "Host: node.example\r\n" + src + target, "403 invalid peerapi request\n"},
           {post + src + target, "403 invalid peerapi request\n"},
           {post + host + host + src + target, "403 invalid peerapi request\n"},
           {"POST /v0/other HTTP/1.1\r\n" + host + src + target, "404 unsupported peerapi path\n"},
           {"GET / HTTP/1.1\r\n" + host, "404 unsupported peerapi path\n"},
           {"POST /v0/ingress/ HTTP/1.1\r\n" + host + src + target, "404 unsupported peerapi path\n"},
           {"GET /v0/ingress HTTP/1.1\r\n" + host + src + target, "405 only POST allowed\n"},
           {post + host + target, "400 Tailscale-Ingress-Src header not set\n"},
           {post + host + "Tailscale-Ingress-Src: 203.0.113.9\r\n" + target,
            "400 Tailscale-Ingress-Src header invalid; want ip:port\n"},
           {post + host + src, "400 Tailscale-Ingress-Target header not set\n"},
           {post + host + src + "Tailscale-Ingress-Target: node.example\r\n",
            "400 Tailscale-Ingress-Target header invalid; want host:port\n"},
           {post + host + src + target + "Content-Length: 5\r\n", "400 body not allowed\n"},
           {post + host + src + target + "Content-Length: 100000\r\n", "400 body not allowed\n"},
           {post + host + src + target + "Content-Length: 5\r\nExpect: 100-continue\r\n", "400 body not allowed\n"},
           {post + host + src + target + "Transfer-Encoding: chunked\r\n", "400 body not allowed\n"},
           {post + host + src + "Tailscale-Ingress-Target: other.example:443\r\n", "403 denied\n"},
           {post + host + src + "Tailscale-Ingress-Target: node.example:https\r\n", "403 denied\n"},
           {post + host + src + "Tailscale-Ingress-Target: node.example:444\r\n", "403 denied\n"},
           {post + host + src + "Tailscale-Ingress-Target: *.wild.example:443\r\n", "403 denied\n"},
           {"nonsense\r\n", "400 malformed request\n"},
           {post + host + "X: " + std::string(9000, 'x') + "\r\n", "431 request head over 8192 bytes\n"},
       }) {
    EXPECT_EQ(Ask(c.head + "\r\n"), c.answer) << c.head;
  }
  EXPECT_EQ(thread_.Call([&] { return stats().accepted.Get(); }), 0U);
  EXPECT_EQ(thread_.Call([&] { return server_->stats().refused[1].Get(); }), 9U);  // 403.
}

TEST_F(PeerApiServerTest, WithoutAnythingInstalledThereIsNoSuchPath) {
  Start(Config(""));
  EXPECT_EQ(Ask(Post("node.example:443")), "404 unsupported peerapi path\n");
}

TEST_F(PeerApiServerTest, TheCapabilityIsAsked) {
  std::string config = WebConfig();
  config.replace(config.find("\"ingress\""), 9, "\"relay\"");
  Start(config);
  EXPECT_EQ(Ask(Post("node.example:443")), "403 denied; no ingress cap\n");
}

TEST_F(PeerApiServerTest, ARequestMayComeInPieces) {
  Start(WebConfig());
  const Peer peer = Connect();
  for (const char byte : Post("node.example:443")) ASSERT_TRUE(peer.Send({&byte, 1}));
  EXPECT_EQ(peer.Receive(), kSwitched);
}

TEST_F(PeerApiServerTest, LateRequestsAreClosed) {
  api_options_.request_time = milliseconds(50);
  Start(WebConfig());
  const Peer peer = Connect();
  peer.Send("POST /v0/ingress");
  EXPECT_EQ(peer.ReceiveAll(), "");
  EXPECT_TRUE(thread_.Await([&] { return server_->stats().timed_out.Get() == 1; }));
}

TEST_F(PeerApiServerTest, SilentConnectionsAreClosed) {
  api_options_.idle_time = milliseconds(50);
  Start(WebConfig());
  EXPECT_EQ(Connect().ReceiveAll(), "");
}

TEST_F(PeerApiServerTest, ThereIsALimitOfConnections) {
  api_options_.max_connections = 2;
  Start(WebConfig());
  const Peer first = Connect(), second = Connect();
  EXPECT_TRUE(thread_.Await([&] { return server_->stats().connections.Get() == 2; }));
  EXPECT_EQ(Connect().ReceiveAll(), "");
  EXPECT_EQ(thread_.Call([&] { return server_->stats().refused_limit.Get(); }), 1U);
}

TEST_F(PeerApiServerTest, SourcesWithoutTheCapabilityHaveALimitOfTheirOwn) {
  api_options_.max_per_source = 2;
  Start(WebConfig());
  const Peer a = Connect(), b = Connect(), c = Connect();  // Frontends.
  EXPECT_TRUE(thread_.Await([&] { return server_->stats().connections.Get() == 3; }));
  std::string config = WebConfig();
  config.replace(config.find("\"ingress\""), 9, "\"relay\"");
  SetConfig(config);
  const Peer d = Connect(), e = Connect();
  EXPECT_TRUE(thread_.Await([&] { return server_->stats().connections.Get() == 5; }));
  EXPECT_EQ(Connect().ReceiveAll(), "");
  EXPECT_EQ(thread_.Call([&] { return server_->stats().refused_source.Get(); }), 1U);
}

TEST_F(PeerApiServerTest, FrontendsGetInPastAllOthers) {
  api_options_.max_connections = 4;
  std::string config = WebConfig();
  const std::string frontend = config;
  config.replace(config.find("\"ingress\""), 9, "\"relay\"");
  Start(config);
  const Peer a = Connect(), b = Connect();
  EXPECT_TRUE(thread_.Await([&] { return server_->stats().connections.Get() == 2; }));
  EXPECT_EQ(Connect().ReceiveAll(), "");
  EXPECT_EQ(thread_.Call([&] { return server_->stats().refused_source.Get(); }), 1U);
  SetConfig(frontend);
  EXPECT_EQ(StatusLine("node.example:443"), "HTTP/1.1 101 Switching Protocols");
}

TEST_F(PeerApiServerTest, AReloadMovesListenersAndKeepsConnections) {
  const ReservedAddr a, b;
  const AddrPort first = a.addr(), second = b.addr();
  const auto config_of = [](const AddrPort& addr) {
    std::string config = WebConfig();
    config.replace(config.find("127.0.0.1:9"), 11, addr.ToString());
    return config;
  };
  Start(config_of(first));
  const Peer open = Connect();
  TlsClient served = Tls("node.example:443", {.name = "node.example"});
  ASSERT_TRUE(served.Handshake());
  SetConfig(config_of(second));
  EXPECT_EQ(thread_.Call([&] { return server_->local(); }), std::vector<AddrPort>{second});
  open.Send(Post("node.example:443"));
  EXPECT_EQ(open.Receive(), kSwitched);
  EXPECT_TRUE(served.Receive().starts_with("node.example:443"));
  addr_ = second;
  EXPECT_EQ(StatusLine("node.example:443"), "HTTP/1.1 101 Switching Protocols");
  const relay::Fd again = *ListenTcp(first, 1);  // Free.
}

TEST_F(PeerApiServerTest, AnAddressInUseChangesNothing) {
  Start(WebConfig());
  const TestListener taken;
  thread_.Call([&] {
    auto config = std::make_shared<ServeConfig>();
    config->listen = {taken.addr()};
    const absl::Status status = server_->SetConfig(config);
    EXPECT_NE(std::string(status.message()).find(taken.addr().ToString()), std::string::npos);
  });
  EXPECT_EQ(StatusLine("node.example:443"), "HTTP/1.1 101 Switching Protocols");
}

}  // namespace
}  // namespace ingress
