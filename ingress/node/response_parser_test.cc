#include "ingress/node/response_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ingress/node/response_fixture.h"
#include "relay/control/text.h"

namespace ingress {
namespace {

using relay::text::Cat;
using testing::ElementsAre;
using testing::Pair;

TEST(ResponseParserTest, Bodies) {
  EXPECT_EQ(ReadResponse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello"), "[200 5 X-A=b]hello alive");
  EXPECT_EQ(ReadResponse("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP"), "[200 0] alive +4");
  EXPECT_EQ(
      ReadResponse(
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n00A;x=y\r\n, my world\r\n0\r\n\r\n"),
      "[200]hello, my world alive");
  EXPECT_EQ(ReadResponse("HTTP/1.1 200 OK\r\n\r\nto the end"), "[200]to the end close");
  EXPECT_EQ(ReadResponse("HTTP/1.0 200 OK\r\n\r\n"), "[200] close");
  EXPECT_EQ(ReadResponse("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx"), "[200 1]x close");
  EXPECT_EQ(ReadResponse("HTTP/1.1 200 \r\nConnection: foo, Close\r\nContent-Length: 1\r\n\r\nx"), "[200 1]x close");
}

TEST(ResponseParserTest, AnswersWithoutABody) {
  EXPECT_EQ(ReadResponse("HTTP/1.1 204 No Content\r\n\r\n"), "[204] alive");
  EXPECT_EQ(ReadResponse("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"), "[204 0] alive");
  EXPECT_EQ(ReadResponse("HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\nETag: x\r\n\r\n"),
            "[304 500 ETag=x] alive");
  EXPECT_EQ(ReadResponse("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", {.head = true}), "[200 500] alive");
  EXPECT_EQ(ReadResponse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", {.head = true}), "[200] alive");
  EXPECT_EQ(ReadResponse("HTTP/1.1 204 No Content\r\nContent-Length: 1\r\n\r\nx"), " bad");
  EXPECT_EQ(ReadResponse("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"), " bad");
}

TEST(ResponseParserTest, Trailers) {
  const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n";
  EXPECT_EQ(ReadResponse(chunked + "Grpc-Status: 0\r\nX: y\r\nContent-Length: 7\r\n\r\n+"),
            "[200]x{Grpc-Status=0}{X=y} alive +1");
  EXPECT_EQ(ReadResponse(chunked + "no colon\r\n\r\n"), "[200]x bad");
  EXPECT_EQ(ReadResponse(chunked + "X: y\r\n folded\r\n\r\n"), "[200]x bad");
  EXPECT_EQ(ReadResponse(chunked + "X: y\r\n"), "[200]x bad");
}

TEST(ResponseParserTest, WhatIsOfTheConnectionStaysHere) {
  EXPECT_EQ(ReadResponse("HTTP/1.1 200 OK\r\nConnection: X-Mine, keep-alive\r\nKeep-Alive: timeout=5\r\nx-mine: 1\r\n"
                         "Proxy-Connection: x\r\nUpgrade: h2c\r\nTrailer: T\r\nTE: x\r\nContent-Length: 0\r\n\r\n"),
            "[200 0] alive");
}

TEST(ResponseParserTest, InformationalHeadsComeBeforeTheAnswer) {
  EXPECT_EQ(ReadResponse("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
                         "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
            "[100][103 Link=x][200 0] alive");
  std::string many;
  for (int i = 0; i <= ResponseParser::kMaxInformational; ++i) many += "HTTP/1.1 103 Early Hints\r\n\r\n";
  EXPECT_TRUE(ReadResponse(many).ends_with(" bad"));
}

TEST(ResponseParserTest, AnUpgradeIsTakenIfItWasAskedFor) {
  const std::string_view upgrade =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
      "x\r\n\r\n\x81";
  EXPECT_EQ(ReadResponse(upgrade, {.upgrade = true}), "[101 Sec-WebSocket-Accept=x] close +1");
  EXPECT_EQ(ReadResponse(upgrade), " bad");
  EXPECT_EQ(ReadResponse("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
                         {.upgrade = true}),
            " bad");
}

TEST(ResponseParserTest, WhatCouldBeReadInTwoWaysIsRefused) {
  const auto with = [](std::string_view fields, std::string_view body = "0\r\n\r\n") {
    return ReadResponse(Cat("HTTP/1.1 200 OK\r\n", fields, "\r\n", body));
  };
  for (const std::string_view fields : {
           "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
           "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
           "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
           "Transfer-Encoding: gzip, chunked\r\n",
           "Transfer-Encoding: chunked, chunked\r\n",
           "Transfer-Encoding: identity\r\n",
           "Transfer-Encoding:\r\n",
           "Transfer-Encoding: xchunked\r\n",
           "Content-Length: 5\r\nContent-Length: 5\r\n",
           "Content-Length: 5, 5\r\n",
           "Content-Length: +5\r\n",
           "Content-Length: -1\r\n",
           "Content-Length: 0x5\r\n",
           "Content-Length:\r\n",
           "Content-Length: 99999999999999999999\r\n",
           "Content-Length : 5\r\n",
           "X: a\r\n Content-Length: 5\r\n",
           "X: a\r\n\tb\r\n",
           "X: a\nContent-Length: 5\r\n",
           "X: a\rContent-Length: 5\r\n",
           "X: a\r\r\n",
           "X\r\n",
           ": x\r\n",
           "X y: z\r\n",
       }) {
    EXPECT_EQ(with(fields), " bad") << fields;
  }
  EXPECT_EQ(with(std::string_view("X: a\0b\r\n", 8)), " bad");
  EXPECT_EQ(ReadResponse("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), " bad");
  for (const std::string_view line :
       {"HTTP/1.1 200 OK\n\r\n", "HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 099 OK\r\n\r\n",
        "ICY 200 OK\r\n\r\n", "\r\nHTTP/1.1 200 OK\r\n\r\n", "\nHTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1  200 OK\r\n\r\n",
        " HTTP/1.1 200 OK\r\n\r\n"}) {
    EXPECT_EQ(ReadResponse(line), " bad") << line;
  }
}

TEST(ResponseParserTest, OddChunksAreRefused) {
  const auto chunks = [](std::string_view bytes) {
    return ReadResponse(Cat("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", bytes));
  };
  for (const std::string_view bytes :
       {"\n0\r\n\r\n", "\r\n0\r\n\r\n", "0\n\r\n", "0\r\n\n", "0x5\r\nhello\r\n0\r\n\r\n", "-1\r\n",
        "+1\r\nx\r\n0\r\n\r\n", " 1\r\nx\r\n0\r\n\r\n", "1 x\r\nx\r\n0\r\n\r\n", "1000000000000000\r\n",
        "fffffffffffffffff\r\n", "0;a\rb\r\n\r\n", ";\r\n", "G\r\n"}) {
    EXPECT_EQ(chunks(bytes), "[200] bad") << bytes;
  }
  EXPECT_EQ(chunks("1\r\nxy\r\n0\r\n\r\n"), "[200]x bad");
  EXPECT_EQ(chunks("1\r\nx\n0\r\n\r\n"), "[200]x bad");
  EXPECT_EQ(chunks(Cat("1;", std::string(ResponseParser::kMaxChunkLine, 'x'), "\r\nx\r\n0\r\n\r\n")), "[200] bad");
  EXPECT_EQ(chunks("1 ; a=b\r\nx\r\n0\r\n\r\n"), "[200]x alive");
}

TEST(ResponseParserTest, CutOffIsNotTheEnd) {
  EXPECT_EQ(ReadResponse(""), " bad");
  EXPECT_EQ(ReadResponse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"), " bad");
  EXPECT_EQ(ReadResponse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"), "[200 5]hell bad");
  EXPECT_EQ(ReadResponse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"), "[200]hello bad");
}

TEST(ResponseParserTest, AHeadHasALimit) {
  const auto with = [](size_t size) {
    const std::string_view front = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: ", back = "\r\n\r\n";
    return Cat(front, std::string(size - front.size() - back.size(), 'x'), back);
  };
  EXPECT_TRUE(ReadResponse(with(ResponseParser::kMaxHead)).ends_with(" alive"));
  EXPECT_EQ(ReadResponse(with(ResponseParser::kMaxHead + 1)), " bad");
  EXPECT_EQ(ReadResponse(std::string(2 * ResponseParser::kMaxHead, 'H'), {}, 1000), " bad");
  EXPECT_EQ(ReadResponse(
                Cat("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", with(ResponseParser::kMaxHead + 1))),
            "[200] bad");
}

TEST(ResponseParserTest, AnySplitReadsTheSame) {
  const std::vector<std::string> responses = {
      "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\na\r\n0123456789\r\n0\r\nX: y\r\n\r\n",
      "HTTP/1.1 200 OK\r\n\r\nto the end",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n",
      "HTTP/1.1 200 OK\r\nX: y\r\n folded\r\n\r\n",
  };
  for (const std::string& response : responses) {
    const std::string whole = ReadResponse(response);
    for (size_t step = 1; step < response.size(); ++step) EXPECT_EQ(ReadResponse(response, {}, step), whole) << step;
  }
}

}  // namespace
}  // namespace ingress
