#include "ingress/node/http2_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ingress/node/http2_request.h"
#include "ingress/node/http2_server_fixture.h"

namespace ingress {
namespace {

using testing::ElementsAre;
using testing::IsSupersetOf;
using testing::Pair;
using Client = Http2Client;

TEST_F(Http2ServerTest, AnswersRequests) {
  AnswerAll("hello");
  Serve();
  for (uint64_t i = 1; i <= 3; ++i) {
    const Client::Reply& reply = client->ReplyTo(Client::Get("/a?b"));
    EXPECT_EQ(reply.text(), "200 content-length=5|hello|");
    EXPECT_TRUE(reply.closed);
    EXPECT_EQ(reply.error, 0u);
    EXPECT_EQ(stats.requests.Get(), i);
    EXPECT_EQ(stats.responses[2].Get(), i);
  }
  EXPECT_EQ(backend.last().head.target, "/a?b");
  EXPECT_EQ(backend.last().head.authority, "node.example");
  EXPECT_FALSE(backend.last().head.has_body || backend.last().aborted);
  EXPECT_TRUE(backend.last().destroyed);
  EXPECT_THAT(client->settings, IsSupersetOf({Pair(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 100u),
                                              Pair(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 16384u)}));
}

TEST_F(Http2ServerTest, BytesOneAtATime) {
  AnswerAll("hello");
  Serve();
  wire.SetPiece(1);
  wire.SetRoom(1);
  const int32_t id = client->Ask(Client::Get());
  for (int i = 0; i < 300 && !client->replies[id].closed; ++i) client->Talk();
  EXPECT_EQ(client->replies[id].text(), "200 content-length=5|hello|");
}

TEST_F(Http2ServerTest, FieldsAreThoseOfHttp2) {
  backend.on_start = [](Exchanged& exchange) {
    exchange.transaction->SendHead({.status = 103, .fields = {{"Link", "early"}}, .content_length = {}});
    exchange.transaction->SendHead({.status = 200,
                                    .fields = {{"X-Mixed", "Case"},
                                               {"Connection", "x"},
                                               {"Keep-Alive", "x"},
                                               {"Transfer-Encoding", "chunked"},
                                               {"Upgrade", "h2c"},
                                               {"Content-Length", "999"}},
                                    .content_length = {}});
    exchange.transaction->Finish({{"Grpc-Status", "0"}});
  };
  Serve();
  const Client::Reply& reply = client->ReplyTo(Client::Get());
  EXPECT_EQ(reply.text(), "103 link=early 200 x-mixed=Case||grpc-status=0");
  EXPECT_TRUE(reply.closed);
}

TEST_F(Http2ServerTest, AnswersWithoutABodyHaveNone) {
  int status = 200;
  backend.on_start = [&](Exchanged& exchange) { FakeBackend::Answer(exchange, "dropped", status); };
  Serve();
  EXPECT_EQ(client->ReplyTo(Client::With(Client::Get(), ":method", "HEAD")).text(), "200 content-length=7||");
  status = 304;
  EXPECT_EQ(client->ReplyTo(Client::Get()).text(), "304 content-length=7||");
  status = 204;
  EXPECT_EQ(client->ReplyTo(Client::Get()).text(), "204||");
  for (const auto& [id, reply] : client->replies) EXPECT_TRUE(reply.closed && reply.error == 0);
  EXPECT_EQ(stats.aborted.Get(), 0u);
}

TEST_F(Http2ServerTest, BodiesAndTrailersComeIn) {
  backend.on_body_end = [](Exchanged& exchange) { FakeBackend::Answer(exchange, "ok"); };
  Serve();
  Upload upload{.bytes = std::string(200'000, 'u'), .trailers = {{"x-sum", "1"}, {"host", "evil"}}, .ended = true};
  HttpFields post = Client::With(Client::Post(), "content-length", "200000");
  EXPECT_EQ(client->ReplyTo(Client::With(post, "te", "trailers"), &upload).body, "ok");
  EXPECT_TRUE(backend.last().body == std::string(200'000, 'u'));
  EXPECT_THAT(backend.last().trailers, ElementsAre(Pair("x-sum", "1")));
  EXPECT_TRUE(backend.last().head.has_body && backend.last().head.te_trailers);
  EXPECT_EQ(backend.last().head.content_length, 200'000u);
}

TEST_F(Http2ServerTest, AHundredStreamsAtOnceAndNoMore) {
  Serve();
  client->Talk();  // SETTINGS.
  std::vector<int32_t> ids;
  for (uint32_t i = 0; i < Http2Limits::kMaxStreams + 5; ++i) ids.push_back(client->Ask(Client::Get()));
  client->Talk();
  // The client keeps to what it was told.
  ASSERT_EQ(backend.exchanges.size(), Http2Limits::kMaxStreams);
  const auto first = backend.exchanges;
  for (const auto& exchange : first) FakeBackend::Answer(*exchange, "done");
  client->Talk();
  ASSERT_EQ(backend.exchanges.size(), ids.size());
  for (size_t i = Http2Limits::kMaxStreams; i < ids.size(); ++i) FakeBackend::Answer(*backend.exchanges[i], "done");
  client->Talk();
  for (const int32_t id : ids) EXPECT_EQ(client->replies[id].body, "done");
}

TEST_F(Http2ServerTest, AClientThatDoesNotKeepToTheLimitIsRefused) {
  Serve();
  // Before it has heard of our settings, its streams are refused; then it is out.
  for (uint32_t i = 0; i < Http2Limits::kMaxStreams + 5; ++i) client->Ask(Client::Get());
  client->Talk();
  EXPECT_EQ(backend.exchanges.size(), Http2Limits::kMaxStreams);
  int refused = 0;
  for (const auto& [id, reply] : client->replies) refused += reply.error == NGHTTP2_REFUSED_STREAM ? 1 : 0;
  EXPECT_EQ(refused, 5);
  EXPECT_FALSE(closed);
  std::string head("\x82\x87\x84\x41\x01", 5);  // GET, https, /, :authority of one letter.
  head += "a";
  SendFrame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1001, head);
  client->Talk();
  EXPECT_EQ(client->goaway, static_cast<uint32_t>(NGHTTP2_PROTOCOL_ERROR));
}

TEST_F(Http2ServerTest, ASlowResponderStopsItsClientAndNoOtherStream) {
  backend.consume = false;
  Serve();
  Upload slow{.bytes = std::string(1'000'000, 's'), .trailers = {}, .ended = true};
  const int32_t id = client->Ask(Client::Post(), &slow);
  client->Talk();
  Exchanged& exchange = backend.last();
  EXPECT_LE(exchange.unconsumed, HttpResponder::kWindow);
  EXPECT_GT(exchange.unconsumed, 60'000u);
  EXPECT_LE(slow.sent, HttpResponder::kWindow);

  backend.consume = true;
  backend.on_body_end = [](Exchanged& other) { FakeBackend::Answer(other, "ok"); };
  Upload quick{.bytes = std::string(1'000'000, 'q'), .trailers = {}, .ended = true};
  EXPECT_EQ(client->ReplyTo(Client::Post(), &quick).body, "ok");
  EXPECT_LE(slow.sent, HttpResponder::kWindow);

  exchange.transaction->Consumed(exchange.unconsumed);
  client->Talk();
  EXPECT_EQ(client->replies[id].body, "ok");
  EXPECT_EQ(exchange.body.size(), 1'000'000u);
}

TEST_F(Http2ServerTest, StreamsThatAreResetGiveTheirWindowBack) {
  backend.consume = false;
  Serve();
  // Together more than the connection's window.
  for (int i = 0; i < 3 * Http2Limits::kWindow / 65'535; ++i) {
    Upload upload{.bytes = std::string(100'000, 'x'), .trailers = {}, .ended = true};
    const int32_t id = client->Ask(Client::Post(), &upload);
    client->Talk();
    ASSERT_GT(backend.last().unconsumed, 60'000u) << i;
    client->Reset(id);
    client->Talk();
    EXPECT_TRUE(backend.last().aborted);
  }
}

TEST_F(Http2ServerTest, ASlowClientStopsTheResponder) {
  std::string body(1'000'000, 'b');
  size_t given = 0;
  const auto give = [&](Exchanged& exchange) {
    given += exchange.transaction->SendBody(std::string_view(body).substr(given));
    if (given == body.size()) exchange.transaction->Finish({});
  };
  backend.on_start = [&](Exchanged& exchange) {
    exchange.transaction->SendHead({.status = 200, .fields = {}, .content_length = body.size()});
    give(exchange);
  };
  backend.on_send_ready = give;
  Serve({}, /*opens_windows=*/false);
  const int32_t id = client->Ask(Client::Get());
  client->Talk();
  EXPECT_EQ(client->replies[id].body.size(), 65'535u);  // HTTP/2's first window.
  EXPECT_LE(given, 65'535u + 65'536u);
  EXPECT_GT(given, 65'535u);
  while (!client->replies[id].closed) {
    const size_t before = client->replies[id].body.size();
    nghttp2_session_consume(client->session(), id, 40'000);
    client->Talk();
    ASSERT_GT(client->replies[id].body.size(), before);
  }
  EXPECT_TRUE(client->replies[id].body == body);
  EXPECT_TRUE(backend.last().destroyed);
}

TEST_F(Http2ServerTest, AFullStreamStopsTheResponderToo) {
  backend.on_start = [](Exchanged& exchange) {
    exchange.transaction->SendHead({.status = 200, .fields = {}, .content_length = {}});
    EXPECT_EQ(exchange.transaction->SendBody(std::string(100'000, 'x')), 65'536u);
  };
  Serve();
  wire.SetRoom(0);
  client->Ask(Client::Get());
  client->Talk();
  EXPECT_EQ(backend.last().send_ready, 1);  // Into the connection's own buffer.
  wire.SetRoom(SIZE_MAX);
  Settle(loop);
  EXPECT_GT(wire.Receive().size(), 65'000u);
}

TEST_F(Http2ServerTest, ResetsAndLostClientsAbortTheResponder) {
  Serve();
  const int32_t id = client->Ask(Client::Get());
  client->Talk();
  client->Reset(id);
  client->Talk();
  EXPECT_TRUE(backend.last().aborted && backend.last().destroyed);
  EXPECT_EQ(stats.aborted.Get(), 1u);
  client->Ask(Client::Get());
  client->Talk();
  wire.EndWrite();
  Settle(loop);
  EXPECT_TRUE(backend.last().aborted && backend.last().destroyed);
  EXPECT_TRUE(closed && wire.closed());
  EXPECT_EQ(stats.aborted.Get(), 2u);
}

TEST_F(Http2ServerTest, DestroyedItAbortsTheResponders) {
  Serve();
  client->Ask(Client::Get());
  client->Talk();
  connection.reset();
  EXPECT_TRUE(backend.last().aborted && backend.last().destroyed && wire.closed());
  EXPECT_FALSE(closed);
}

TEST_F(Http2ServerTest, AnAnswerThatCannotBeCompletedIsNeverTakenForWhole) {
  Serve();
  int32_t id = client->Ask(Client::Get());
  client->Talk();
  backend.last().transaction->Abort();
  client->Talk();
  EXPECT_EQ(client->replies[id].text(), "502 content-length=0||");
  EXPECT_EQ(client->replies[id].error, 0u);
  id = client->Ask(Client::Get());
  client->Talk();
  backend.last().transaction->SendHead({.status = 200, .fields = {}, .content_length = {}});
  backend.last().transaction->SendBody("half");
  client->Talk();
  backend.last().transaction->SendBody("more");
  backend.last().transaction->Abort();
  client->Talk();
  EXPECT_EQ(client->replies[id].error, static_cast<uint32_t>(NGHTTP2_INTERNAL_ERROR));
  EXPECT_TRUE(backend.last().destroyed);
  EXPECT_FALSE(backend.last().aborted);
}

TEST_F(Http2ServerTest, AnEarlyAnswerEndsTheRequest) {
  backend.on_start = [](Exchanged& exchange) { FakeBackend::Answer(exchange, "too large", 413); };
  Serve();
  Upload upload{.bytes = std::string(10'000'000, 'u'), .trailers = {}, .ended = true};
  const Client::Reply& reply = client->ReplyTo(Client::Post(), &upload);
  EXPECT_EQ(reply.text(), "413 content-length=9|too large|");
  EXPECT_TRUE(reply.closed);
  EXPECT_EQ(reply.error, 0u);
  EXPECT_LT(upload.sent, 400'000u);

  // What is short may as well come.
  Upload small{.bytes = std::string(100'000, 'u'), .trailers = {}, .ended = true};
  EXPECT_EQ(client->ReplyTo(Client::Post(), &small).text(), "413 content-length=9|too large|");
  EXPECT_EQ(small.sent, 100'000u);

  // Who waits with the rest is told that it is not wanted.
  Upload waits{.bytes = "begin", .trailers = {}, .ended = false};
  const int32_t id = client->Ask(Client::Post(), &waits);
  client->Talk();
  EXPECT_EQ(client->replies[id].body, "too large");
  EXPECT_FALSE(client->replies[id].closed);
  while (!client->replies[id].closed) {
    RunUntil(loop, [&] { return wire.has_sent(); });
    client->Listen();
  }
  EXPECT_EQ(client->replies[id].error, 0u);
  EXPECT_EQ(stats.aborted.Get(), 0u);
}

TEST_F(Http2ServerTest, ExpectIsAnswered) {
  backend.on_body_end = [](Exchanged& exchange) { FakeBackend::Answer(exchange, "ok"); };
  Serve();
  Upload upload;
  const int32_t id = client->Ask(Client::With(Client::Post(), "expect", "100-continue"), &upload);
  client->Talk();
  EXPECT_EQ(client->replies[id].head, "100");
  upload.ended = true;
  client->Resume(id);
  client->Talk();
  EXPECT_EQ(client->replies[id].head, "100 200 content-length=2");
}

// A backend that says it unasked, and again and again.
TEST_F(Http2ServerTest, ContinueIsSaidOnceAndIfAsked) {
  backend.on_start = [](Exchanged& exchange) {
    for (int i = 0; i < 3; ++i) exchange.transaction->SendHead({.status = 100, .fields = {}, .content_length = {}});
    FakeBackend::Answer(exchange, "ok");
  };
  Serve();
  const int32_t unasked = client->Ask(Client::Get("/"));
  const int32_t asked = client->Ask(Client::With(Client::Get("/"), "expect", "100-continue"));
  client->Talk();
  EXPECT_EQ(client->replies[unasked].head, "200 content-length=2");
  EXPECT_EQ(client->replies[asked].head, "100 200 content-length=2");
}

}  // namespace
}  // namespace ingress
