#include "ingress/node/http1_server.h"

#include <algorithm>
#include <optional>
#include <string>

#include "ingress/node/http1_request_reader.h"
#include "ingress/node/http1_server_fixture.h"
#include "relay/control/text.h"

namespace ingress {
namespace {

namespace text = relay::text;

TEST_F(Http1ServerTest, AnswersOneRequestAfterTheOther) {
  AnswerAll("hi");
  Serve();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Ask(kGet), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
  EXPECT_FALSE(closed);
  EXPECT_EQ(backend.last().head.target, "/x");
  EXPECT_TRUE(backend.last().destroyed);
  EXPECT_FALSE(backend.last().aborted || backend.last().body_ended);
  EXPECT_EQ(stats.requests.Get(), 3u);
  EXPECT_EQ(stats.responses[2].Get(), 3u);
}

TEST_F(Http1ServerTest, BytesOneAtATime) {
  AnswerAll("hi");
  Serve();
  client.SetPiece(1);
  client.SetRoom(1);
  client.Send(text::Cat("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody", kGet));
  std::string answers;
  for (int i = 0; i < 200; ++i) {
    Settle(loop);
    answers += client.Receive();
  }
  EXPECT_EQ(answers, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
}

TEST_F(Http1ServerTest, PipelinedRequestsWaitForTheAnswerBefore) {
  Serve();
  EXPECT_EQ(Ask(text::Cat(kGet, "GET /second HTTP/1.1\r\nHost: a\r\n\r\n")), "");
  ASSERT_EQ(backend.exchanges.size(), 1u);
  client.SetRoom(10);
  FakeBackend::Answer(backend.last(), "one");
  Settle(loop);
  EXPECT_EQ(backend.exchanges.size(), 1u) << "the answer is not sent yet";
  client.SetRoom(SIZE_MAX);
  EXPECT_EQ(client.Receive(), "HTTP/1.1 2");
  Settle(loop);
  EXPECT_EQ(client.Receive(), "00 OK\r\nContent-Length: 3\r\n\r\none");
  ASSERT_EQ(backend.exchanges.size(), 2u);
  EXPECT_EQ(backend.last().head.target, "/second");
}

TEST_F(Http1ServerTest, UnknownLengthIsChunkedWithTrailers) {
  Serve();
  Ask(kGet);
  HttpTransaction& transaction = *backend.last().transaction;
  transaction.SendHead(
      {.status = 200, .fields = {{"X", "1"}, {"Connection", "x"}, {"Bad", "a\r\nb"}}, .content_length = {}});
  transaction.SendBody("hello");
  transaction.SendBody("");
  Settle(loop);
  EXPECT_EQ(client.Receive(), "HTTP/1.1 200 OK\r\nX: 1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
  transaction.SendBody(std::string(26, 'x'));
  transaction.Finish({{"X-Sum", "7"}});
  Settle(loop);
  EXPECT_EQ(client.Receive(), text::Cat("1a\r\n", std::string(26, 'x'), "\r\n0\r\nX-Sum: 7\r\n\r\n"));
  EXPECT_FALSE(closed);
}

TEST_F(Http1ServerTest, Http10EndsWithTheConnection) {
  Serve();
  Ask("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
  HttpTransaction& transaction = *backend.last().transaction;
  transaction.SendHead({.status = 103, .fields = {}, .content_length = {}});
  transaction.SendHead({.status = 200, .fields = {}, .content_length = {}});
  transaction.SendBody("hello");
  transaction.Finish({{"X-Sum", "7"}});
  Settle(loop);
  EXPECT_EQ(client.Receive(), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello");
  EXPECT_TRUE(closed && client.closed());
  EXPECT_FALSE(client.aborted());
}

TEST_F(Http1ServerTest, SomeAnswersHaveNoBody) {
  Serve();
  struct Row {
    std::string_view method;
    int status;
    std::optional<uint64_t> length;
    std::string_view answer;
  };
  for (const Row& row :
       {Row{"HEAD", 200, 5, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"},
        Row{"HEAD", 200, {}, "HTTP/1.1 200 OK\r\n\r\n"}, Row{"GET", 204, 5, "HTTP/1.1 204 No Content\r\n\r\n"},
        Row{"GET", 304, 5, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"},
        Row{"GET", 200, 0, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"}}) {
    Ask(text::Cat(row.method, " / HTTP/1.1\r\nHost: a\r\n\r\n"));
    HttpTransaction& transaction = *backend.last().transaction;
    transaction.SendHead({.status = row.status, .fields = {}, .content_length = row.length});
    if (row.length != 0) {
      EXPECT_EQ(transaction.SendBody("hello"), 5u);
    }
    transaction.Finish({});
    Settle(loop);
    EXPECT_EQ(client.Receive(), row.answer);
  }
  EXPECT_FALSE(closed);
}

TEST_F(Http1ServerTest, ConnectionCloseAndDrain) {
  AnswerAll("");
  Serve();
  EXPECT_EQ(Ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET"),
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(closed);

  closed = false;
  client = MemoryClient(loop);
  backend.on_start = [](Exchanged&) {};
  Serve();
  Ask(kGet);
  connection->Drain();
  Settle(loop);
  EXPECT_FALSE(closed);
  FakeBackend::Answer(backend.last(), "");
  Settle(loop);
  EXPECT_EQ(client.Receive(), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(closed);

  closed = false;
  client = MemoryClient(loop);
  AnswerAll("");
  Serve();
  Ask(kGet);
  EXPECT_FALSE(closed);
  connection->Drain();
  Settle(loop);
  EXPECT_TRUE(closed);
}

// Its client has no reason yet to take an end for anything but a fault.
TEST_F(Http1ServerTest, DrainedBeforeItsFirstRequestItAnswersThatOne) {
  AnswerAll("");
  Serve();
  Settle(loop);
  connection->Drain();
  Settle(loop);
  EXPECT_FALSE(closed);
  EXPECT_EQ(Ask(kGet), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(closed);
}

// One that was on its way, on a connection that was idle.
TEST_F(Http1ServerTest, DrainedItAnswersWhatHasCome) {
  AnswerAll("");
  Serve();
  Ask(kGet);
  client.Send(kGet);
  connection->Drain();
  Settle(loop);
  EXPECT_EQ(client.Receive(), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(closed);
}

TEST_F(Http1ServerTest, BodiesStreamWithinTheWindow) {
  backend.consume = false;
  backend.on_body_end = [](Exchanged& exchange) { FakeBackend::Answer(exchange, "done"); };
  Serve();
  const std::string body(200'000, 'b');
  client.Send(text::Cat("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ", body.size(), "\r\n\r\n", body));
  Settle(loop);
  EXPECT_EQ(backend.last().body.size(), HttpResponder::kWindow);
  EXPECT_GE(client.unread(), body.size() - HttpResponder::kWindow - kMaxHttp1Head);
  size_t turns = 0;
  while (!backend.last().body_ended && ++turns < 10) {
    backend.last().transaction->Consumed(std::exchange(backend.last().unconsumed, 0));
    Settle(loop);
    EXPECT_LE(backend.last().unconsumed, HttpResponder::kWindow);
  }
  EXPECT_EQ(backend.last().body, body);
  EXPECT_EQ(client.Receive(), "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone");
}

TEST_F(Http1ServerTest, ChunkedBodyAndItsTrailers) {
  backend.on_body_end = [](Exchanged& exchange) { FakeBackend::Answer(exchange, ""); };
  Serve();
  Ask("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  EXPECT_EQ(backend.last().body, "abc");
  EXPECT_NE(Ask("2\r\nde\r\n0\r\nX-Sum: 1\r\nHost: b\r\n\r\n"), "");
  EXPECT_EQ(backend.last().body, "abcde");
  EXPECT_EQ(backend.last().trailers, (HttpFields{{"X-Sum", "1"}}));
  EXPECT_FALSE(closed);
}

TEST_F(Http1ServerTest, ASlowReaderStopsTheResponder) {
  Serve();
  Ask(kGet);
  client.SetRoom(1000);
  const std::string body(1'000'000, 'x');
  size_t sent = 0;
  const auto send = [&](Exchanged& exchange) {
    while (sent < body.size()) {
      const size_t taken = exchange.transaction->SendBody(std::string_view(body).substr(sent, 30'000));
      sent += taken;
      if (taken < std::min<size_t>(30'000, body.size() - (sent - taken))) return;
    }
    exchange.transaction->Finish({});
  };
  backend.on_send_ready = send;
  backend.last().transaction->SendHead({.status = 200, .fields = {}, .content_length = body.size()});
  send(backend.last());
  EXPECT_LE(sent, kHttp1SendBuffer);
  Settle(loop);
  EXPECT_LE(sent, kHttp1SendBuffer + 1000) << "nothing is read";
  std::string got;
  for (int i = 0; i < 2000 && got.size() < body.size(); ++i) {
    got += client.Receive();
    Settle(loop);
  }
  got += client.Receive();
  EXPECT_TRUE(got.ends_with(body));
  EXPECT_FALSE(closed);
}

TEST_F(Http1ServerTest, Expect100Continue) {
  Serve();
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
  EXPECT_EQ(Ask(head), "HTTP/1.1 100 Continue\r\n\r\n");
  backend.last().transaction->SendHead({.status = 100, .fields = {}, .content_length = {}});
  EXPECT_EQ(Ask("hi"), "") << "once";
  EXPECT_EQ(backend.last().body, "hi");
  FakeBackend::Answer(backend.last(), "");
  Settle(loop);
  EXPECT_EQ(client.Receive(), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");

  // Answered without the body: whether it comes is not known, so nothing behind it can be read.
  backend.on_start = [](Exchanged& exchange) { FakeBackend::Answer(exchange, "", 403); };
  EXPECT_EQ(Ask(head), "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(closed);
}

TEST_F(Http1ServerTest, InformationalHeads) {
  Serve();
  Ask(kGet);
  backend.last().transaction->SendHead({.status = 103, .fields = {{"Link", "</a>"}}, .content_length = {}});
  backend.last().transaction->SendHead({.status = 100, .fields = {}, .content_length = {}});
  FakeBackend::Answer(backend.last(), "");
  Settle(loop);
  EXPECT_EQ(client.Receive(),
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

TEST_F(Http1ServerTest, ABodyNobodyWantedIsReadAndDropped) {
  AnswerAll("no");
  Serve();
  const std::string body(100'000, 'b');
  EXPECT_EQ(Ask(text::Cat("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ", body.size(), "\r\n\r\n", body)),
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno");
  EXPECT_NE(Ask(kGet), "");
  EXPECT_FALSE(closed);
  EXPECT_EQ(backend.exchanges.size(), 2u);
  // But not without end.
  Ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n");
  Ask(std::string(kMaxDrainedBody + 100'000, 'b'));
  EXPECT_TRUE(closed);
}

}  // namespace
}  // namespace ingress
