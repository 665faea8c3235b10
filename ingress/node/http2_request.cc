#include "ingress/node/http2_request.h"

#include <utility>

#include "ingress/node/forwarded_headers.h"
#include "ingress/node/http_syntax.h"
#include "relay/control/text.h"

namespace ingress {

namespace text = relay::text;

bool Http2Request::Add(std::string_view name, std::string_view value) {
  constexpr size_t kFieldOverhead = 32;  // RFC 9113 section 6.5.2.
  size_ += name.size() + value.size() + kFieldOverhead;
  if (size_ <= kMaxHead) Keep(name, value);
  return size_ <= kMostRead;
}

// Names are lower-case here.
void Http2Request::Keep(std::string_view name, std::string_view value) {
  if (finished_) {
    trailers_.emplace_back(name, value);
  } else if (name == ":method") {
    method_ = value;
  } else if (name == ":path") {
    path_ = value;
  } else if (name == ":authority") {
    authority_ = value;
  } else if (name.starts_with(':')) {
    // :scheme. It is TLS, whatever it says.
  } else if (name == "host") {
    host_ = value;
    ++hosts_;
  } else if (name == "cookie") {  // One field again for HTTP/1.1 (RFC 9113 section 8.2.3).
    text::AppendAll(cookies_, cookies_.empty() ? "" : "; ", value);
  } else if (name == "content-length") {
    head_.content_length = text::ParseNumber<uint64_t>(value);
  } else if (name == "te") {
    head_.te_trailers = text::EqualsIgnoreCase(value, "trailers");
  } else if (name == "expect") {
    expect_continue_ = text::EqualsIgnoreCase(value, "100-continue");
  } else {
    head_.fields.emplace_back(name, value);
  }
}

std::variant<RequestHead, int> Http2Request::Finish(bool has_body) {
  finished_ = true;
  if (size_ > kMaxHead) return 431;
  if (method_ == "CONNECT") return 405;
  // Both are there only if they say the same (RFC 9113 section 8.3.1); who reads the one is not to differ from who
  // reads the other.
  if (hosts_ > 1 || (hosts_ == 1 && !authority_.empty() && !text::EqualsIgnoreCase(host_, authority_))) {
    return 400;
  }
  if (authority_.empty()) authority_ = host_;
  if (!IsToken(method_) || !IsOriginForm(path_)) return 400;
  if (authority_.empty() || !IsFieldValue(authority_) || authority_.find_first_of(" \t") != authority_.npos) return 400;
  head_.method = method_;
  head_.target = std::move(path_);
  head_.authority = std::move(authority_);
  if (!cookies_.empty()) head_.fields.emplace_back("cookie", std::move(cookies_));
  RemoveHopByHop(head_.fields);
  head_.has_body = has_body;
  head_.http2 = true;
  size_ = 0;  // Trailers have a limit of their own.
  return std::move(head_);
}

HttpFields Http2Request::TakeTrailers() {
  if (size_ > kMaxHead) trailers_.clear();
  CleanTrailers(trailers_);
  return std::exchange(trailers_, {});
}

}  // namespace ingress
