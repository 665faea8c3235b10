#include "ingress/frontend/ingress_answer.h"

#include <gtest/gtest.h>

namespace ingress {
namespace {

using State = IngressAnswer::State;
using disco::AddrPort;

TEST(IngressAnswerTest, TheRequestHasTheseHeadersAndNoOthers) {
  EXPECT_EQ(
      IngressRequest(*AddrPort::Parse("198.19.0.7:9640"), *AddrPort::Parse("[2001:db8::5]:1234"), "node.example", 8443),
      "POST /v0/ingress HTTP/1.1\r\n"
      "Host: 198.19.0.7:9640\r\n"
      "Tailscale-Ingress-Src: [2001:db8::5]:1234\r\n"
      "Tailscale-Ingress-Target: node.example:8443\r\n"
      "Content-Length: 0\r\n\r\n");
}

TEST(IngressAnswerTest, ReadsAStatusAndWhereTheStreamBegins) {
  const struct {
    std::string_view what, bytes;
    State state;
    int status;
    size_t head_size;
  } rows[] = {
      {"the usual one", "HTTP/1.1 101 Switching Protocols\r\n\r\n", State::kDone, 101, 36},
      {"bytes behind it", "HTTP/1.1 101 Switching Protocols\r\n\r\nabc\r\n\r\n", State::kDone, 101, 36},
      {"headers", "HTTP/1.1 101 x\r\nUpgrade: y\r\n\r\n", State::kDone, 101, 30},
      {"a refusal", "HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\n\r\ndenied\n", State::kDone, 403, 45},
      {"without a reason", "HTTP/1.1 503\r\n\r\n", State::kDone, 503, 16},
      {"HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\n", State::kDone, 200, 19},
      {"nothing yet", "", State::kReading, 0, 0},
      {"half a version", "HTTP/1", State::kReading, 0, 0},
      {"half an end", "HTTP/1.1 101 Switching Protocols\r\n\r", State::kReading, 0, 0},
      {"bare line feeds end nothing", "HTTP/1.1 101 Switching Protocols\n\n", State::kReading, 0, 0},
      {"another protocol", "SSH-2.0-x\r\n", State::kMalformed, 0, 0},
      {"HTTP/2", "HTTP/2 200\r\n\r\n", State::kMalformed, 0, 0},
      {"a status of two digits", "HTTP/1.1 99 x\r\n\r\n", State::kMalformed, 0, 0},
      {"a status of four digits", "HTTP/1.1 1010\r\n\r\n", State::kMalformed, 0, 0},
      {"a status below 100", "HTTP/1.1 010 x\r\n\r\n", State::kMalformed, 0, 0},
      {"letters", "HTTP/1.1 1a1 x\r\n\r\n", State::kMalformed, 0, 0},
  };
  for (const auto& row : rows) {
    const IngressAnswer answer = ReadIngressAnswer(row.bytes);
    EXPECT_EQ(answer.state, row.state) << row.what;
    EXPECT_EQ(answer.status, row.status) << row.what;
    EXPECT_EQ(answer.head_size, row.head_size) << row.what;
  }
}

TEST(IngressAnswerTest, AHeadIsAtMostSoLong) {
  const std::string line = "HTTP/1.1 101 x\r\n";
  const std::string end = "\r\n\r\n";
  const std::string longest =
      line + "a: " + std::string(kMaxIngressAnswerHead - line.size() - 3 - end.size(), 'b') + end;
  EXPECT_EQ(ReadIngressAnswer(longest).state, State::kDone);
  EXPECT_EQ(ReadIngressAnswer(longest).head_size, kMaxIngressAnswerHead);
  const std::string longer = line + "aa: " + longest.substr(line.size() + 3);
  EXPECT_EQ(ReadIngressAnswer(longer).state, State::kMalformed);
  EXPECT_EQ(ReadIngressAnswer(longest.substr(0, kMaxIngressAnswerHead - 1)).state, State::kReading);
}

TEST(IngressAnswerTest, AnySplitGivesTheSameVerdict) {
  const std::string whole = "HTTP/1.1 502 Bad Gateway\r\nA: b\r\n\r\nrest";
  const size_t head = whole.size() - 4;
  for (size_t size = 0; size <= whole.size(); ++size) {
    EXPECT_EQ(ReadIngressAnswer(whole.substr(0, size)).state, size < head ? State::kReading : State::kDone) << size;
  }
}

}  // namespace
}  // namespace ingress
