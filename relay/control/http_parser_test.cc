#include "relay/control/http_parser.h"

#include <gtest/gtest.h>

#include "relay/control/text.h"

namespace relay {
namespace {

using State = HttpParser::State;

constexpr std::string_view kRequest =
    "POST /v0/x?a=b HTTP/1.1\r\nHost: peer\r\nX-One: 1\r\nx-one:  two words \r\nContent-Length: 5\r\n\r\nhello";

void ExpectTheRequest(HttpParser& parser) {
  ASSERT_EQ(parser.state(), State::kComplete);
  const HttpRequest& request = parser.request();
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.target, "/v0/x?a=b");
  EXPECT_EQ(*request.Find("HOST"), "peer");
  EXPECT_EQ(*request.Find("X-ONE"), "1");
  EXPECT_EQ(request.Count("X-One"), 2u);
  EXPECT_EQ(request.fields[2].value, "two words");
  EXPECT_EQ(request.Find("Origin"), nullptr);
  EXPECT_EQ(request.body, "hello");
  EXPECT_TRUE(request.http11);
  EXPECT_TRUE(parser.keep_alive());
}

TEST(HttpParserTest, ReadsARequestAndLeavesTheNextOne) {
  HttpParser parser;
  const std::string two = text::Cat(kRequest, "GET / HTTP/1.0\r\n\r\n");
  EXPECT_EQ(parser.Put(two), kRequest.size());
  ExpectTheRequest(parser);
  parser.Reset();
  EXPECT_EQ(parser.Put(std::string_view(two).substr(kRequest.size())), two.size() - kRequest.size());
  ASSERT_EQ(parser.state(), State::kComplete);
  EXPECT_EQ(parser.request().method, "GET");
  EXPECT_EQ(parser.request().body, "");
  EXPECT_EQ(parser.request().Count("Host"), 0u);
  EXPECT_FALSE(parser.keep_alive());
}

TEST(HttpParserTest, AnySplitReadsTheSame) {
  for (size_t split = 1; split < kRequest.size(); ++split) {
    HttpParser parser;
    const size_t taken = parser.Put(kRequest.substr(0, split));
    ASSERT_LE(taken, split);
    ASSERT_EQ(parser.state(), State::kReading);
    EXPECT_EQ(parser.Put(kRequest.substr(taken)), kRequest.size() - taken);
    ExpectTheRequest(parser);
  }
}

TEST(HttpParserTest, BodiesUpToTheLimit) {
  for (const size_t size : {kMaxBodyBytes, kMaxBodyBytes + 1}) {
    HttpParser plain;
    plain.Put(text::Cat("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ", size, "\r\n\r\n", std::string(size, 'x')));
    EXPECT_EQ(plain.state(), size > kMaxBodyBytes ? State::kBodyTooBig : State::kComplete);
    EXPECT_EQ(plain.request().body_too_big, size > kMaxBodyBytes);
    EXPECT_EQ(plain.request().body.size(), size > kMaxBodyBytes ? 0 : size);
    EXPECT_EQ(*plain.request().Find("Host"), "a");

    HttpParser chunked;
    char head[16];
    std::snprintf(head, sizeof(head), "%zx\r\n", size);
    chunked.Put(text::Cat("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", head, std::string(size, 'x'),
                          "\r\n0\r\n\r\n"));
    EXPECT_EQ(chunked.state(), size > kMaxBodyBytes ? State::kBodyTooBig : State::kComplete);
  }
}

TEST(HttpParserTest, HeadsUpToTheLimit) {
  HttpParser parser;
  parser.Put(text::Cat("GET / HTTP/1.1\r\nX: ", std::string(kMaxHeadBytes, 'x'), "\r\n\r\n"));
  EXPECT_EQ(parser.state(), State::kHeadTooBig);
  HttpParser endless;
  endless.Put(std::string(2 * kMaxHeadBytes, 'G'));
  EXPECT_NE(endless.state(), State::kReading);
}

TEST(HttpParserTest, TheOnlyTransferCodingIsChunkedOnceInHttp11) {
  const auto state_of = [](std::string_view version, std::string_view fields) {
    HttpParser parser;
    parser.Put(text::Cat("POST / HTTP/", version, "\r\nHost: a\r\n", fields, "\r\n0\r\n\r\n"));
    return parser.state();
  };
  for (const std::string_view good : {"Transfer-Encoding: chunked\r\n", "transfer-encoding: \tChunKed \r\n"}) {
    EXPECT_EQ(state_of("1.1", good), State::kComplete) << good;
    EXPECT_EQ(state_of("1.0", good), State::kMalformed) << good;
  }
  for (const std::string_view bad :
       {"Transfer-Encoding: identity\r\n", "Transfer-Encoding: gzip, chunked\r\n", "Transfer-Encoding:\r\n",
        "Transfer-Encoding: chunked, identity\r\n", "Transfer-Encoding: chunked;q=1\r\n",
        "Transfer-Encoding: xchunked\r\n", "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\nContent-Length: 5\r\n", "Content-Length: 5\r\nTransfer-Encoding: gzip\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 9999\r\nTransfer-Encoding: gzip\r\n"}) {
    EXPECT_EQ(state_of("1.1", bad), State::kMalformed) << bad;
  }
}

TEST(HttpParserTest, TrailerFieldsAreNoHeaderFields) {
  HttpParser parser;
  const std::string request =
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
      "Authorization: Bearer forged\r\nHost: b\r\nConnection: close\r\n\r\n";
  EXPECT_EQ(parser.Put(request), request.size());
  ASSERT_EQ(parser.state(), State::kComplete);
  EXPECT_EQ(parser.request().body, "x");
  EXPECT_EQ(parser.request().Find("Authorization"), nullptr);
  EXPECT_EQ(parser.request().Count("Host"), 1u);
  EXPECT_TRUE(parser.keep_alive());
}

TEST(HttpParserTest, TellsWhoWaitsForContinue) {
  HttpParser waits;
  waits.Put("POST / HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_TRUE(waits.WaitsForContinue());
  waits.Put("a");
  EXPECT_FALSE(waits.WaitsForContinue());
  HttpParser old;
  old.Put("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_FALSE(old.WaitsForContinue());
  HttpParser unfinished;
  unfinished.Put("POST / HTTP/1.1\r\nExpect: 100-continue\r\n");
  EXPECT_FALSE(unfinished.WaitsForContinue());
}

}  // namespace
}  // namespace relay
