#include "ingress/node/http1_head_check.h"

#include <algorithm>

#include "ingress/node/http_syntax.h"

namespace ingress {
namespace {

namespace text = relay::text;

constexpr std::string_view kLineEnd = "\r\n";

// `https://host/path`: what is behind the scheme is checked with the Host that it must equal.
bool IsTarget(std::string_view target) {
  return IsOriginForm(target) ||
         (text::StartsWithIgnoreCase(target, "https://") && std::all_of(target.begin(), target.end(), IsTargetChar));
}

std::optional<HttpRefusal> CheckRequestLine(std::string_view line) {
  const size_t method_end = line.find(' ');
  const size_t target_end = line.rfind(' ');
  if (method_end == line.npos || target_end == method_end) return HttpRefusal::Malformed("malformed request line");
  const std::string_view method = line.substr(0, method_end);
  const std::string_view target = line.substr(method_end + 1, target_end - method_end - 1);
  const std::string_view version = line.substr(target_end + 1);
  if (method.size() > kMaxMethod || !IsToken(method)) return HttpRefusal::Malformed("malformed method");
  if (!IsTarget(target)) return HttpRefusal::Malformed("malformed request target");
  if (version == "HTTP/1.1" || version == "HTTP/1.0") return std::nullopt;
  if (version == "HTTP/2.0") return HttpRefusal{.status = 505, .smuggling = false, .line = "HTTP/2 is for ALPN h2"};
  return HttpRefusal::Malformed("malformed HTTP version");
}

}  // namespace

size_t LineScanner::Put(std::string_view bytes) {
  size_t taken = 0;
  while (taken < bytes.size() && state_ == State::kMore) {
    const char c = bytes[taken++];
    if (after_cr_) {
      if (c != '\n') {
        state_ = State::kBad;
      } else if (line_is_empty_) {
        state_ = State::kEnd;
      }
      after_cr_ = false;
      line_is_empty_ = true;
      continue;
    }
    if (c == '\r') {
      after_cr_ = true;
    } else if (IsValueChar(c)) {
      line_is_empty_ = false;
    } else {
      state_ = State::kBad;
    }
  }
  return taken;
}

std::optional<HttpRefusal> CheckFieldLines(std::string_view lines,
                                           const std::function<void(std::string_view, std::string_view)>& field) {
  for (size_t count = 0; !lines.empty(); ++count) {
    if (count == kMaxHttpFields)
      return HttpRefusal{.status = 431, .smuggling = false, .line = "too many header fields"};
    const size_t end = lines.find(kLineEnd);
    if (end == lines.npos) return HttpRefusal::Malformed("malformed header field");
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(end + kLineEnd.size());
    if (line.starts_with(' ') || line.starts_with('\t')) return HttpRefusal::Smuggling("folded header field");
    const size_t colon = line.find(':');
    if (colon == line.npos) return HttpRefusal::Smuggling("malformed header field");
    const std::string_view name = line.substr(0, colon);
    if (!IsToken(name)) return HttpRefusal::Smuggling("malformed header field");  // Nor is a blank before the colon.
    const std::string_view value = text::Trim(line.substr(colon + 1));
    if (!IsFieldValue(value)) return HttpRefusal::Smuggling("control character");
    field(name, value);
  }
  return std::nullopt;
}

std::optional<HttpRefusal> CheckHead(std::string_view head) {
  const size_t line_end = head.find(kLineEnd);
  if (line_end == head.npos || !head.ends_with("\r\n\r\n")) return HttpRefusal::Malformed("malformed request");
  if (auto refusal = CheckRequestLine(head.substr(0, line_end))) return refusal;
  head.remove_prefix(line_end + kLineEnd.size());
  head.remove_suffix(kLineEnd.size());
  return CheckFieldLines(head, [](std::string_view, std::string_view) {});
}

}  // namespace ingress
