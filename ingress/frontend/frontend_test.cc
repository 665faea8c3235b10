// What connections go through that are served.
#include "ingress/frontend/frontend.h"

#include <gmock/gmock.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "ingress/frontend/frontend_fixture.h"
#include "ingress/tcp_socket.h"

namespace ingress {
namespace {

using namespace testing_support;
using std::chrono::milliseconds;

class FrontendTest : public FrontendFixture {};

// Bytes that differ from their neighbours.
std::string Pattern(size_t size, uint32_t seed) {
  std::string bytes(size, 0);
  for (char& byte : bytes) byte = static_cast<char>((seed = seed * 1664525 + 1013904223) >> 24);
  return bytes;
}

TEST_F(FrontendTest, NoByteOfTheClientGoesBeforeTheAnswersHead) {
  Start();
  Peer client = Connect();
  client.Send(hello_ + "early");
  Peer node = node_.Accept();
  EXPECT_EQ(node.ReceiveHead(), "POST /v0/ingress HTTP/1.1\r\nHost: " + node_.addr().ToString() +
                                    "\r\nTailscale-Ingress-Src: " + client.local().ToString() +
                                    "\r\nTailscale-Ingress-Target: node.example:443\r\nContent-Length: 0\r\n\r\n");
  client.Send("er");
  EXPECT_TRUE(node.HasNothing());
  node.Send("HTTP/1.1 101 Switching Protocols\r\nA: b\r\n");
  EXPECT_TRUE(node.HasNothing());
  node.Send("\r\nbehind it");
  EXPECT_EQ(client.Receive(9), "behind it");
  EXPECT_EQ(node.Receive(hello_.size() + 7), hello_ + "earlyer");
}

TEST_F(FrontendTest, AHelloComesInPieces) {
  Start();
  Peer client = Connect();
  const int on = 1;
  setsockopt(client.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  for (const char& byte : hello_) client.Send({&byte, 1});
  Peer node = node_.Take(hello_);
  node.Send("hello");
  EXPECT_EQ(client.Receive(5), "hello");
}

TEST_F(FrontendTest, CarriesMuchBothWaysWhoeverIsSlow) {
  Start();
  Pair pair = Spliced();
  const std::string up = Pattern(24 << 20, 1), down = Pattern(24 << 20, 2);
  std::thread client_writes([&] { pair.client.Send(up); });
  std::thread node_writes([&] { pair.node.Send(down); });
  // Neither is read until both are full.
  Await([&] {
    const double before = Value("relayd_funnel_bytes_total");
    std::this_thread::sleep_for(milliseconds(20));
    return before > 0 && Value("relayd_funnel_bytes_total") == before;
  });
  std::string got_up;
  std::thread node_reads([&] { got_up = pair.node.Receive(up.size()); });
  EXPECT_TRUE(pair.client.Receive(down.size()) == down);
  node_reads.join();
  client_writes.join();
  node_writes.join();
  EXPECT_TRUE(got_up == up);
  EXPECT_EQ(Value("relayd_funnel_bytes_total", "to_node"), static_cast<double>(hello_.size() + up.size()));
  EXPECT_EQ(Value("relayd_funnel_bytes_total", "to_client"), static_cast<double>(down.size()));
}

TEST_F(FrontendTest, AnEndOfOneWayLeavesTheOtherOpen) {
  Start();
  Pair pair = Spliced();
  pair.client.Send("question");
  pair.client.End();
  EXPECT_EQ(pair.node.Receive(100), "question");  // And the end.
  pair.node.Send("answer");
  EXPECT_EQ(pair.client.Receive(6), "answer");
  EXPECT_EQ(frontend_->connections(), 1u);
  pair.node.End();
  EXPECT_TRUE(pair.client.AwaitEnd());
  AwaitClosed("done");

  Pair other = Spliced();
  other.node.End();
  EXPECT_TRUE(other.client.AwaitEnd());
  other.client.Send("still here");
  other.client.End();
  EXPECT_EQ(other.node.Receive(100), "still here");
  AwaitClosed("done", 2);
}

TEST_F(FrontendTest, AnEndRightBehindTheHelloIsCarried) {
  Start();
  Peer client = Connect();
  client.Send(hello_);
  client.End();
  Peer node = node_.Take(hello_);
  EXPECT_TRUE(node.AwaitEnd());
  node.Send("bye");
  node.End();
  EXPECT_EQ(client.Receive(100), "bye");
  AwaitClosed("done");
}

TEST_F(FrontendTest, AnAnswerWithItsEndInOneIsCarried) {
  Start();
  Peer client = Connect();
  client.Send(hello_);
  Peer node = node_.Accept();
  node.ReceiveHead();
  node.Send(std::string(kSwitching) + "bye");
  node.End();
  EXPECT_EQ(client.Receive(100), "bye");
  client.End();
  EXPECT_EQ(node.Receive(100000), hello_);
  AwaitClosed("done");
}

TEST_F(FrontendTest, AResetIsAReset) {
  Start();
  Pair first = Spliced();
  first.node.Abort();
  EXPECT_TRUE(first.client.AwaitReset());
  Pair second = Spliced();
  second.client.Abort();
  EXPECT_TRUE(second.node.AwaitReset());
  // Of a side that has ended its way already.
  Pair third = Spliced();
  third.client.End();
  EXPECT_TRUE(third.node.AwaitEnd());
  third.client.Abort();
  AwaitClosed("reset", 3);
}

TEST_F(FrontendTest, ASlowClientDelaysNobody) {
  Start();
  Pair slow = Spliced();
  std::thread blast([&] {
    const std::string bytes(1 << 20, 'b');
    while (send(slow.node.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0) {
    }
  });
  Await([&] { return Value("relayd_funnel_bytes_total", "to_client") > 100'000; });
  for (int i = 0; i < 20; ++i) {
    Pair quick = Spliced();
    quick.client.Send("ping");
    EXPECT_EQ(quick.node.Receive(4), "ping");
  }
  slow.client.Abort();
  blast.join();
}

TEST_F(FrontendTest, ManyThreadsServeManyClients) {
  options_.threads = 3;
  Start();
  constexpr int kClients = 100;
  std::thread node([&] {
    std::vector<std::thread> served;
    for (int i = 0; i < kClients; ++i) {
      served.emplace_back([peer = node_.Take(hello_)]() mutable {
        const std::string bytes = peer.Receive(400'000);
        peer.Send(bytes);
        EXPECT_TRUE(peer.AwaitEnd());
      });
    }
    for (std::thread& one : served) one.join();
  });
  std::vector<std::thread> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.emplace_back([this, i] {
      Peer client = Connect();
      client.Send(hello_);
      const std::string bytes = Pattern(400'000, static_cast<uint32_t>(i));
      client.Send(bytes);
      EXPECT_TRUE(client.Receive(bytes.size()) == bytes);
    });
  }
  for (std::thread& client : clients) client.join();
  node.join();
  AwaitClosed("done", kClients);
  EXPECT_EQ(Value("relayd_funnel_accepted_total"), kClients);
  EXPECT_EQ(Value("relayd_funnel_route_accepted_total", kName), kClients);
  EXPECT_EQ(Value("relayd_funnel_route_connections", kName), 0);
  EXPECT_EQ(Value("relayd_funnel_route_bytes_total", kName),
            kClients * (400'000.0 + static_cast<double>(hello_.size())));
  EXPECT_EQ(Value("relayd_funnel_hello_seconds"), kClients);
  EXPECT_EQ(Value("relayd_funnel_dial_seconds"), kClients);
}

TEST_F(FrontendTest, ARouteMayHaveARate) {
  routes_[0].bytes_per_second = 400'000;
  Start();
  Pair pair = Spliced();
  const auto begin = std::chrono::steady_clock::now();
  const std::string bytes = Pattern(500'000, 3);
  std::thread writes([&] { pair.node.Send(bytes); });
  EXPECT_TRUE(pair.client.Receive(bytes.size()) == bytes);
  writes.join();
  // Less a burst of a quarter of a second.
  EXPECT_GT(std::chrono::steady_clock::now() - begin, milliseconds(900));
}

TEST_F(FrontendTest, OnlyBytesThatWentCountAgainstTheRate) {
  routes_[0].bytes_per_second = 100;
  Start();
  Pair pair = Spliced();
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 20; ++i) {
    pair.client.Send("ping");
    EXPECT_EQ(pair.node.Receive(4), "ping");
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin,
            std::chrono::seconds(5));  // Else each waits for the next 64 bytes, 0.64 s.
}

TEST_F(FrontendTest, AFailedTryLeavesNothingBehind) {
  Node other;
  routes_ = {RouteTo(std::string(kName), {node_.addr(), other.addr()})};
  routes_[0].bytes_per_second = 400'000;
  Start();
  Peer client = Connect();
  client.Send(hello_);
  Node* const nodes[] = {&node_, &other};
  const size_t first = Node::Dialed({&node_, &other});
  Peer failing = nodes[first]->Accept();
  failing.ReceiveHead();
  failing.Abort();
  // The reset of the first is not the second's, also while that one waits for the rate.
  Peer node = nodes[1 - first]->Take(hello_);
  const std::string bytes = Pattern(200'000, 4);
  for (size_t at = 0; at < bytes.size(); at += 20'000) node.Send(std::string_view(bytes).substr(at, 20'000));
  EXPECT_TRUE(client.Receive(bytes.size()) == bytes);
}

TEST_F(FrontendTest, AnIdleConnectionIsClosed) {
  options_.idle_timeout = milliseconds(200);
  Start();
  Pair pair = Spliced();
  EXPECT_TRUE(pair.client.AwaitEnd());
  EXPECT_TRUE(pair.node.AwaitEnd());
  AwaitClosed("idle");
}

TEST_F(FrontendTest, ARoutesConnectionsAreClosed) {
  routes_.push_back(RouteTo("other.example", {node_.addr()}));
  Start();
  Pair pair = Spliced();
  Peer dialing = Connect();
  dialing.Send(hello_);
  const Peer asked = node_.Accept();
  Peer other = Connect();
  other.Send(Hello("other.example"));
  Peer other_node = node_.Take(Hello("other.example"));
  SetRoutes({routes_[1]});  // A change alone closes nothing.
  pair.client.Send("x");
  EXPECT_EQ(pair.node.Receive(1), "x");
  frontend_->CloseRoute(std::make_shared<Route>(routes_[0]));
  EXPECT_TRUE(pair.client.AwaitEnd());
  EXPECT_TRUE(dialing.AwaitEnd());
  AwaitClosed("drained", 2);
  other.Send("y");
  EXPECT_EQ(other_node.Receive(1), "y");
}

TEST_F(FrontendTest, DrainAcceptsNobodyAndClosesNobody) {
  Start();
  Pair pair = Spliced();
  Peer pending = Connect();
  Await([&] { return frontend_->connections() == 2; });
  frontend_->Drain();
  Await([&] {
    Peer refused = Peer::Unconnected();
    sockaddr_storage address{};
    const socklen_t size = ToSockaddr(frontend_->local()[0], address);
    return connect(refused.fd(), reinterpret_cast<sockaddr*>(&address), size) != 0 && errno == ECONNREFUSED;
  });
  pending.Send(hello_);
  Peer node = node_.Take(hello_);
  pair.client.Send("x");
  EXPECT_EQ(pair.node.Receive(1), "x");
  pair.client.Close();
  pair.node.Close();
  pending.Close();
  node.Close();
  Await([&] { return frontend_->connections() == 0; });
}

TEST_F(FrontendTest, ItsEndClosesEverything) {
  Start();
  Pair pair = Spliced();
  Peer pending = Connect();
  Await([&] { return frontend_->connections() == 2; });
  frontend_.reset();
  EXPECT_TRUE(pair.client.AwaitEnd());
  EXPECT_TRUE(pair.node.AwaitEnd());
  EXPECT_TRUE(pending.AwaitEnd());
}

TEST_F(FrontendTest, NothingIsLeftOfConnectionsThatEndAtAnyStage) {
  const size_t before = OpenDescriptors();
  Start();
  const size_t sockets = OpenDescriptors("socket:");
  for (int i = 0; i < 10; ++i) {
    Connect().Abort();
    Connect().Close();
    Peer half = Connect();
    half.Send(hello_.substr(0, 50));
    half.Abort();
    Peer dialing = Connect();
    dialing.Send(hello_);
    {
      Peer asked = node_.Accept();
      EXPECT_TRUE(asked.ReceiveHead().starts_with("POST"));
      dialing.Abort();
      EXPECT_TRUE(asked.AwaitEnd());
    }
    Pair pair = Spliced();
    pair.client.Send(std::string(1 << 20, 'x'));
    pair.client.Abort();
    pair.node.Close();
    Pair other = Spliced();
    std::thread([&] { other.client.Send(std::string(1 << 20, 'x')); }).join();
    other.node.Abort();
    other.client.Close();
  }
  Await([&] { return frontend_->connections() == 0; });
  EXPECT_EQ(OpenDescriptors("socket:"), sockets);
  EXPECT_EQ(Value("relayd_funnel_pending"), 0);
  EXPECT_EQ(live_routes_[0]->connections(), 0u);
  frontend_.reset();  // And the pipes that waited for others.
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_F(FrontendTest, WritesAnAccessLog) {
  options_.access_log = testing::TempDir() + "frontend_test." + std::to_string(getpid());
  std::filesystem::remove(options_.access_log);
  Start();
  Pair pair = Spliced();
  const std::string client = pair.client.local().ToString();
  pair.node.Send("abc");
  EXPECT_EQ(pair.client.Receive(3), "abc");
  pair.client.End();
  pair.node.End();
  AwaitClosed("done");
  frontend_.reset();
  std::ifstream file(options_.access_log);
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_THAT(text.str(),
              testing::HasSubstr("\"client\":\"" + client + "\",\"name\":\"node.example\",\"port\":443,\"node\":\"" +
                                 node_.addr().ToString() + "\",\"reason\":\"done\""));
  EXPECT_THAT(text.str(),
              testing::HasSubstr("\"bytes_to_node\":" + std::to_string(hello_.size()) + ",\"bytes_to_client\":3"));
}

}  // namespace
}  // namespace ingress
