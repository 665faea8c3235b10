#include "ingress/frontend/ingress_answer.h"

#include <algorithm>

#include "relay/control/text.h"

namespace ingress {
namespace {

using relay::text::IsDigit;

// `HTTP/1.` DIGIT SP 3DIGIT (SP | CR), RFC 9112 section 4.
constexpr std::string_view kVersion = "HTTP/1.";
constexpr size_t kStatusAt = kVersion.size() + 2;
constexpr size_t kStatusEnd = kStatusAt + 3;

// Whether a status line may begin so.
bool BeginsLikeStatusLine(std::string_view bytes) {
  const size_t size = std::min(bytes.size(), kStatusEnd + 1);
  for (size_t i = 0; i < size; ++i) {
    const char c = bytes[i];
    bool fits = false;
    if (i < kVersion.size()) {
      fits = c == kVersion[i];
    } else if (i == kStatusAt - 1) {
      fits = c == ' ';
    } else if (i == kStatusAt) {
      fits = c >= '1' && c <= '9';
    } else if (i == kStatusEnd) {
      fits = c == ' ' || c == '\r';
    } else {
      fits = IsDigit(c);
    }
    if (!fits) return false;
  }
  return true;
}

}  // namespace

std::string IngressRequest(const disco::AddrPort& peerapi, const disco::AddrPort& client, std::string_view name,
                           uint16_t port) {
  return relay::text::Cat("POST /v0/ingress HTTP/1.1\r\nHost: ", peerapi.ToString(),
                          "\r\nTailscale-Ingress-Src: ", client.ToString(), "\r\nTailscale-Ingress-Target: ", name, ":",
                          port, "\r\nContent-Length: 0\r\n\r\n");
}

IngressAnswer ReadIngressAnswer(std::string_view bytes) {
  constexpr std::string_view kEnd = "\r\n\r\n";
  IngressAnswer answer;
  if (!BeginsLikeStatusLine(bytes)) {
    answer.state = IngressAnswer::State::kMalformed;
    return answer;
  }
  const size_t end = bytes.substr(0, kMaxIngressAnswerHead).find(kEnd);
  if (end != std::string_view::npos) {
    answer.state = IngressAnswer::State::kDone;
    for (const char digit : bytes.substr(kStatusAt, 3)) answer.status = answer.status * 10 + (digit - '0');
    answer.head_size = end + kEnd.size();
  } else if (bytes.size() >= kMaxIngressAnswerHead) {
    answer.state = IngressAnswer::State::kMalformed;
  }
  return answer;
}

}  // namespace ingress
