#include "ingress/node/backend_responder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "ingress/node/backend_responder_fixture.h"

namespace ingress {
namespace {

using testing::EndsWith;
using testing::StartsWith;

TEST_F(BackendResponderTest, OneConnectionServesOneRequestAfterAnother) {
  for (size_t i = 1; i <= 3; ++i) Serve(Begin(Request("GET")), 0, i);
  Serve(Begin(Request("POST")), 0, 4);
  thread.Call([&] {
    EXPECT_EQ(server->peers.size(), 1u);
    EXPECT_THAT(Peer(0).received, StartsWith("GET /path HTTP/1.1\r\nHost: node.example\r\n\r\nGET "));
    EXPECT_EQ(pool->idle(), 1u);
    EXPECT_EQ(pool->open(), 1u);
    EXPECT_EQ(pool->counters().requests.Get(), 4u);
    EXPECT_EQ(pool->counters().connects.Get(), 1u);
    EXPECT_EQ(pool->counters().reused.Get(), 3u);
  });
}

TEST_F(BackendResponderTest, ChunksTrailersAndInformationalHeadsPass) {
  RequestHead head = Request("POST", {}, true);
  head.te_trailers = true;
  Exchange& exchange = Begin(head);
  thread.Call([&] {
    exchange.responder->OnBody("hello");
    exchange.responder->OnBodyEnd({{"X-Sum", "1"}});
  });
  EXPECT_TRUE(
      thread.Await([&] { return server->peers.size() == 1 && Peer(0).received.ends_with("X-Sum: 1\r\n\r\n"); }));
  thread.Call([&] {
    EXPECT_THAT(Peer(0).received, EndsWith("\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"));
    Peer(0).Send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: l\r\n\r\n");
    Peer(0).Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nGrpc-Status: 0\r\n\r\n");
  });
  AwaitAnswer(exchange, "[100][103 Link=l][200]abc{Grpc-Status=0}.");
  thread.Call([&] { EXPECT_EQ(pool->idle(), 1u); });
}

TEST_F(BackendResponderTest, AnswersWithoutABody) {
  Exchange& head = Begin(Request("HEAD"));
  AwaitRequests(0, 1);
  thread.Call([&] { Peer(0).Send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"); });
  AwaitAnswer(head, "[200 1000].");
  Exchange& not_modified = Begin(Request("GET"));
  AwaitRequests(0, 2);
  thread.Call([&] { Peer(0).Send("HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n"); });
  AwaitAnswer(not_modified, "[304 1000].");
  Serve(Begin(Request("GET")), 0, 3);
}

TEST_F(BackendResponderTest, ASlowClientStopsTheBackend) {
  const size_t size = 32u << 20;
  Exchange& exchange = Begin(Request("GET"), 100'000);
  AwaitRequests(0, 1);
  thread.Call([&] {
    Peer(0).Send(relay::text::Cat("HTTP/1.1 200 OK\r\nContent-Length: ", size, "\r\n\r\n", std::string(size, 'x')));
  });
  EXPECT_TRUE(thread.Await([&] { return exchange.transaction.room == 0; }));
  // What is not sent by now waits for the client: far more than all buffers of the kernel and ours hold.
  thread.Call([&] {
    EXPECT_GT(Peer(0).to_send.size(), size / 2);
    exchange.transaction.room = SIZE_MAX;
    exchange.responder->OnSendReady();
  });
  EXPECT_TRUE(thread.Await([&] { return exchange.transaction.done; }));
  thread.Call([&] {
    EXPECT_EQ(std::count(exchange.transaction.answer.begin(), exchange.transaction.answer.end(), 'x'), size);
  });
}

TEST_F(BackendResponderTest, ASlowBackendStopsTheClient) {
  const size_t size = 32u << 20;
  thread.Call([&] { server->pauses = true; });
  Exchange& exchange = Begin(Request("PUT", size));
  size_t given = 0;
  // As a front does: never more than the window that was not yet consumed.
  const auto give = [&] {
    while (given < size && given - exchange.transaction.consumed < HttpResponder::kWindow) {
      const size_t n = std::min(size - given, HttpResponder::kWindow - (given - exchange.transaction.consumed));
      exchange.responder->OnBody(std::string(n, 'x'));
      given += n;
      if (given == size) exchange.responder->OnBodyEnd({});
    }
    return exchange.transaction.consumed == size;
  };
  // Until nothing has moved for many turns of the loop: the kernel's buffers are full, and ours.
  int still = 0;
  size_t before = 0;
  EXPECT_TRUE(thread.Await([&] {
    if (give()) return true;
    const size_t now = exchange.transaction.consumed;
    still = now > 0 && now == std::exchange(before, now) ? still + 1 : 0;
    return still == 50;
  }));
  thread.Call([&] {
    EXPECT_LT(exchange.transaction.consumed, size / 2);
    EXPECT_EQ(given - exchange.transaction.consumed, HttpResponder::kWindow);
    Peer(0).pauses = false;
    Peer(0).OnReady();
  });
  EXPECT_TRUE(thread.Await(give));
  thread.Call([&] { Peer(0).Send(kOk); });
  AwaitAnswer(exchange, std::string(kOkAnswer));
  thread.Call([&] { EXPECT_THAT(Peer(0).received, EndsWith("\r\n\r\n" + std::string(size, 'x'))); });
}

TEST_F(BackendResponderTest, ManyConnectionsFewIdle) {
  std::vector<Exchange*> open;
  for (size_t i = 0; i < BackendPool::kMaxOpen; ++i) open.push_back(&Begin(Request("GET")));
  AwaitAnswer(Begin(Request("GET")), StartsWith("[503"));
  EXPECT_EQ(pool->counters().too_many.Get(), 1u);
  EXPECT_TRUE(thread.Await([&] { return server->peers.size() == BackendPool::kMaxOpen; }));
  thread.Call([&] {
    for (FakePeer& peer : server->peers) peer.Send(kOk);
  });
  for (Exchange* exchange : open) AwaitAnswer(*exchange, std::string(kOkAnswer));
  EXPECT_TRUE(thread.Await([&] { return pool->idle() == BackendPool::kMaxIdle; }));
  thread.Call([&] { EXPECT_EQ(pool->open(), BackendPool::kMaxIdle); });
}

TEST_F(BackendResponderTest, AWebSocketIsJoinedToTheBackends) {
  Exchange& exchange = exchanges.emplace_back();
  thread.Call([&] {
    int fds[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    exchange.transaction.upgrade = TcpStream::Make(thread.loop, relay::Fd(fds[0]));
    loose.emplace_back(TcpStream::Make(thread.loop, relay::Fd(fds[1])));
    RequestHead head = Request("GET");
    head.upgrade_websocket = true;
    exchange.responder = MakeBackendResponder(*pool, exchange.transaction, head, backend);
    exchange.responder->Start();
  });
  AwaitRequests(0, 1);
  thread.Call([&] {
    EXPECT_THAT(Peer(0).received, EndsWith("Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"));
    Peer(0).received.clear();
    Peer(0).Send(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-A: b\r\n\r\nfirst");
    loose.front().Send("to the backend");
  });
  EXPECT_TRUE(thread.Await([&] { return loose.front().received == "first" && Peer(0).received == "to the backend"; }));
  thread.Call([&] {
    EXPECT_EQ(exchange.transaction.answer, "[101 Sec-A=b]");
    Peer(0).SendAndEnd("last");
  });
  EXPECT_TRUE(thread.Await([&] { return loose.front().received == "firstlast" && loose.front().ended; }));
  thread.Call([&] {
    EXPECT_FALSE(exchange.transaction.done);
    EXPECT_EQ(pool->open(), 1u);
    loose.front().SendAndEnd("bye");
  });
  AwaitAnswer(exchange, "[101 Sec-A=b].");
  EXPECT_TRUE(thread.Await([&] { return Peer(0).received == "to the backendbye" && pool->open() == 0; }));
}

struct IdleTest : BackendResponderTest {
  IdleTest() : BackendResponderTest({.idle = std::chrono::milliseconds(30)}) {}
};

TEST_F(IdleTest, IdleConnectionsExpire) {
  Serve(Begin(Request("GET")), 0, 1);
  EXPECT_TRUE(thread.Await([&] { return pool->open() == 0 && Peer(0).ended; }));
}

struct BurstTest : BackendResponderTest {
  BurstTest() : BackendResponderTest({.burst = std::chrono::hours(1)}) {}
};

TEST_F(BurstTest, ABurstOfRequestsKeepsItsConnections) {
  std::vector<Exchange*> open;
  for (size_t i = 0; i < 2 * BackendPool::kMaxIdle; ++i) open.push_back(&Begin(Request("GET")));
  for (size_t i = 0; i < open.size(); ++i) AwaitRequests(i, 1);
  thread.Call([&] {
    for (FakePeer& peer : server->peers) peer.Send(kOk);
  });
  for (Exchange* exchange : open) AwaitAnswer(*exchange, std::string(kOkAnswer));
  thread.Call([&] { EXPECT_EQ(pool->idle(), 2 * BackendPool::kMaxIdle); });
}

}  // namespace
}  // namespace ingress
