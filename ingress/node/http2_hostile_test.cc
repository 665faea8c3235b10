// What clients do to an HTTP/2 server that they should not, or too often, or too slowly.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "ingress/node/http2_request.h"
#include "ingress/node/http2_server.h"
#include "ingress/node/http2_server_fixture.h"

namespace ingress {
namespace {

using std::chrono::milliseconds;
using Client = Http2Client;

constexpr auto kCalm = static_cast<uint32_t>(NGHTTP2_ENHANCE_YOUR_CALM);

TEST_F(Http2ServerTest, BadRequestsAreRefusedOneByOne) {
  AnswerAll("ok");
  Serve();
  EXPECT_EQ(client->ReplyTo(Client::With(Client::Get(), "host", "other.example")).head, "400 content-length=0");
  EXPECT_EQ(client->ReplyTo({{":method", "CONNECT"}, {":authority", "a:1"}}).head, "405 content-length=0");
  EXPECT_EQ(client->ReplyTo(Client::With(Client::Get(), "x", std::string(17'000, 'x'))).head, "431 content-length=0");
  EXPECT_EQ(client->ReplyTo(Client::Get("/#a")).head, "400 content-length=0");
  EXPECT_EQ(stats.refused_malformed.Get(), 4u);
  // nghttp2 resets these.
  uint64_t refused = stats.refused_malformed.Get();
  for (const HttpFields& fields : {
           Client::With(Client::Get(), "connection", "close"),
           Client::With(Client::Get(), "transfer-encoding", "chunked"),
           Client::With(Client::Get(), "upgrade", "websocket"),
           Client::With(Client::Get(), "te", "gzip"),
           Client::Get("/a b"),
           Client::With(Client::Get(), "x", "a\nb"),
           Client::With(Client::Get(), ":protocol", "websocket"),
           Client::With(Client::Get(), ":status", "200"),
           Client::With(Client::Get(), "content-length", "5"),
           HttpFields{{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}},
           HttpFields{{":method", "GET"}, {"x", "y"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/"}},
       }) {
    const Client::Reply& reply = client->ReplyTo(fields);
    EXPECT_TRUE(reply.closed) << fields.back().first;
    EXPECT_EQ(reply.head, "") << fields.back().first;
    EXPECT_EQ(stats.refused_malformed.Get(), ++refused) << fields.back().first;
  }
  EXPECT_EQ(stats.requests.Get(), 0u);
  EXPECT_EQ(client->ReplyTo(Client::Get()).body, "ok");
  EXPECT_FALSE(closed);
}

TEST_F(Http2ServerTest, ABodyThatIsNotAsLongAsAnnouncedAbortsItsRequest) {
  Serve();
  Upload shorter{.bytes = "abc", .trailers = {}, .ended = true};
  EXPECT_EQ(client->ReplyTo(Client::With(Client::Post(), "content-length", "5"), &shorter).error,
            static_cast<uint32_t>(NGHTTP2_PROTOCOL_ERROR));
  EXPECT_TRUE(backend.last().aborted);
  EXPECT_FALSE(backend.last().body_ended);
  Upload longer{.bytes = "abcdef", .trailers = {}, .ended = true};
  EXPECT_EQ(client->ReplyTo(Client::With(Client::Post(), "content-length", "5"), &longer).error,
            static_cast<uint32_t>(NGHTTP2_PROTOCOL_ERROR));
  EXPECT_TRUE(backend.last().aborted);
}

TEST_F(Http2ServerTest, RapidResetsCloseTheConnection) {
  Serve({.resets_per_s = 1, .resets_burst = 50});
  size_t begun = 0;
  for (; begun < 1000 && !closed; ++begun) {
    const int32_t id = client->Ask(Client::Get());
    client->Talk();
    client->Reset(id);
    client->Talk();
  }
  EXPECT_GE(begun, 50u);
  EXPECT_LE(begun, 60u);
  EXPECT_TRUE(closed);
  EXPECT_EQ(client->goaway, kCalm);
  EXPECT_EQ(stats.floods.Get(), 1u);
  for (const auto& exchange : backend.exchanges) EXPECT_TRUE(exchange->aborted && exchange->destroyed);
}

// Makes the server reset its streams instead.
TEST_F(Http2ServerTest, ErrorsThatResetStreamsCountAsResets) {
  Serve({.resets_per_s = 1, .resets_burst = 50});
  size_t begun = 0;
  for (; begun < 1000 && !closed; ++begun) {
    const int32_t id = client->Ask(Client::Get());
    client->Talk();
    SendFrame(NGHTTP2_WINDOW_UPDATE, 0, id, std::string(4, '\0'));
    client->Talk();
  }
  EXPECT_LE(begun, 60u);
  EXPECT_TRUE(closed);
}

TEST_F(Http2ServerTest, AnswersThatAreCompleteAreNoResets) {
  AnswerAll("x");
  Serve({.resets_per_s = 1, .resets_burst = 50});
  for (int i = 0; i < 200; ++i) EXPECT_EQ(client->ReplyTo(Client::Get()).body, "x");
  EXPECT_FALSE(closed);
}

struct Http2FloodTest : Http2ServerTest {
  // How many such frames it takes until the connection is closed; `most` at most.
  size_t Flood(uint8_t type, uint8_t flags, int32_t id, std::string_view payload, size_t most = 5000) {
    size_t sent = 0;
    for (; sent < most && !closed; ++sent) {
      SendFrame(type, flags, id, payload);
      if (sent % 50 == 49) client->Listen();
    }
    client->Listen();
    return sent;
  }
};

TEST_F(Http2FloodTest, FramesThatMoveNothing) {
  struct Case {
    const char* what;
    uint8_t type, flags;
    int32_t id;
    std::string payload;
  };
  for (const Case& c : {
           Case{"ping", NGHTTP2_PING, 0, 0, std::string(8, 'p')},
           Case{"settings", NGHTTP2_SETTINGS, 0, 0, ""},
           Case{"priority", NGHTTP2_PRIORITY, 0, 1, std::string("\0\0\0\0\x10", 5)},
           Case{"empty data", NGHTTP2_DATA, 0, 1, ""},
       }) {
    SCOPED_TRACE(c.what);
    wire = MemoryClient(loop);
    closed = false;
    stats.floods.Set(0);
    Serve({.idle_frames_per_s = 1, .idle_frames_burst = 100});
    Upload upload;
    client->Ask(Client::Post(), &upload);
    client->Talk();
    const size_t sent = Flood(c.type, c.flags, c.id, c.payload);
    EXPECT_TRUE(closed);
    EXPECT_GE(sent, 90u);
    EXPECT_LE(sent, 200u);
    EXPECT_EQ(stats.floods.Get(), 1u);
    // The client's session takes acknowledgements of what it has not sent for an error.
    if (c.type != NGHTTP2_SETTINGS) {
      EXPECT_EQ(client->goaway, kCalm);
    }
  }
}

TEST_F(Http2FloodTest, PingsWhoseAnswersAreNotRead) {
  Serve({.idle_frames_burst = 1'000'000});
  client->Talk();
  wire.SetRoom(0);
  size_t sent = 0;
  for (; sent < 20'000 && !closed; ++sent) {
    SendFrame(NGHTTP2_PING, 0, 0, "12345678");
    if (sent % 50 == 49) Settle(loop);
  }
  EXPECT_TRUE(closed);
  EXPECT_LT(sent, 10'000u);
}

TEST_F(Http2FloodTest, ContinuationsWithoutEnd) {
  Serve({.idle_frames_per_s = 1, .idle_frames_burst = 100});
  client->Talk();
  SendFrame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM, 1, "\x82");
  EXPECT_LE(Flood(NGHTTP2_CONTINUATION, 0, 1, ""), 200u);
  EXPECT_TRUE(closed);
}

// One byte a field, each of them of the table's most: a bomb.
TEST_F(Http2FloodTest, FieldsThatExpand) {
  Serve();
  client->Talk();
  std::string head("\x82\x87\x84\x41\x01", 5);
  head += "a";
  // A literal with indexing, `x: xxxx…` of 3,000 bytes; then its index over and over.
  head += std::string("\x40\x01", 2) + "x" + std::string("\x7f\xb9\x16", 3) + std::string(3000, 'x');
  head += std::string(12'000, '\xbe');
  SendFrame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM | NGHTTP2_FLAG_END_HEADERS, 1, head);
  client->Talk();
  EXPECT_TRUE(closed);
  EXPECT_EQ(stats.floods.Get(), 1u);
  EXPECT_EQ(client->goaway, kCalm);
  EXPECT_EQ(stats.requests.Get(), 0u);
}

TEST_F(Http2FloodTest, WhatIsNotHttp2IsClosed) {
  Serve();
  wire.Send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  Settle(loop);
  EXPECT_TRUE(closed);
  EXPECT_EQ(stats.h2_errors.Get(), 1u);
}

TEST_F(Http2FloodTest, DataBeyondTheWindowIsAnError) {
  backend.consume = false;
  Serve();
  Upload upload;
  client->Ask(Client::Post(), &upload);
  client->Talk();
  for (int i = 0; i < 5; ++i) SendFrame(NGHTTP2_DATA, 0, 1, std::string(16'384, 'x'));
  client->Talk();
  EXPECT_LE(backend.last().body.size(), HttpResponder::kWindow);
  EXPECT_TRUE(backend.last().aborted);
}

TEST_F(Http2ServerTest, AConnectionWithoutRequestsIsClosed) {
  AnswerAll("ok");
  Serve({.idle = milliseconds(20)});
  client->Ask(Client::Get());
  client->Talk();
  RunUntil(loop, [&] { return closed; });
  client->Listen();
  EXPECT_EQ(client->goaway, 0u);
  EXPECT_EQ(stats.send_timeout.Get(), 0u);
}

TEST_F(Http2ServerTest, AHeadThatDoesNotEndIsNoRequest) {
  Serve({.idle = milliseconds(20)});
  client->Talk();
  SendFrame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM, 1, "\x82");
  RunUntil(loop, [&] { return closed; });
  EXPECT_TRUE(wire.closed());
}

TEST_F(Http2ServerTest, ARequestMayTakeItsTimeUntilItStalls) {
  const Instant begin = std::chrono::steady_clock::now();
  Serve({.stalled = milliseconds(40)});
  client->Ask(Client::Get());
  client->Talk();
  RunUntil(loop, [&] { return closed; });
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(40));
  EXPECT_TRUE(backend.last().aborted);
  EXPECT_EQ(stats.send_timeout.Get(), 1u);
}

TEST_F(Http2ServerTest, DrainedItAnswersWhatIsOpenAndCloses) {
  Serve();
  const int32_t id = client->Ask(Client::Get());
  client->Talk();
  connection->Drain();
  client->Talk();
  EXPECT_EQ(client->goaway, 0u);
  EXPECT_FALSE(closed);
  SendFrame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 3,
            std::string("\x82\x87\x84\x41\x01", 5) + "a");
  client->Talk();
  EXPECT_EQ(backend.exchanges.size(), 1u);
  FakeBackend::Answer(backend.last(), "last");
  client->Talk();
  EXPECT_EQ(client->replies[id].body, "last");
  EXPECT_TRUE(closed);
}

TEST_F(Http2ServerTest, DrainedWithoutRequestsItCloses) {
  Serve();
  client->Talk();
  connection->Drain();
  client->Talk();
  EXPECT_TRUE(closed);
}

}  // namespace
}  // namespace ingress
