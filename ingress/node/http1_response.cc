#include "ingress/node/http1_response.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "ingress/node/forwarded_headers.h"
#include "ingress/node/http_syntax.h"

namespace ingress {
namespace {

namespace text = relay::text;

constexpr std::string_view kLineEnd = "\r\n";

bool MaySend(const std::pair<std::string, std::string>& field) {
  return IsToken(field.first) && IsFieldValue(field.second) && !IsHopByHop(field.first) &&
         !text::EqualsIgnoreCase(field.first, "Content-Length");
}

void AppendFields(const HttpFields& fields, std::string& out) {
  for (const auto& field : fields) {
    if (MaySend(field)) text::AppendAll(out, field.first, ": ", field.second, kLineEnd);
  }
}

void AppendStatus(int status, std::string& out) {
  text::AppendAll(out, "HTTP/1.1 ", status, " ", HttpReason(status), kLineEnd);
}

}  // namespace

BodyFraming FramingOf(const ResponseHead& head, bool to_head, bool http11) {
  if (to_head || head.status < 200 || head.status == 204 || head.status == 304) return BodyFraming::kNone;
  if (head.content_length) return BodyFraming::kLength;
  return http11 ? BodyFraming::kChunked : BodyFraming::kToClose;
}

void AppendHead(const ResponseHead& head, BodyFraming framing, bool close, std::string& out) {
  AppendStatus(head.status, out);
  AppendFields(head.fields, out);
  // To HEAD, and with 304, it says what GET would have (RFC 9110 section 8.6); 1xx and 204 must not say it.
  if (head.content_length && head.status >= 200 && head.status != 204) {
    text::AppendAll(out, "Content-Length: ", *head.content_length, kLineEnd);
  }
  if (framing == BodyFraming::kChunked) out += "Transfer-Encoding: chunked\r\n";
  if (close) out += "Connection: close\r\n";
  out += kLineEnd;
}

void AppendUpgrade(const ResponseHead& head, std::string& out) {
  AppendStatus(101, out);
  AppendFields(head.fields, out);
  out += "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
}

void AppendChunk(std::string_view data, std::string& out) {
  char digits[16];
  char* const end = std::to_chars(digits, digits + sizeof(digits), data.size(), 16).ptr;
  out.append(digits, static_cast<size_t>(end - digits));
  text::AppendAll(out, kLineEnd, data, kLineEnd);
}

void AppendLastChunk(const HttpFields& trailers, std::string& out) {
  out += "0\r\n";
  AppendFields(trailers, out);
  out += kLineEnd;
}

bool Http1Answer::Head(const ResponseHead& head, bool close, std::string& out) {
  if (head.status < 200) {
    const bool wanted =
        http11_ && head.status != 101 && (head.status != 100 || std::exchange(expects_continue_, false));
    if (wanted) AppendHead(head, BodyFraming::kNone, false, out);
    return false;
  }
  has_head_ = true;
  framing_ = FramingOf(head, to_head_, http11_);
  left_ = head.content_length.value_or(0);
  AppendHead(head, framing_, close, out);
  return true;
}

std::optional<size_t> Http1Answer::Body(std::string_view bytes, size_t room, std::string& out) {
  if (framing_ == BodyFraming::kNone) return bytes.size();
  if (framing_ == BodyFraming::kLength && bytes.size() > left_) return std::nullopt;
  const std::string_view taken = bytes.substr(0, room - std::min(room, kMaxChunkOverhead));
  if (taken.empty()) return 0;
  if (framing_ == BodyFraming::kChunked) {
    AppendChunk(taken, out);
    return taken.size();
  }
  out += taken;
  left_ -= framing_ == BodyFraming::kLength ? taken.size() : 0;
  return taken.size();
}

bool Http1Answer::Finish(const HttpFields& trailers, std::string& out) {
  if (!has_head_ || (framing_ == BodyFraming::kLength && left_ > 0)) return false;
  if (framing_ == BodyFraming::kChunked) AppendLastChunk(trailers, out);
  return true;
}

std::string_view HttpReason(int status) {
  static constexpr std::array<std::pair<int, std::string_view>, 42> kReasons = {{
      {100, "Continue"},
      {101, "Switching Protocols"},
      {103, "Early Hints"},
      {200, "OK"},
      {201, "Created"},
      {202, "Accepted"},
      {203, "Non-Authoritative Information"},
      {204, "No Content"},
      {205, "Reset Content"},
      {206, "Partial Content"},
      {300, "Multiple Choices"},
      {301, "Moved Permanently"},
      {302, "Found"},
      {303, "See Other"},
      {304, "Not Modified"},
      {307, "Temporary Redirect"},
      {308, "Permanent Redirect"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {402, "Payment Required"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {406, "Not Acceptable"},
      {408, "Request Timeout"},
      {409, "Conflict"},
      {410, "Gone"},
      {411, "Length Required"},
      {412, "Precondition Failed"},
      {413, "Content Too Large"},
      {414, "URI Too Long"},
      {415, "Unsupported Media Type"},
      {416, "Range Not Satisfiable"},
      {417, "Expectation Failed"},
      {421, "Misdirected Request"},
      {422, "Unprocessable Content"},
      {429, "Too Many Requests"},
      {431, "Request Header Fields Too Large"},
      {500, "Internal Server Error"},
      {502, "Bad Gateway"},
      {503, "Service Unavailable"},
      {504, "Gateway Timeout"},
  }};
  const auto* const found = std::find_if(kReasons.begin(), kReasons.end(), [&](auto& r) { return r.first == status; });
  return found == kReasons.end() ? std::string_view() : found->second;
}

}  // namespace ingress
