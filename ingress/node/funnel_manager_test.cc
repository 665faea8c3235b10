#include "ingress/node/funnel_manager.h"

#include <gtest/gtest.h>

#include "ingress/node/funnel_fixture.h"

namespace ingress {
namespace {

using relay::text::Cat;

class FunnelManagerTest : public FunnelTest {
 protected:
  std::string ForwardConfig(const std::string& options = "") const {
    return Config(Cat(R"(, "TCP": {"8443": {"TCPForward": ")", backend_.addr().ToString(),
                      R"(", "TerminateTLS": "forward.example")", options, R"(},
                      "9443": {"TCPForward": ")",
                      backend_.addr().ToString(), R"("}},
        "AllowFunnel": {"forward.example:8443": true, "raw.example:9443": true})"));
  }
  bool AwaitCount(const relay::Counter FunnelManager::Stats::*counter, uint64_t wanted) {
    return thread_.Await([&] { return (stats().*counter).Get() == wanted; });
  }
  void Listen(const std::string& target) {
    thread_.Call([&] {
      auto made = manager_->Listen(*HostPort::Parse(target), [this] { ++ready_; });
      ASSERT_TRUE(made.ok()) << made.status();
      listener_ = *std::move(made);
    });
  }

  TestListener backend_;
  int ready_ = 0;
};

TEST_F(FunnelManagerTest, ServesASiteOverTls) {
  Start(WebConfig());
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsClient client = Tls("node.example:443", {.name = "node.example", .version = version});
    ASSERT_TRUE(client.Handshake());
    ASSERT_TRUE(client.Send("ping\n"));
    const std::string expected = Cat("node.example:443 ", kTestSource, " http/1.1\nping\n");
    EXPECT_EQ(client.ReceiveExactly(expected.size()), expected);
    client.EndWrite();
    EXPECT_EQ(client.ReceiveAll(), "");
  }
  EXPECT_TRUE(AwaitIdle());
  EXPECT_EQ(stats().handshakes.Get(), 2U);
  EXPECT_EQ(stats().bytes_in.Get(), 10U);
  EXPECT_GT(stats().bytes_out.Get(), 10U);
}

// A drain has to wait for it, or the last of an answer would be lost with the program.
TEST_F(FunnelManagerTest, WhatHasEndedLingersUntilItsClientHasEndedToo) {
  Start(WebConfig());
  TlsClient client = Tls("node.example:443", {.name = "node.example"});
  ASSERT_TRUE(client.Handshake());
  ASSERT_NE(client.Receive(), "");
  thread_.Call([this] {
    site_.Clear();
    EXPECT_EQ(stats().active.Get(), 0U);
    EXPECT_EQ(manager_->lingering(), 1U);
  });
  EXPECT_EQ(client.Receive(), "");
  client.peer().Close();
  EXPECT_TRUE(thread_.Await([this] { return manager_->lingering() == 0; }));
}

TEST_F(FunnelManagerTest, BytesBehindTheRequestAreTheStreams) {
  Start(WebConfig());
  // The hello of a client that speaks to nobody yet.
  TcpPair aside;
  TlsClient client(std::move(aside.peer), {.name = "node.example"});
  std::thread handshake([&] { EXPECT_TRUE(client.Handshake()); });
  const Peer theirs(std::move(aside.ours));
  fcntl(theirs.fd(), F_SETFL, 0);
  const std::string hello = theirs.Receive();
  const Peer peer = Connect();
  peer.Send(Post("node.example:443") + hello);
  EXPECT_EQ(peer.ReceiveExactly(kSwitched.size()), kSwitched);
  theirs.Send(peer.Receive());
  while (thread_.Call([&] { return stats().handshakes.Get(); }) == 0) {
    char bytes[4096];
    for (const auto& [from, to] : {std::pair(&theirs, &peer), std::pair(&peer, &theirs)}) {
      const ssize_t size = recv(from->fd(), bytes, sizeof(bytes), MSG_DONTWAIT);
      if (size > 0) to->Send({bytes, static_cast<size_t>(size)});
    }
  }
  handshake.join();
}

TEST_F(FunnelManagerTest, AnotherNameOrNoneIsRefused) {
  Start(WebConfig());
  for (const char* const name : {"forward.example", "", "node.example.evil", "x.wild.example"}) {
    TlsClient client = Tls("node.example:443", {.name = name});
    EXPECT_FALSE(client.Handshake()) << name;
    EXPECT_EQ(client.alert(), SSL_AD_UNRECOGNIZED_NAME) << name;
  }
  // A wildcard switches names on; each connection has its own.
  TlsClient client = Tls("a.wild.example:443", {.name = "b.wild.example"});
  EXPECT_FALSE(client.Handshake());
  EXPECT_TRUE(AwaitCount(&FunnelManager::Stats::wrong_name, 5));
  TlsClient upper = Tls("node.example:443", {.name = "NODE.example"});
  EXPECT_TRUE(upper.Handshake());
}

TEST_F(FunnelManagerTest, WithoutACertificateAHandshakeFails) {
  Start(WebConfig());
  TlsClient client = Tls("bare.example:443", {.name = "bare.example"});
  EXPECT_FALSE(client.Handshake());
  EXPECT_EQ(client.alert(), SSL_AD_INTERNAL_ERROR);
  EXPECT_TRUE(AwaitCount(&FunnelManager::Stats::no_certificate, 1));
}

TEST_F(FunnelManagerTest, PlainTextIsNoWayIn) {
  Start(WebConfig());
  const Peer peer = Switch("node.example:443");
  peer.Send("GET / HTTP/1.1\r\nHost: node.example\r\n\r\n");
  EXPECT_EQ(peer.ReceiveAll().find("HTTP"), std::string::npos);
  EXPECT_TRUE(AwaitCount(&FunnelManager::Stats::handshake_failed, 1));
  EXPECT_TRUE(AwaitIdle());
}

TEST_F(FunnelManagerTest, SitesPreferH2AndForwardsAnswerNoAlpn) {
  Start(WebConfig());
  struct Case {
    std::string offered, chosen;
  };
  for (const Case& c : {Case{"\x08http/1.1\x02h2", "h2"}, Case{"\x08http/1.1", "http/1.1"}, Case{"", ""}}) {
    TlsClient client = Tls("node.example:443", {.name = "node.example", .alpn = c.offered});
    ASSERT_TRUE(client.Handshake());
    EXPECT_EQ(client.Alpn(), c.chosen);
    EXPECT_EQ(client.Receive(), Cat("node.example:443 ", kTestSource, c.chosen == "h2" ? " h2\n" : " http/1.1\n"));
  }
  TlsClient other = Tls("node.example:443", {.name = "node.example",
                                             .alpn = "\x03"
                                                     "ftp"});
  EXPECT_FALSE(other.Handshake());
  EXPECT_EQ(other.alert(), SSL_AD_NO_APPLICATION_PROTOCOL);
  SetConfig(ForwardConfig());
  TlsClient forward = Tls("forward.example:8443", {.name = "forward.example",
                                                   .alpn = "\x03"
                                                           "ftp\x02h2"});
  EXPECT_TRUE(forward.Handshake());
  EXPECT_EQ(forward.Alpn(), "");
}

TEST_F(FunnelManagerTest, AcmeAloneIsPassedRawIfItIsSet) {
  Start(WebConfig());
  TlsClient refused = Tls("node.example:443", {.name = "node.example",
                                               .alpn = "\x0a"
                                                       "acme-tls/1"});
  EXPECT_FALSE(refused.Handshake());
  EXPECT_EQ(refused.alert(), SSL_AD_NO_APPLICATION_PROTOCOL);
  std::string config = WebConfig();
  config.insert(1, Cat(R"("AcmeTLS": ")", backend_.addr().ToString(), R"(", )"));
  SetConfig(config);
  for (const char* const name : {"node.example", "bare.example"}) {  // It may have no certificate yet.
    const Peer peer = Switch(Cat(name, ":443"));
    TcpPair aside;
    TlsClient client(std::move(aside.peer), {.name = name,
                                             .alpn = "\x0a"
                                                     "acme-tls/1"});
    std::thread handshake([&] { EXPECT_FALSE(client.Handshake()); });
    fcntl(aside.ours.get(), F_SETFL, 0);
    Peer theirs(std::move(aside.ours));
    const std::string hello = theirs.Receive();
    // In two pieces: all of it is kept.
    peer.Send(hello.substr(0, 40));
    peer.Send(hello.substr(40));
    const Peer acme = backend_.Accept();
    EXPECT_EQ(acme.ReceiveExactly(hello.size()), hello);
    acme.Send("challenge");
    EXPECT_EQ(peer.Receive(), "challenge");
    theirs.Close();
    handshake.join();
  }
  // Beside others it is no challenge.
  TlsClient both = Tls("node.example:443", {.name = "node.example",
                                            .alpn = "\x0a"
                                                    "acme-tls/1\x02h2"});
  EXPECT_TRUE(both.Handshake());
  // Nor is it a way to a name that is another one's.
  TlsClient wrong = Tls("node.example:443", {.name = "forward.example",
                                             .alpn = "\x0a"
                                                     "acme-tls/1"});
  EXPECT_FALSE(wrong.Handshake());
}

TEST_F(FunnelManagerTest, RawForwardPassesEveryByte) {
  Start(ForwardConfig());
  Peer client = Connect();
  client.Send(Post("raw.example:9443") + "not even TLS");
  EXPECT_EQ(client.ReceiveExactly(kSwitched.size()), kSwitched);
  const Peer server = backend_.Accept();
  EXPECT_EQ(server.Receive(), "not even TLS");
  server.Send("answer");
  server.EndWrite();
  EXPECT_EQ(client.ReceiveAll(), "answer");
  client.Send("more");
  client.EndWrite();
  EXPECT_EQ(server.ReceiveAll(), "more");
  EXPECT_TRUE(AwaitIdle());
}

TEST_F(FunnelManagerTest, TerminatedForwardHalfClosesBothWays) {
  Start(ForwardConfig());
  for (const bool client_first : {true, false}) {
    TlsClient client = Tls("forward.example:8443", {.name = "forward.example"});
    ASSERT_TRUE(client.Handshake());
    const Peer server = backend_.Accept();
    client.Send("question");
    EXPECT_EQ(server.Receive(), "question");
    if (client_first) {
      client.EndWrite();
      EXPECT_EQ(server.Receive(), "");
      server.Send("answer");
      server.EndWrite();
      EXPECT_EQ(client.ReceiveAll(), "answer");
    } else {
      server.Send("answer");
      server.EndWrite();
      EXPECT_EQ(client.ReceiveAll(), "answer");
      client.Send("late");
      client.EndWrite();
      EXPECT_EQ(server.ReceiveAll(), "late");
    }
  }
  EXPECT_TRUE(AwaitIdle());
}

TEST_F(FunnelManagerTest, ResetsAreCarried) {
  Start(ForwardConfig());
  TlsClient first = Tls("forward.example:8443", {.name = "forward.example"});
  ASSERT_TRUE(first.Handshake());
  const Peer server = backend_.Accept();
  first.peer().Reset();
  EXPECT_EQ(server.Receive(), "reset");
  const Peer second = Switch("raw.example:9443");
  backend_.Accept().Reset();
  EXPECT_EQ(second.Receive(), "reset");
  EXPECT_TRUE(AwaitIdle());
}

TEST_F(FunnelManagerTest, BackendsAreToldOfTheClientByProxyHeaders) {
  const std::string v1 = Cat("PROXY TCP4 203.0.113.9 127.0.0.1 4711 8443\r\n");
  Start(ForwardConfig(R"(, "ProxyProtocol": 1)"));
  TlsClient client = Tls("forward.example:8443", {.name = "forward.example"});
  ASSERT_TRUE(client.Handshake());
  client.Send("hello");
  EXPECT_EQ(backend_.Accept().ReceiveExactly(v1.size() + 5), v1 + "hello");
  SetConfig(ForwardConfig(R"(, "ProxyProtocol": 2)"));
  TlsClient second = Tls("forward.example:8443", {.name = "forward.example"});
  ASSERT_TRUE(second.Handshake());
  const std::string v2("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x09\x7f\0\0\x01\x12\x67\x20\xfb", 28);
  EXPECT_EQ(backend_.Accept().ReceiveExactly(28), v2);
}

TEST_F(FunnelManagerTest, ABackendThatIsNotThereIsAReset) {
  const ReservedAddr nobody;
  std::string config = ForwardConfig();
  const std::string there = backend_.addr().ToString();
  for (size_t at = 0; (at = config.find(there)) != config.npos;) {
    config.replace(at, there.size(), nobody.addr().ToString());
  }
  Start(config);
  EXPECT_EQ(Switch("raw.example:9443").Receive(), "reset");
  TlsClient client = Tls("forward.example:8443", {.name = "forward.example"});
  if (client.Handshake()) {
    EXPECT_EQ(client.Receive(), "broken");
  }
  EXPECT_TRUE(AwaitCount(&FunnelManager::Stats::backend_failed, 2));
  EXPECT_TRUE(AwaitIdle());
}

TEST_F(FunnelManagerTest, AListenerTakesItsTargetsConnections) {
  Start(Config(""));
  EXPECT_EQ(StatusLine("node.example:443"), "HTTP/1.1 404 Not Found");
  Listen("node.example:443");
  EXPECT_EQ(StatusLine("forward.example:443"), "HTTP/1.1 403 Forbidden");
  TlsClient client = Tls("node.example:443", {.name = "node.example", .alpn = "\x02h2"});
  ASSERT_TRUE(client.Handshake());
  EXPECT_EQ(client.Alpn(), "");
  EXPECT_TRUE(thread_.Await([&] { return ready_ == 1; }));
  std::unique_ptr<Stream> stream = thread_.Call([&] {
    std::optional<FunnelConnection> connection = listener_->Accept();
    EXPECT_EQ(connection->source.ToString(), kTestSource);
    EXPECT_EQ(connection->target.ToString(), "node.example:443");
    EXPECT_FALSE(listener_->Accept());
    connection->stream->Write("decrypted");
    return std::move(connection->stream);
  });
  EXPECT_EQ(client.Receive(), "decrypted");
  TlsClient waiting = Tls("node.example:443", {.name = "node.example"});
  ASSERT_TRUE(waiting.Handshake());
  EXPECT_TRUE(thread_.Await([&] { return ready_ == 2; }));
  thread_.Call([&] { listener_.reset(); });
  EXPECT_EQ(waiting.Receive(), "broken");  // Nobody will accept it.
  EXPECT_EQ(StatusLine("node.example:443"), "HTTP/1.1 404 Not Found");
  thread_.Call([&] { stream.reset(); });
  EXPECT_EQ(client.Receive(), "");
  EXPECT_TRUE(AwaitIdle());
}

TEST_F(FunnelManagerTest, ATargetHasOneOwner) {
  Start(WebConfig());
  Listen("app.example:8443");
  thread_.Call([&] {
    for (const char* const target : {"app.example:8443", "node.example:443", "*.app.example:8443"}) {
      EXPECT_FALSE(manager_->Listen(*HostPort::Parse(target), [] {}).ok()) << target;
    }
    listener_.reset();
  });
  EXPECT_EQ(StatusLine("app.example:8443"), "HTTP/1.1 403 Forbidden");  // A web site is still there.
}

TEST_F(FunnelManagerTest, AReloadLeavesConnectionsAlone) {
  Start(WebConfig());
  TlsClient served = Tls("node.example:443", {.name = "node.example"});
  ASSERT_TRUE(served.Handshake());
  TlsClient early = Tls("node.example:443", {.name = "node.example"});  // Before its handshake.
  SetConfig(ForwardConfig());
  EXPECT_EQ(StatusLine("node.example:443"), "HTTP/1.1 403 Forbidden");
  ASSERT_TRUE(early.Handshake());
  EXPECT_TRUE(early.Receive().starts_with("node.example:443"));
  served.Send("still here\n");
  const std::string expected = Cat("node.example:443 ", kTestSource, " http/1.1\nstill here\n");
  EXPECT_EQ(served.ReceiveExactly(expected.size()), expected);
}

TEST_F(FunnelManagerTest, NoDescriptorStaysBehind) {
  Start(ForwardConfig());
  const size_t before = OpenDescriptors();
  for (int i = 0; i < 20; ++i) {
    TlsClient client = Tls("forward.example:8443", {.name = i % 3 == 0 ? "wrong.example" : "forward.example"});
    if (!client.Handshake()) continue;
    Peer server = backend_.Accept();
    if (i % 2 == 0) server.Reset();
    client.Send("x");
  }
  EXPECT_TRUE(AwaitIdle());
  EXPECT_TRUE(thread_.Await([&] { return OpenDescriptors() == before; }));
}

}  // namespace
}  // namespace ingress
