#include "ingress/node/backend_responder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <list>
#include <optional>
#include <string>
#include <utility>

#include "ingress/loop_fixture.h"
#include "ingress/node/backend_dial.h"
#include "ingress/node/backend_fixture.h"

namespace ingress {
namespace {

using std::chrono::milliseconds;
using testing::EndsWith;
using testing::StartsWith;

constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
constexpr std::string_view kOkAnswer = "[200 2]ok.";

RequestHead Request(std::string method, std::optional<uint64_t> length = {}, bool has_body = false) {
  RequestHead head;
  head.method = std::move(method);
  head.target = "/path";
  head.authority = "node.example";
  head.content_length = length;
  head.has_body = has_body || length.value_or(0) > 0;
  return head;
}

struct Exchange {
  FakeTransaction transaction;
  std::unique_ptr<HttpResponder> responder;
};

class BackendResponderTest : public testing::Test {
 protected:
  explicit BackendResponderTest(BackendTimes times = {}) {
    thread.Call([&] {
      server.emplace(thread.loop);
      backend.addr = server->addr();
      pool.emplace(thread.loop, MakeBackendDial(std::make_shared<LingeringCloser>(thread.loop)), times);
    });
  }
  ~BackendResponderTest() override {
    thread.Call([&] {
      exchanges.clear();
      pool.reset();
      server.reset();
      loose.clear();
    });
  }

  Exchange& Begin(const RequestHead& head, size_t room = SIZE_MAX) {
    Exchange& exchange = exchanges.emplace_back();
    thread.Call([&] {
      exchange.transaction.room = room;
      exchange.responder = MakeBackendResponder(*pool, exchange.transaction, head, backend);
      exchange.responder->Start();
    });
    return exchange;
  }
  void AwaitRequests(size_t peer, size_t count) {
    EXPECT_TRUE(thread.Await([&] {
      if (server->peers.size() <= peer) return false;
      size_t found = 0;
      const std::string& received = Peer(peer).received;
      for (size_t at = received.find("\r\n\r\n"); at != received.npos; at = received.find("\r\n\r\n", at + 4)) ++found;
      return found >= count;
    }));
  }
  void AwaitAnswer(Exchange& exchange, const testing::Matcher<std::string>& answer) {
    EXPECT_TRUE(thread.Await([&] { return exchange.transaction.done; }));
    thread.Call([&] {
      EXPECT_THAT(exchange.transaction.answer, answer);
      exchange.responder.reset();
    });
  }
  FakePeer& Peer(size_t i) { return *std::next(server->peers.begin(), static_cast<std::ptrdiff_t>(i)); }
  void Serve(Exchange& exchange, size_t peer, size_t count) {
    AwaitRequests(peer, count);
    thread.Call([&] { Peer(peer).Send(kOk); });
    AwaitAnswer(exchange, std::string(kOkAnswer));
  }

  LoopThread thread;
  std::optional<FakeServer> server;
  std::optional<BackendPool> pool;
  Backend backend;
  std::list<Exchange> exchanges;
  std::list<FakePeer> loose;
};

struct ImpatientTest : BackendResponderTest {
  ImpatientTest()
      : BackendResponderTest({.connect = milliseconds(30), .quiet = milliseconds(50), .idle = milliseconds(30)}) {}
};

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
  // More than nothing, but not much more than what the kernel holds.
  EXPECT_TRUE(thread.Await([&] { return give(), exchange.transaction.consumed > 0; }));
  thread.Call([&] {
    give();
    EXPECT_LT(exchange.transaction.consumed, size / 2);
    Peer(0).pauses = false;
    Peer(0).OnReady();
  });
  EXPECT_TRUE(thread.Await(give));
  thread.Call([&] { Peer(0).Send(kOk); });
  AwaitAnswer(exchange, std::string(kOkAnswer));
  thread.Call([&] { EXPECT_THAT(Peer(0).received, EndsWith("\r\n\r\n" + std::string(size, 'x'))); });
}

TEST_F(BackendResponderTest, WhatABackendMayDoWrong) {
  struct Case {
    std::string_view sends;
    bool reset;
    std::string_view answer;
    const relay::Counter BackendCounters::*counted;
  };
  using C = BackendCounters;
  size_t peer = 0;
  for (const Case& c : {
           Case{"", false, "!", &C::failed},
           Case{"", true, "!", &C::failed},
           Case{"HTTP/1.1 200", false, "!", &C::failed},
           Case{"HTTP/1.1 103 Early\r\n\r\n", false, "[103]!", &C::failed},
           Case{"220 mail.example ESMTP\r\n\r\n", false, "!", &C::bad_responses},
           Case{"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", false, "!",
                &C::bad_responses},
           Case{"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", false, "!", &C::bad_responses},
           Case{"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", false, "!",
                &C::bad_responses},
           Case{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", false, "[200 5]hel!", &C::cut_off},
           Case{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", true, "[200 5]hel!", &C::cut_off},
           Case{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel", false, "[200]hel!", &C::cut_off},
           Case{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhelx", false, "[200]hel!",
                &C::bad_responses},
           Case{"HTTP/1.1 200 OK\r\n\r\nhel", true, "[200]hel!", &C::cut_off},
       }) {
    SCOPED_TRACE(c.sends);
    const uint64_t before = (pool->counters().*c.counted).Get();
    Exchange& exchange = Begin(Request("GET"));
    AwaitRequests(peer, 1);
    thread.Call([&] { Peer(peer).Send(c.sends); });
    // A reset may overtake what was sent before it.
    const std::string_view passed = c.answer.substr(0, c.answer.size() - 1);
    EXPECT_TRUE(thread.Await([&] { return exchange.transaction.answer.starts_with(passed); }));
    thread.Call([&] { c.reset ? Peer(peer).stream->Abort() : Peer(peer).SendAndEnd(""); });
    AwaitAnswer(exchange, std::string(c.answer));
    EXPECT_EQ((pool->counters().*c.counted).Get(), before + 1);
    thread.Call([&] { EXPECT_EQ(pool->open(), 0u); });
    ++peer;
  }
  Exchange& closed = Begin(Request("GET"));  // As an HTTP/1.0 server ends its answers.
  AwaitRequests(peer, 1);
  thread.Call([&] { Peer(peer).SendAndEnd("HTTP/1.0 200 OK\r\n\r\nhello"); });
  AwaitAnswer(closed, "[200]hello.");
  thread.Call([&] {
    EXPECT_EQ(pool->open(), 0u);
    server.reset();
  });
  AwaitAnswer(Begin(Request("GET")), "!");  // Connection refused.
}

TEST_F(BackendResponderTest, AConnectionThatWasClosedMeanwhileIsTriedAgain) {
  Serve(Begin(Request("GET")), 0, 1);
  Exchange& again = Begin(Request("GET"));
  AwaitRequests(0, 2);
  thread.Call([&] { Peer(0).SendAndEnd(""); });
  Serve(again, 1, 1);
  EXPECT_EQ(pool->counters().retried.Get(), 1u);

  // Not if it may have been done, or if it was answered in part, and not twice.
  Exchange& post = Begin(Request("POST"));
  AwaitRequests(1, 2);
  thread.Call([&] { Peer(1).SendAndEnd(""); });
  AwaitAnswer(post, "!");
  Serve(Begin(Request("GET")), 2, 1);
  Exchange& answered = Begin(Request("GET"));
  AwaitRequests(2, 2);
  thread.Call([&] { Peer(2).SendAndEnd("HTTP/1.1 200 OK\r\n"); });
  AwaitAnswer(answered, "!");
  Serve(Begin(Request("GET")), 3, 1);
  Exchange& twice = Begin(Request("GET"));
  AwaitRequests(3, 2);
  thread.Call([&] { Peer(3).SendAndEnd(""); });
  AwaitRequests(4, 1);
  thread.Call([&] { Peer(4).SendAndEnd(""); });
  AwaitAnswer(twice, "!");
  EXPECT_EQ(pool->counters().retried.Get(), 2u);
}

TEST_F(BackendResponderTest, IdleConnectionsThatEndOrTalkAreDropped) {
  for (const std::string_view unasked : {"", "HTTP/1.1 408 Request Timeout\r\n\r\n"}) {
    thread.Call([&] { server->peers.clear(); });
    EXPECT_TRUE(thread.Await([&] { return pool->open() == 0; }));
    Serve(Begin(Request("GET")), 0, 1);
    thread.Call([&] {
      EXPECT_EQ(pool->idle(), 1u);
      unasked.empty() ? Peer(0).SendAndEnd("") : Peer(0).Send(unasked);
    });
    EXPECT_TRUE(thread.Await([&] { return pool->open() == 0; }));
  }
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
  thread.Call([&] { EXPECT_GT(pool->idle(), BackendPool::kMaxIdle); });
  EXPECT_TRUE(thread.Await([&] { return pool->idle() == BackendPool::kMaxIdle; }));
  thread.Call([&] { EXPECT_EQ(pool->open(), BackendPool::kMaxIdle); });
}

TEST_F(BackendResponderTest, ABackendMayAnswerBeforeItHasReadTheBody) {
  Exchange& exchange = Begin(Request("PUT", 1'000'000));
  thread.Call([&] { exchange.responder->OnBody("begin"); });
  AwaitRequests(0, 1);
  thread.Call([&] { Peer(0).Send("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"); });
  AwaitAnswer(exchange, "[413 0].");
  // What follows on this connection would be taken for a request.
  EXPECT_TRUE(thread.Await([&] { return pool->open() == 0 && Peer(0).ended; }));
}

TEST_F(BackendResponderTest, AnAnswerCountsAlthoughItsSenderReadsNoMore) {
  Exchange& exchange = Begin(Request("PUT", 1'000'000));
  AwaitRequests(0, 1);
  thread.Call([&] {
    Peer(0).pauses = true;
    exchange.responder->OnBody(std::string(10'000, 'x'));
  });
  EXPECT_TRUE(thread.Await([&] { return exchange.transaction.consumed == 10'000; }));
  thread.Call([&] {
    Peer(0).Send("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
    Peer(0).stream.reset();  // With bytes unread: a reset. The loop has not heard of either when it writes on.
    exchange.responder->OnBody(std::string(10'000, 'x'));
  });
  AwaitAnswer(exchange, "[413 0].");
}

TEST_F(BackendResponderTest, ARequestThatIsNotWhatItAnnouncedIsCutOff) {
  Exchange& longer = Begin(Request("PUT", 2));
  thread.Call([&] { longer.responder->OnBody("abc"); });
  AwaitAnswer(longer, "!");
  Exchange& shorter = Begin(Request("PUT", 2));
  thread.Call([&] {
    shorter.responder->OnBody("a");
    shorter.responder->OnBodyEnd({});
  });
  AwaitAnswer(shorter, "!");
  thread.Call([&] { EXPECT_EQ(pool->open(), 0u); });
}

TEST_F(BackendResponderTest, AClientThatIsGoneTakesTheBackendsConnectionAlong) {
  Exchange& exchange = Begin(Request("GET"));
  AwaitRequests(0, 1);
  thread.Call([&] {
    exchange.responder->OnAborted();
    EXPECT_EQ(pool->open(), 0u);
    exchange.responder.reset();
  });
  EXPECT_TRUE(thread.Await([&] { return Peer(0).reset; }));
  EXPECT_EQ(exchange.transaction.answer, "");
  EXPECT_EQ(pool->counters().client_gone.Get(), 1u);
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

TEST_F(ImpatientTest, SilenceIs504OrTheEnd) {
  Exchange& silent = Begin(Request("GET"));
  AwaitAnswer(silent, StartsWith("[504 "));
  Exchange& stalled = Begin(Request("GET"));
  AwaitRequests(1, 1);
  thread.Call([&] { Peer(1).Send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"); });
  AwaitAnswer(stalled, "[200 9]x!");
  EXPECT_EQ(pool->counters().timed_out.Get(), 2u);
  thread.Call([&] { EXPECT_EQ(pool->open(), 0u); });
}

// A peer that never answers the SYN.
struct NeverStream : Stream {
  IoResult Read(std::span<char>) override { return {}; }
  IoResult Write(std::string_view) override { return {}; }
  IoResult EndWrite() override { return {}; }
  void Abort() override {}
  void OnReady(std::function<void()>) override {}
};

TEST_F(ImpatientTest, AConnectionThatDoesNotComeIs504) {
  thread.Call([&] {
    pool.reset();
    pool.emplace(
        thread.loop, [](EventLoop&, const Backend&) { return std::make_unique<NeverStream>(); },
        BackendTimes{.connect = milliseconds(30)});
  });
  AwaitAnswer(Begin(Request("GET")), StartsWith("[504 "));
  thread.Call([&] {
    EXPECT_EQ(pool->open(), 0u);
    pool.reset();
    pool.emplace(thread.loop, [](EventLoop&, const Backend&) { return nullptr; });
  });
  AwaitAnswer(Begin(Request("GET")), "!");
}

TEST_F(ImpatientTest, IdleConnectionsExpire) {
  Serve(Begin(Request("GET")), 0, 1);
  EXPECT_TRUE(thread.Await([&] { return pool->open() == 0 && Peer(0).ended; }));
}

}  // namespace
}  // namespace ingress
