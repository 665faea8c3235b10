// What connections end by that are not served: what the client sees, and by which name it is counted.
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <thread>

#include "ingress/frontend/close_reason.h"
#include "ingress/frontend/descriptor_budget.h"
#include "ingress/frontend/frontend_fixture.h"
#include "ingress/proxy_protocol.h"
#include "tests/support/client_hello_builder.h"

namespace ingress {
namespace {

using namespace testing_support;
using std::chrono::milliseconds;

class FrontendRefusalTest : public FrontendFixture {
 protected:
  void ExpectAlert(Peer& client, uint8_t description) {
    EXPECT_EQ(client.Receive(100), std::string("\x15\x03\x01\x00\x02\x02", 6) + static_cast<char>(description));
  }
  static void Answer(Peer& node, std::string_view status) {
    node.ReceiveHead();
    node.Send("HTTP/1.1 " + std::string(status) + "\r\nRetry-After: 1\r\n\r\nno\n");
  }
};

TEST_F(FrontendRefusalTest, EverySeriesIsThereFromTheStart) {
  Start();
  for (const std::string_view reason : kCloseReasonNames) {
    if (reason == "refused") continue;
    EXPECT_EQ(Closed(reason), 0) << reason;
  }
  for (const int status : kRefusedStatuses) EXPECT_EQ(Closed("refused_" + std::to_string(status)), 0);
  EXPECT_EQ(Closed("refused_other"), 0);
  for (const char* name : {"relayd_funnel_connections", "relayd_funnel_accepted_total", "relayd_funnel_hello_seconds",
                           "relayd_funnel_dial_seconds"}) {
    EXPECT_EQ(Value(name), 0) << name;
  }
  for (const char* way : {"to_node", "to_client"}) EXPECT_EQ(Value("relayd_funnel_bytes_total", way), 0);
  EXPECT_EQ(Value("relayd_funnel_route_connections", kName), 0);
  EXPECT_EQ(Value("relayd_funnel_route_connections", "other"), 0);
}

TEST_F(FrontendRefusalTest, UnknownNamesGetAnAlertThatArrives) {
  Start();
  Peer client = Connect();
  client.Send(Hello("unknown.example"));
  ExpectAlert(client, 112);
  client.Send("what comes late does no harm");
  client.Close();
  AwaitClosed("unknown_name");
  Peer nameless = Connect();
  nameless.Send(test::Hello({}));
  ExpectAlert(nameless, 112);
  nameless.Close();
  AwaitClosed("no_name");
  EXPECT_TRUE(node_.NobodyCame());
}

TEST_F(FrontendRefusalTest, APortThatTheRouteDoesNotServeIsUnknown) {
  routes_[0].ports = {8443};
  Start();
  Peer client = Connect();
  client.Send(hello_);
  ExpectAlert(client, 112);
  client.Close();
  AwaitClosed("unknown_name");
}

TEST_F(FrontendRefusalTest, AClientThatStaysAfterAnAlertIsClosed) {
  Start();
  Peer client = Connect();
  client.Send(Hello("unknown.example"));
  ExpectAlert(client, 112);
  AwaitClosed("unknown_name");  // After a second.
}

TEST_F(FrontendRefusalTest, ClosedWithoutAByte) {
  options_.hello_cap = 2000;
  options_.hello_timeout = milliseconds(200);
  Start();
  const struct {
    std::string_view reason;
    std::string bytes;
  } rows[] = {
      {"not_tls", "GET / HTTP/1.1\r\nHost: node.example\r\n\r\n"},
      {"bad_name", Hello("192.0.2.1")},
      {"hello_too_big", test::Hello({.name = "node.example", .size = 3000})},
      {"hello_timeout", hello_.substr(0, hello_.size() - 1)},
  };
  for (const auto& row : rows) {
    Peer client = Connect();
    client.Send(row.bytes);
    ExpectRefused(client, row.reason);
  }
}

TEST_F(FrontendRefusalTest, WhoIsDenied) {
  routes_[0].deny = {*relay::Prefix::Parse("127.0.0.0/8")};
  routes_[0].allow = {*relay::Prefix::Parse("127.0.0.1/32")};
  Start();
  Peer client = Connect();
  client.Send(hello_);
  ExpectRefused(client, "denied");
}

TEST_F(FrontendRefusalTest, ARoutesLimit) {
  routes_[0].max_connections = 1;
  Start();
  Pair pair = Spliced();
  Peer client = Connect();
  client.Send(hello_);
  EXPECT_TRUE(client.AwaitEnd());
  AwaitClosed("route_limit");
  pair.client.Close();
  pair.node.Close();
  Await([&] { return frontend_->connections() == 0; });
  Spliced();
}

TEST_F(FrontendRefusalTest, ASourcesLimit) {
  limits_.source_max_connections = 1;
  Start();
  Pair pair = Spliced();
  Peer client = Connect();
  EXPECT_TRUE(client.AwaitEnd());
  AwaitClosed("source_limit");
}

TEST_F(FrontendRefusalTest, DescriptorsThatOthersNeedAreNotTheClients) {
  options_.descriptors_of_others = UINT64_MAX;
  Start();
  std::vector<Peer> pending;
  for (uint64_t i = 0; i < DescriptorBudget::kLeastConnections; ++i) pending.push_back(Connect());
  Await([&] { return Value("relayd_funnel_pending") == DescriptorBudget::kLeastConnections; });
  Peer one_more = Connect();
  EXPECT_TRUE(one_more.AwaitEnd());
  AwaitClosed("global_limit");
}

TEST_F(FrontendRefusalTest, TheGlobalLimits) {
  limits_.max_connections = 2;
  limits_.max_pending = 1;
  Start();
  Peer pending = Connect();
  Await([&] { return Value("relayd_funnel_pending") == 1; });
  Peer one_more = Connect();
  EXPECT_TRUE(one_more.AwaitEnd());
  AwaitClosed("global_limit");
  pending.Send(hello_);
  Peer node = node_.Take(hello_);
  Pair pair = Spliced();
  Peer third = Connect();
  EXPECT_TRUE(third.AwaitEnd());
  AwaitClosed("global_limit", 2);
}

TEST_F(FrontendRefusalTest, ThreeNodesAreTriedAndTheLastStatusCounts) {
  Node a, b, c, d;
  routes_ = {RouteTo(std::string(kName), {a.addr(), b.addr(), c.addr(), d.addr()})};
  Start();
  Peer client = Connect();
  client.Send(hello_);
  Node* const nodes[] = {&a, &b, &c, &d};
  for (const char* status : {"503 x", "403 x", "502 x"}) {
    Peer node = nodes[Node::Dialed({&a, &b, &c, &d})]->Accept();
    Answer(node, status);
  }
  ExpectAlert(client, 80);
  client.Close();
  AwaitClosed("refused_502");
  for (const Node* node : nodes) EXPECT_TRUE(node->NobodyCame());
}

TEST_F(FrontendRefusalTest, TheNextNodeServesAndTheOneThatFailedRests) {
  Node dead, other;
  dead.StopListening();
  routes_ = {RouteTo(std::string(kName), {dead.addr(), other.addr()})};
  Start();
  std::vector<Pair> pairs(4);
  for (Pair& pair : pairs) {
    pair.client = Connect();
    pair.client.Send(hello_);
    pair.node = other.Take(hello_);
  }
  EXPECT_FALSE(live_routes_[0]->Healthy(0));
  EXPECT_TRUE(live_routes_[0]->Healthy(1));
}

TEST_F(FrontendRefusalTest, ARefusalIsNotTheNodesFault) {
  Start();
  for (const char* status : {"403", "404"}) {
    Peer client = Connect();
    client.Send(hello_);
    Peer node = node_.Accept();
    Answer(node, status);
    ExpectAlert(client, 80);
    client.Close();
    AwaitClosed("refused_" + std::string(status));
    EXPECT_TRUE(live_routes_[0]->Healthy(0));
  }
  Peer client = Connect();
  client.Send(hello_);
  Peer node = node_.Accept();
  Answer(node, "599 x");
  ExpectAlert(client, 80);
  client.Close();
  AwaitClosed("refused_other");
  EXPECT_FALSE(live_routes_[0]->Healthy(0));
}

TEST_F(FrontendRefusalTest, ANodeThatRefusedIsAskedAgain) {
  Node other;
  routes_ = {RouteTo(std::string(kName), {node_.addr(), other.addr()})};
  Start();
  Node* const nodes[] = {&node_, &other};
  const auto dialed = [&] { return Node::Dialed({&node_, &other}); };
  size_t refusing = 0;
  {
    Peer client = Connect();
    client.Send(hello_);
    refusing = dialed();
    Peer node = nodes[refusing]->Accept();
    Answer(node, "403 x");
    nodes[1 - refusing]->Take(hello_);
  }
  int asked = 0;
  for (int i = 0; i < 4; ++i) {
    Await([&] { return frontend_->connections() == 0; });
    Peer client = Connect();
    client.Send(hello_);
    const size_t node = dialed();
    asked += node == refusing ? 1 : 0;
    nodes[node]->Take(hello_);
  }
  EXPECT_EQ(asked, 2);  // In turn: neither has connections.
}

TEST_F(FrontendRefusalTest, NodesThatDoNotAnswer) {
  options_.dial_timeout = milliseconds(200);
  Start();
  double count = 0;
  const auto expect_failed = [&](Peer& client) {
    ExpectAlert(client, 80);
    client.Close();
    AwaitClosed("dial_failed", ++count);
  };
  {
    Peer client = Connect();
    client.Send(hello_);
    const Peer silent = node_.Accept();
    expect_failed(client);
  }
  for (const std::string& answer : {std::string("SSH-2.0\r\n"), "HTTP/1.1 101 x\r\n" + std::string(9000, 'a')}) {
    Peer client = Connect();
    client.Send(hello_);
    Peer node = node_.Accept();
    node.Send(answer);
    expect_failed(client);
  }
  {
    Peer client = Connect();
    client.Send(hello_);
    node_.Accept().Close();
    expect_failed(client);
  }
  node_.StopListening();
  Peer client = Connect();
  client.Send(hello_);
  expect_failed(client);
}

TEST_F(FrontendRefusalTest, AnEndBehindTooFewBytesIsNoticedAtOnce) {
  options_.hello_timeout = options_.dial_timeout = 2 * kSoon;
  Start();
  Peer client = Connect();
  Await([&] { return Value("relayd_funnel_pending") == 1; });
  client.SendAndEnd(hello_.substr(0, 50));
  ExpectRefused(client, "not_tls");
  Peer other = Connect();
  other.Send(hello_);
  Peer node = node_.Accept();
  node.ReceiveHead();
  node.SendAndEnd("HTTP/1.1 101 Switch");
  ExpectAlert(other, 80);
}

TEST_F(FrontendRefusalTest, ANodeThatSpeaksFirstIsNoPeerApi) {
  options_.dial_timeout = 2 * kSoon;
  Start();
  Peer client = Connect();
  client.Send(hello_);
  Peer node = node_.Accept();
  node.Send("220 mail.example ESMTP\r\n");
  ExpectAlert(client, 80);
}

TEST_F(FrontendRefusalTest, AProxySaysWhoTheClientIs) {
  limits_.proxy_protocol_from = {*relay::Prefix::Parse("127.0.0.1/32")};
  limits_.source_max_connections = 1;
  routes_[0].deny = {*relay::Prefix::Parse("192.0.2.66/32")};
  Start();
  const AddrPort destination = *AddrPort::Parse("198.51.100.1:8443");
  std::vector<Pair> pairs(2);
  for (const char* from : {"192.0.2.1:1234", "[2001:db8::1]:1234"}) {
    Pair& pair = pairs[from[0] == '[' ? 1 : 0];
    pair.client = Connect();
    pair.client.Send(WriteProxyV2(*AddrPort::Parse(from), destination) + hello_);
    pair.node = node_.Accept();
    EXPECT_THAT(pair.node.ReceiveHead(), testing::HasSubstr("Tailscale-Ingress-Src: " + std::string(from) +
                                                            "\r\nTailscale-Ingress-Target: node.example:8443\r\n"));
    pair.node.Send(kSwitching);
    EXPECT_EQ(pair.node.Receive(hello_.size()), hello_);
  }
  Peer again = Connect();
  again.Send(WriteProxyV1(*AddrPort::Parse("192.0.2.1:1235"), destination));
  EXPECT_TRUE(again.AwaitEnd());
  AwaitClosed("source_limit");
  Peer denied = Connect();
  denied.Send(WriteProxyV1(*AddrPort::Parse("192.0.2.66:1"), destination) + hello_);
  EXPECT_TRUE(denied.AwaitEnd());
  AwaitClosed("denied");
  Peer bare = Connect();
  bare.Send(hello_);
  char byte;
  EXPECT_LE(recv(bare.fd(), &byte, 1, 0), 0);
  AwaitClosed("not_tls");
}

TEST_F(FrontendRefusalTest, OfOthersAProxyHeaderIsNotTls) {
  Start();
  Peer client = Connect();
  client.Send(WriteProxyV1(*AddrPort::Parse("192.0.2.1:1"), *AddrPort::Parse("192.0.2.2:443")) + hello_);
  ExpectRefused(client, "not_tls");
}

// The limit stands as long as this does.
class FewDescriptors {
 public:
  explicit FewDescriptors(rlim_t most) {
    getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit few{.rlim_cur = most, .rlim_max = before_.rlim_max};
    setrlimit(RLIMIT_NOFILE, &few);
  }
  ~FewDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }
  FewDescriptors(const FewDescriptors&) = delete;
  FewDescriptors& operator=(const FewDescriptors&) = delete;

 private:
  rlimit before_;
};

TEST_F(FrontendRefusalTest, WithoutDescriptorsClientsAreRefusedAndServedAgainLater) {
  Start();
  Pair open = Spliced();
  std::vector<Peer> clients;
  for (int i = 0; i < 5; ++i) clients.push_back(Peer::Unconnected());
  Peer later = Peer::Unconnected();
  {
    const FewDescriptors none(static_cast<rlim_t>(later.fd()));
    double count = 0;
    for (Peer& client : clients) {
      client.Connect(frontend_->local()[0]);
      char byte;
      EXPECT_LE(recv(client.fd(), &byte, 1, 0), 0);
      AwaitClosed("global_limit", ++count);
    }
    open.client.Send("x");
    EXPECT_EQ(open.node.Receive(1), "x");
  }
  {
    // One for the client, none for the node.
    const FewDescriptors one(static_cast<rlim_t>(later.fd()) + 2);
    later.Connect(frontend_->local()[0]);
    later.Send(hello_);
    EXPECT_TRUE(later.AwaitEnd());
    AwaitClosed("global_limit", 6);
  }
  EXPECT_TRUE(live_routes_[0]->Healthy(0));
  Spliced();
}

}  // namespace
}  // namespace ingress
