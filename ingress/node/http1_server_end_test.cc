// How connections end: refusals, either side giving up, upgrades, times.
#include <functional>
#include <string>

#include "ingress/node/http1_server.h"
#include "ingress/node/http1_server_fixture.h"
#include "relay/control/text.h"

namespace ingress {
namespace {

namespace text = relay::text;
using std::chrono::milliseconds;

TEST_F(Http1ServerTest, RefusesAndCloses) {
  AnswerAll("one");
  Serve();
  const std::string answer =
      Ask(text::Cat(kGet, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"));
  EXPECT_NE(answer.find("\r\n\r\noneHTTP/1.1 400 Bad Request\r\n"), answer.npos) << answer;
  EXPECT_TRUE(answer.ends_with("Connection: close\r\n\r\nbad body length\n")) << answer;
  EXPECT_TRUE(closed);
  EXPECT_EQ(stats.refused_smuggling.Get(), 1u);
  EXPECT_EQ(stats.responses[4].Get(), 1u);
  EXPECT_EQ(stats.requests.Get(), 1u);
}

TEST_F(Http1ServerTest, ABadChunkEndsTheExchange) {
  for (const bool answered : {false, true}) {
    closed = false;
    client = MemoryClient(loop);
    Serve();
    Ask("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    if (answered) backend.last().transaction->SendHead({.status = 200, .fields = {}, .content_length = 5});
    const std::string answer = Ask("3\nabc");
    EXPECT_TRUE(backend.last().aborted && backend.last().destroyed);
    EXPECT_TRUE(answer.starts_with(answered ? "HTTP/1.1 200" : "HTTP/1.1 400"));
    EXPECT_TRUE(closed);
    EXPECT_EQ(client.aborted(), answered);
  }
  EXPECT_EQ(stats.refused_smuggling.Get(), 2u);
}

TEST_F(Http1ServerTest, AnswersThatDoNotHoldTheirLength) {
  struct Row {
    std::string_view name;
    std::function<void(HttpTransaction&)> act;
  };
  for (const Row& row : {Row{"short", [](HttpTransaction& t) { t.SendBody("abc"), t.Finish({}); }},
                         Row{"long", [](HttpTransaction& t) { t.SendBody("abcdef"); }},
                         Row{"given up", [](HttpTransaction& t) { t.Abort(); }}}) {
    closed = false;
    client = MemoryClient(loop);
    Serve();
    Ask(kGet);
    backend.last().transaction->SendHead({.status = 200, .fields = {}, .content_length = 5});
    row.act(*backend.last().transaction);
    Settle(loop);
    EXPECT_TRUE(closed && client.aborted()) << row.name;
    EXPECT_TRUE(backend.last().destroyed && !backend.last().aborted) << row.name;
  }
  EXPECT_EQ(stats.aborted.Get(), 3u);
}

TEST_F(Http1ServerTest, GivenUpBeforeTheHeadIs502) {
  backend.on_start = [](Exchanged& exchange) { exchange.transaction->Abort(); };
  Serve();
  EXPECT_TRUE(Ask(kGet).starts_with("HTTP/1.1 502 Bad Gateway\r\n"));
  EXPECT_TRUE(Ask(kGet).ends_with("bad gateway\n")) << "the connection goes on";
  EXPECT_EQ(stats.responses[5].Get(), 2u);
}

TEST_F(Http1ServerTest, HalfCloseWaitsForTheAnswers) {
  Serve();
  client.Send(text::Cat(kGet, kGet));
  client.EndWrite();
  Settle(loop);
  ASSERT_EQ(backend.exchanges.size(), 1u);
  EXPECT_FALSE(backend.last().aborted);
  FakeBackend::Answer(backend.last(), "one");
  Settle(loop);
  ASSERT_EQ(backend.exchanges.size(), 2u);
  FakeBackend::Answer(backend.last(), "two");
  Settle(loop);
  EXPECT_EQ(client.Receive(),
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none"
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\ntwo");
  EXPECT_TRUE(closed);
}

TEST_F(Http1ServerTest, ClientsThatGo) {
  const std::string post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab";
  for (const bool reset : {false, true}) {
    closed = false;
    client = MemoryClient(loop);
    Serve();
    Ask(reset ? kGet : post);
    reset ? client.Reset() : client.EndWrite();
    Settle(loop);
    EXPECT_TRUE(closed);
    EXPECT_TRUE(backend.last().aborted && backend.last().destroyed && !backend.last().body_ended);
  }
  EXPECT_EQ(stats.aborted.Get(), 2u);
  // While idle, and within a head.
  for (const std::string_view begun : {"", "GET /"}) {
    closed = false;
    client = MemoryClient(loop);
    Serve();
    Ask(begun);
    client.EndWrite();
    Settle(loop);
    EXPECT_TRUE(closed);
    EXPECT_EQ(client.Receive(), "");
  }
  EXPECT_EQ(stats.aborted.Get(), 2u);
}

TEST_F(Http1ServerTest, DestroyedItTellsItsResponder) {
  Serve();
  Ask(kGet);
  connection.reset();
  EXPECT_TRUE(backend.last().aborted && backend.last().destroyed && client.closed());
}

TEST_F(Http1ServerTest, UpgradeGivesTheBytesAway) {
  std::unique_ptr<Stream> stream;
  backend.on_start = [&](Exchanged& exchange) {
    stream =
        exchange.transaction->Upgrade({.status = 101, .fields = {{"Sec-WebSocket-Accept", "y"}}, .content_length = {}});
  };
  Serve();
  client.SetRoom(20);
  std::string got = Ask(
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\nearly");
  ASSERT_NE(stream, nullptr);
  while (!got.ends_with("\r\n\r\n")) {
    Settle(loop);
    const std::string more = client.Receive();
    ASSERT_FALSE(more.empty());
    got += more;
  }
  EXPECT_EQ(got,
            "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: y\r\nConnection: Upgrade\r\nUpgrade: "
            "websocket\r\n\r\n");
  char bytes[16];
  IoResult result = stream->Read(bytes);
  EXPECT_EQ(std::string(bytes, result.bytes), "early");
  EXPECT_EQ(stream->Read(bytes).status, IoStatus::kAgain);
  int ready = 0;
  stream->OnReady([&] { ++ready; });
  EXPECT_EQ(Ask("late"), "");
  EXPECT_EQ(ready, 1);
  result = stream->Read(bytes);
  EXPECT_EQ(std::string(bytes, result.bytes), "late");
  EXPECT_EQ(stream->Write("back").bytes, 4u);
  EXPECT_EQ(client.Receive(), "back");
  EXPECT_FALSE(closed || backend.last().destroyed);
  stream.reset();
  backend.last().transaction->Finish({});
  Settle(loop);
  EXPECT_TRUE(closed && backend.last().destroyed && !backend.last().aborted);
  EXPECT_EQ(stats.upgrades.Get(), 1u);
}

TEST_F(Http1ServerTest, NoUpgradeOfWhatAskedForNone) {
  Serve();
  Ask(kGet);
  EXPECT_EQ(backend.last().transaction->Upgrade({.status = 101, .fields = {}, .content_length = {}}), nullptr);
}

// To a client of HTTP/1.0 the connection's end would be the body's, and half a file a whole one.
TEST_F(Http1ServerTest, AnAnswerThatIsCutByTheProgramsEndDoesNotLookWhole) {
  backend.on_start = [](Exchanged& exchange) {
    exchange.transaction->SendHead({.status = 200, .fields = {}, .content_length = {}});
    exchange.transaction->SendBody("half of it");
  };
  Serve();
  EXPECT_TRUE(Ask("GET / HTTP/1.0\r\nHost: a\r\n\r\n").ends_with("half of it"));
  connection.reset();
  EXPECT_TRUE(client.aborted());

  // All of it is said, and not yet sent.
  client = MemoryClient(loop);
  client.SetRoom(10);
  AnswerAll("all of it");
  Serve();
  Ask("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
  connection.reset();
  EXPECT_TRUE(client.aborted());

  client = MemoryClient(loop);
  AnswerAll("all of it");
  Serve();
  EXPECT_TRUE(Ask(kGet).ends_with("all of it"));
  connection.reset();
  EXPECT_TRUE(client.closed() && !client.aborted());
}

struct Http1TimesTest : Http1ServerTest {
  void AwaitClosed() {
    RunUntil(loop, [this] { return closed; });
  }
  static Http1Times Never() {
    const Duration never = std::chrono::hours(1);
    return {.head = never, .idle = never, .stall = never};
  }
};

TEST_F(Http1TimesTest, Idle) {
  Http1Times times = Never();
  times.idle = milliseconds(20);
  AnswerAll("");
  Serve(times);
  client.Send(kGet);
  AwaitClosed();
  EXPECT_EQ(backend.exchanges.size(), 1u);
  EXPECT_EQ(stats.head_timeout.Get() + stats.body_timeout.Get() + stats.send_timeout.Get() + stats.aborted.Get(), 0u);
}

// Not for as long as an idle one may be.
TEST_F(Http1TimesTest, DrainedItAwaitsAFirstRequestForAHeadsTime) {
  Http1Times times = Never();
  times.head = milliseconds(20);
  Serve(times);
  Settle(loop);
  connection->Drain();
  AwaitClosed();
  EXPECT_EQ(stats.head_timeout.Get(), 0u);
}

TEST_F(Http1TimesTest, AHeadThatDoesNotEnd) {
  Http1Times times = Never();
  times.head = milliseconds(20);
  Serve(times);
  client.Send("GET / HT");
  AwaitClosed();
  EXPECT_EQ(stats.head_timeout.Get(), 1u);
}

TEST_F(Http1TimesTest, AHeadThatDripsDoesNotLastLonger) {
  Http1Times times = Never();
  times.head = milliseconds(20);
  Serve(times);
  client.Send("GET / HTTP/1.1\r\n");
  RunUntil(loop, [this] {
    client.Send("X: 1\r\n");
    return closed;
  });
  EXPECT_EQ(stats.head_timeout.Get(), 1u);
}

TEST_F(Http1TimesTest, AStalledBody) {
  Http1Times times = Never();
  times.stall = milliseconds(20);
  Serve(times);
  client.Send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
  AwaitClosed();
  EXPECT_TRUE(backend.last().aborted && backend.last().destroyed);
  EXPECT_EQ(stats.body_timeout.Get(), 1u);
}

TEST_F(Http1TimesTest, AnAnswerThatNobodyReads) {
  Http1Times times = Never();
  times.stall = milliseconds(20);
  AnswerAll("hello");
  Serve(times);
  client.SetRoom(3);
  client.Send(kGet);
  AwaitClosed();
  EXPECT_TRUE(client.aborted());
  EXPECT_EQ(stats.send_timeout.Get(), 1u);
}

TEST_F(Http1TimesTest, AResponderTakesItsTime) {
  Serve({.head = milliseconds(5), .idle = milliseconds(5), .stall = milliseconds(5)});
  client.Send(kGet);
  const Instant until = loop.now() + milliseconds(50);
  RunUntil(loop, [&] { return loop.now() > until; });
  EXPECT_FALSE(closed);
  ASSERT_EQ(backend.exchanges.size(), 1u);
  FakeBackend::Answer(backend.last(), "late");
  RunUntil(loop, [&] { return closed; });
  EXPECT_TRUE(client.Receive().ends_with("late"));
}

}  // namespace
}  // namespace ingress
