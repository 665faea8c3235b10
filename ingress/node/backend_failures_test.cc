// What backends, connections to them and clients do wrong, or at the wrong time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "ingress/node/backend_responder_fixture.h"

namespace ingress {
namespace {

using std::chrono::milliseconds;
using testing::StartsWith;

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

struct SilenceTest : BackendResponderTest {
  SilenceTest() : BackendResponderTest({.quiet = milliseconds(50)}) {}
};

TEST_F(SilenceTest, InPlaceOfAnAnswerIs504) {
  AwaitAnswer(Begin(Request("GET")), StartsWith("[504 "));
  EXPECT_EQ(pool->counters().timed_out.Get(), 1u);
  thread.Call([&] { EXPECT_EQ(pool->open(), 0u); });
}

struct StallTest : BackendResponderTest {
  StallTest() : BackendResponderTest({.quiet = milliseconds(1500)}) {}
};

TEST_F(StallTest, WithinAnAnswerIsItsEnd) {
  Exchange& stalled = Begin(Request("GET"));
  AwaitRequests(0, 1);
  thread.Call([&] { Peer(0).Send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"); });
  AwaitAnswer(stalled, "[200 9]x!");
  EXPECT_EQ(pool->counters().timed_out.Get(), 1u);
}

// A peer that never answers the SYN.
struct NeverStream : Stream {
  IoResult Read(std::span<char>) override { return {}; }
  IoResult Write(std::string_view) override { return {}; }
  IoResult EndWrite() override { return {}; }
  void Abort() override {}
  void OnReady(std::function<void()>) override {}
};

TEST_F(BackendResponderTest, AConnectionThatDoesNotComeIs504) {
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

}  // namespace
}  // namespace ingress
