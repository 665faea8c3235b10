#include "ingress/node/http1_request_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "ingress/node/http_syntax.h"

namespace ingress {
namespace {

namespace text = relay::text;
using State = Http1RequestReader::State;

// What came of some bytes: of the first request, and what is left behind it.
struct Outcome {
  State state;
  int status = 0;  // Refused.
  bool smuggling = false;
  std::string line;
  RequestHead head;
  std::string body;
  HttpFields trailers;
  std::string behind;
};

// The bytes come in pieces of `piece`, and the body is taken in pieces of `max_body`.
Outcome Read(std::string_view bytes, size_t piece = SIZE_MAX, size_t max_body = SIZE_MAX) {
  Http1RequestReader reader;
  Outcome out{};
  std::string buffer;
  while (!bytes.empty()) {
    buffer += bytes.substr(0, piece);
    bytes.remove_prefix(std::min(piece, bytes.size()));
    for (bool had_head = false; !buffer.empty();) {
      const size_t taken = reader.Read(buffer, max_body);
      EXPECT_LE(reader.piece().size(), max_body);
      out.body += reader.piece();
      buffer.erase(0, taken);
      if (!had_head && reader.state() != State::kHead) out.head = reader.head().request;
      had_head = reader.state() != State::kHead;
      if (taken == 0 || reader.state() == State::kComplete || reader.state() == State::kRefused) break;
    }
  }
  out.state = reader.state();
  out.behind = buffer;
  if (out.state == State::kComplete) out.trailers = reader.trailers();
  if (out.state == State::kRefused) {
    out.status = reader.refusal().status;
    out.smuggling = reader.refusal().smuggling;
    out.line = reader.refusal().line;
  }
  return out;
}

constexpr std::string_view kChunkedRequest =
    "POST /a?b=c HTTP/1.1\r\nHost: node.example\r\nTransfer-Encoding: chunked\r\nX-One:  1 \r\nTE: trailers\r\n"
    "Connection: TE, x-two\r\nX-Two: 2\r\n\r\n"
    "5;name=v;w\r\nhello\r\n0A\r\n, streamed\r\n0\r\nX-Sum: 1\r\nContent-Length: 3\r\nX-Forwarded-For: "
    "1.2.3.4\r\n\r\n"
    "GET /next";

TEST(Http1RequestReaderTest, AnySplitReadsTheSame) {
  for (size_t piece = 1; piece < kChunkedRequest.size(); ++piece) {
    for (const size_t max_body : {size_t{1}, size_t{3}, SIZE_MAX}) {
      const Outcome out = Read(kChunkedRequest, piece, max_body);
      ASSERT_EQ(out.state, State::kComplete) << piece;
      EXPECT_EQ(out.head.method, "POST");
      EXPECT_EQ(out.head.target, "/a?b=c");
      EXPECT_EQ(out.head.authority, "node.example");
      EXPECT_EQ(out.head.fields, (HttpFields{{"X-One", "1"}}));
      EXPECT_TRUE(out.head.has_body && out.head.te_trailers);
      EXPECT_FALSE(out.head.content_length);
      EXPECT_EQ(out.body, "hello, streamed");
      EXPECT_EQ(out.trailers, (HttpFields{{"X-Sum", "1"}}));
      EXPECT_TRUE(std::string_view("GET /next").starts_with(out.behind));
    }
  }
}

TEST(Http1RequestReaderTest, BodyWithALength) {
  const Outcome out = Read("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET", 7, 2);
  EXPECT_EQ(out.state, State::kComplete);
  EXPECT_EQ(out.head.content_length, 5u);
  EXPECT_EQ(out.body, "hello");
  EXPECT_TRUE(out.head.fields.empty());
  EXPECT_EQ(Read("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").state, State::kComplete);
  EXPECT_EQ(Read("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nhello").state, State::kBody);
}

TEST(Http1RequestReaderTest, Targets) {
  const auto target = [](std::string_view line, std::string_view host = "a") {
    return Read(text::Cat(line, " HTTP/1.1\r\nHost: ", host, "\r\n\r\n"));
  };
  EXPECT_EQ(target("GET /").head.target, "/");
  EXPECT_EQ(target("OPTIONS *").head.target, "*");
  EXPECT_EQ(target("GET https://A:443/x?y", "a:443").head.target, "/x?y");
  EXPECT_EQ(target("GET HTTPS://a").head.target, "/");
  EXPECT_EQ(target("GET https://a?x").head.target, "/?x");
  EXPECT_EQ(target("GET https://b/x").line, "two authorities");
  EXPECT_TRUE(target("GET https://b/x").smuggling);
  EXPECT_TRUE(target("GET https://a@b/x").smuggling);
  for (const std::string_view bad : {"GET *", "GET x", "GET http://a/x", "GET /a#b", "GET /\xc3\xa4", "GET /a b",
                                     "GET ", "CONNECT a:443", "GET  /", "G(T /", " GET /", "GET\t/", "", "/"}) {
    EXPECT_EQ(target(bad).status, 400) << bad;
  }
}

struct Refused {
  std::string_view name, bytes;
  int status;
  bool smuggling;
};

// Each in the place of `X` in "GET / HTTP/1.1\r\nHost: a\r\nX\r\n", but those that begin with a method.
const std::vector<Refused> kRefused = {
    {"both lengths", "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", 400, true},
    {"both lengths, the other way round", "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", 400, true},
    {"two differing lengths", "Content-Length: 3\r\nContent-Length: 4\r\n", 400, true},
    {"two equal lengths", "Content-Length: 3\r\nContent-Length: 3\r\n", 400, true},
    {"a list of lengths", "Content-Length: 3, 3\r\n", 400, true},
    {"signed length", "Content-Length: +3\r\n", 400, true},
    {"hexadecimal length", "Content-Length: 0x3\r\n", 400, true},
    {"empty length", "Content-Length:\r\n", 400, true},
    {"length beyond 64 bits", "Content-Length: 18446744073709551617\r\n", 400, true},
    {"length near 64 bits", "Content-Length: 18446744073709551615\r\n", 400, true},
    {"gzip, chunked", "Transfer-Encoding: gzip, chunked\r\n", 400, true},
    {"chunked twice", "Transfer-Encoding: chunked, chunked\r\n", 400, true},
    {"chunked in two fields", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400, true},
    {"identity", "Transfer-Encoding: identity\r\n", 400, true},
    {"xchunked", "Transfer-Encoding: xchunked\r\n", 400, true},
    {"chunked with a parameter", "Transfer-Encoding: chunked;a=b\r\n", 400, true},
    {"quoted chunked", "Transfer-Encoding: \"chunked\"\r\n", 400, true},
    {"empty transfer encoding", "Transfer-Encoding:\r\n", 400, true},
    {"vertical tab before chunked",
     "Transfer-Encoding: \x0b"
     "chunked\r\n",
     400, true},
    {"folded", "X: 1\r\n 2\r\n", 400, true},
    {"folded with a tab", "X: 1\r\n\tTransfer-Encoding: chunked\r\n", 400, true},
    {"blank before the colon", "Transfer-Encoding : chunked\r\n", 400, true},
    {"tab before the colon", "X\t: 1\r\n", 400, true},
    {"no colon", "Transfer-Encoding\r\n", 400, true},
    {"no name", ": 1\r\n", 400, true},
    {"blank in a name", "X Y: 1\r\n", 400, true},
    {"bracket in a name", "X[]: 1\r\n", 400, true},
    {"bare line feed", "X: 1\nY: 2\r\n", 400, true},
    {"bare carriage return", "X: 1\rY: 2\r\n", 400, true},
    {"carriage return twice", "X: 1\r\r\n", 400, true},
    {"NUL in a value", std::string_view("X: \0\r\n", 7), 400, true},
    {"control character in a value", "X: \x01\r\n", 400, true},
    {"DEL in a value", "X: \x7f\r\n", 400, true},
    {"two Hosts", "Host: a\r\n", 400, true},
    {"unknown expectation", "Expect: 200-ok\r\n", 417, false},
    {"no Host", "GET / HTTP/1.1\r\n\r\n", 400, false},
    {"empty Host", "GET / HTTP/1.1\r\nHost: \r\n\r\n", 400, false},
    {"empty line in front", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, false},
    {"line feeds alone", "GET / HTTP/1.1\nHost: a\n\n", 400, true},
    {"HTTP/0.9", "GET /\r\n\r\n", 400, false},
    {"HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 400, false},
    {"HTTP/2 without ALPN", "PRI * HTTP/2.0\r\n\r\n", 505, false},
    {"lower-case version", "GET / http/1.1\r\nHost: a\r\n\r\n", 400, false},
    {"chunked HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 400, true},
    {"long method", "GETTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTT / HTTP/1.1\r\nHost: a\r\n\r\n", 400, false},
    {"a TLS hello", "\x16\x03\x01\x02", 400, true},
};

TEST(Http1RequestReaderTest, RefusesInAnySplit) {
  for (const Refused& refused : kRefused) {
    const bool whole = refused.bytes.find("HTTP/") != refused.bytes.npos ||
                       refused.bytes.find("GET") != refused.bytes.npos || refused.bytes.starts_with('\x16');
    const std::string bytes =
        whole ? std::string(refused.bytes) : text::Cat("GET / HTTP/1.1\r\nHost: a\r\n", refused.bytes, "\r\n");
    for (const size_t piece : {size_t{1}, size_t{2}, size_t{7}, SIZE_MAX}) {
      const Outcome out = Read(bytes, piece);
      EXPECT_EQ(out.state, State::kRefused) << refused.name;
      EXPECT_EQ(out.status, refused.status) << refused.name;
      EXPECT_EQ(out.smuggling, refused.smuggling) << refused.name << ": " << out.line;
    }
  }
}

TEST(Http1RequestReaderTest, RefusesOddChunks) {
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string long_extension(ChunkedReader::kMaxExtension + 1, 'x');
  std::string many_extensions;
  for (size_t i = 0; i <= ChunkedReader::kMaxExtensions / 200; ++i) {
    many_extensions += text::Cat("1;", std::string(200, 'x'), "\r\ny\r\n");
  }
  const std::vector<std::string> bodies = {
      "5\nhello\r\n0\r\n\r\n",  // Bare line feeds.
      "5\r\nhello\n0\r\n\r\n",
      "0\n\r\n",  //
      "0\r\n\n",
      "0\r\nX: 1\n\r\n",          //
      "5\rhello\r\n0\r\n\r\n",    // Bare carriage return.
      "6\r\nhello\r\n0\r\n\r\n",  // A wrong length.
      "4\r\nhello\r\n0\r\n\r\n",  //
      "\r\nhello\r\n",
      "5 \r\nhello\r\n",  // Odd characters.
      " 5\r\nhello\r\n",
      "0x5\r\nhello\r\n",  //
      "+5\r\nhello\r\n",
      "-1\r\n",
      "5_\r\nhello",  //
      "g\r\n",
      ";x\r\n",
      "5\t;x\r\nhello\r\n",  //
      "5;x\x01\r\nhello\r\n",
      "5;a=\"b\"\r\nhello\r\n",
      "5; a\r\nhello\r\n",
      "5;x\nhello\r\n",                          //
      "fffffffffffffffff\r\n",                   // Overflow.
      "0000000000000005\r\nhello\r\n0\r\n\r\n",  // More digits than any size has.
      text::Cat("5;", long_extension, "\r\nhello\r\n0\r\n\r\n"),
      many_extensions,
      "0\r\n X: 1\r\n\r\n",
      "0\r\nX : 1\r\n\r\n",  // Trailers.
      "0\r\nX\r\n\r\n",
      "0\r\nX: \x01\r\n\r\n",
  };
  for (const std::string& body : bodies) {
    for (const size_t piece : {size_t{1}, size_t{3}, SIZE_MAX}) {
      const Outcome out = Read(head + body, piece);
      EXPECT_EQ(out.state, State::kRefused) << body;
      EXPECT_EQ(out.status, 400) << body;
      EXPECT_TRUE(out.smuggling) << body;
    }
  }
  EXPECT_EQ(Read(head + "5;" + long_extension.substr(1) + "\r\nhello\r\n0\r\n\r\n").state, State::kComplete);
  EXPECT_EQ(Read(head + "000000000000005\r\nhello\r\n0\r\n\r\n").body, "hello");
}

TEST(Http1RequestReaderTest, TheFuzzersCorpusIsWhatItsNamesSay) {
  size_t files = 0;
  for (const auto& file : std::filesystem::directory_iterator(RELAYD_SOURCE_DIR "/tests/fuzz/corpus/http1_request")) {
    std::ifstream in(file.path(), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    const std::string name = file.path().filename();
    const State state = Read(bytes).state;
    EXPECT_EQ(state == State::kRefused, name.starts_with("refused_")) << name;
    EXPECT_EQ(state == State::kHead || state == State::kBody, name.ends_with("_cut")) << name;
    ++files;
  }
  EXPECT_GT(files, 50u);
}

TEST(Http1RequestReaderTest, Limits) {
  const auto padded = [](size_t size) {
    const std::string front = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
    return front + std::string(size - front.size() - 4, 'x') + "\r\n\r\n";
  };
  for (const size_t piece : {size_t{1000}, SIZE_MAX}) {
    EXPECT_EQ(Read(padded(kMaxHttp1Head), piece).state, State::kComplete);
    EXPECT_EQ(Read(padded(kMaxHttp1Head + 1), piece).status, 431);
  }
  EXPECT_EQ(Read(std::string(2 * kMaxHttp1Head, 'G')).status, 431);

  std::string fields;
  for (size_t i = 1; i < kMaxHttpFields; ++i) fields += "X: 1\r\n";
  EXPECT_EQ(Read("GET / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n").state, State::kComplete);
  EXPECT_EQ(Read("GET / HTTP/1.1\r\nHost: a\r\n" + fields + "X: 1\r\n\r\n").status, 431);

  const std::string chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
  EXPECT_EQ(Read(chunked + fields + "X: 1\r\n\r\n").state, State::kComplete);
  EXPECT_EQ(Read(chunked + fields + "X: 1\r\nX: 1\r\n\r\n").status, 431);
  const std::string trailer = "X: " + std::string(ChunkedReader::kMaxTrailers - 7, 'x') + "\r\n\r\n";
  EXPECT_EQ(Read(chunked + trailer).state, State::kComplete);
  EXPECT_EQ(Read(chunked + "Y" + trailer).status, 431);
}

TEST(Http1RequestReaderTest, WhatTheConnectionIsTold) {
  const auto head = [](std::string_view fields) {
    auto parsed = ParseHttp1Head(text::Cat("GET / HTTP/1.1\r\nHost: a\r\n", fields, "\r\n"));
    return std::get<Http1Head>(std::move(parsed));
  };
  EXPECT_TRUE(head("").keep_alive);
  EXPECT_FALSE(head("Connection: foo\r\nConnection: bar , Close\r\n").keep_alive);
  EXPECT_FALSE(
      std::get<Http1Head>(ParseHttp1Head("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")).keep_alive);
  EXPECT_TRUE(head("Expect: 100-Continue\r\nContent-Length: 1\r\n").expect_continue);
  EXPECT_FALSE(head("Expect: 100-continue\r\n").expect_continue);

  const std::string_view key = "Sec-WebSocket-Key: x\r\n";
  EXPECT_TRUE(
      head(text::Cat("Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n", key)).request.upgrade_websocket);
  EXPECT_FALSE(head(text::Cat("Connection: keep-alive\r\nUpgrade: websocket\r\n", key)).request.upgrade_websocket);
  EXPECT_FALSE(
      head(text::Cat("Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n", key)).request.upgrade_websocket);
  EXPECT_FALSE(head("Connection: Upgrade\r\nUpgrade: websocket\r\n").request.upgrade_websocket);
  EXPECT_FALSE(head(text::Cat("Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n", key))
                   .request.upgrade_websocket);
  EXPECT_EQ(head("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n").request.fields,
            (HttpFields{{"Sec-WebSocket-Key", "x"}}));
}

}  // namespace
}  // namespace ingress
