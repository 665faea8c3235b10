#include "ingress/node/backend_request.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "ingress/node/http_syntax.h"
#include "relay/control/text.h"

namespace ingress {
namespace {

namespace text = relay::text;

template <size_t n>
bool IsOneOf(std::string_view method, const std::array<std::string_view, n>& methods) {
  return std::find(methods.begin(), methods.end(), method) != methods.end();
}

// Both fronts see to it; but here a stray line end would become a second request.
bool AreFields(const HttpFields& fields) {
  return std::all_of(fields.begin(), fields.end(),
                     [](const auto& field) { return IsToken(field.first) && IsFieldValue(field.second); });
}

void AppendFields(std::string& out, const HttpFields& fields) {
  for (const auto& [name, value] : fields) text::AppendAll(out, name, ": ", value, "\r\n");
}

}  // namespace

BackendRequest::BackendRequest(const RequestHead& head) {
  // RFC 9110 section 9.2.2.
  static constexpr std::array<std::string_view, 6> kIdempotent = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"};
  static constexpr std::array<std::string_view, 3> kMeantToHaveABody = {"POST", "PUT", "PATCH"};
  idempotent_ = IsOneOf(head.method, kIdempotent);
  ended_ = !head.has_body;
  valid_ = IsToken(head.method) && IsOriginForm(head.target) && IsFieldValue(head.authority) && AreFields(head.fields);
  text::AppendAll(head_, head.method, " ", head.target, " HTTP/1.1\r\nHost: ", head.authority, "\r\n");
  AppendFields(head_, head.fields);
  if (head.content_length) {
    text::AppendAll(head_, "Content-Length: ", *head.content_length, "\r\n");
    left_ = head.content_length;
    valid_ = valid_ && (head.has_body || *left_ == 0);
  } else if (head.has_body) {
    head_ += "Transfer-Encoding: chunked\r\n";
  } else if (IsOneOf(head.method, kMeantToHaveABody)) {
    head_ += "Content-Length: 0\r\n";
  }
  if (head.upgrade_websocket) {
    head_ += "Connection: Upgrade\r\nUpgrade: websocket\r\n";
  } else if (head.te_trailers) {
    head_ += "Connection: TE\r\nTE: trailers\r\n";
  }
  head_ += "\r\n";
  Rewind();
}

bool BackendRequest::Put(std::string_view body) {
  if (!valid_ || ended_ || (left_ && body.size() > *left_)) return valid_ = false;
  if (left_) *left_ -= body.size();
  put_ += body.size();
  if (!discard_) body_ += body;
  return true;
}

bool BackendRequest::End(const HttpFields& trailers) {
  if (!valid_ || ended_ || left_.value_or(0) != 0 || !AreFields(trailers)) return valid_ = false;
  ended_ = true;
  if (!left_ && !discard_) {
    end_ = "0\r\n";
    AppendFields(end_, trailers);
    end_ += "\r\n";
  }
  return true;
}

// The body is framed as it is sent: what came meanwhile is one chunk.
std::string_view BackendRequest::Pending() {
  if (wire_at_ == wire_.size()) {
    wire_.clear();
    wire_at_ = 0;
    if (!body_.empty() && left_) {
      wire_ = std::exchange(body_, {});
    } else if (!body_.empty()) {
      char size[20];
      wire_.append(size, std::to_chars(size, size + sizeof(size), body_.size(), 16).ptr);
      text::AppendAll(wire_, "\r\n", std::exchange(body_, {}), "\r\n");
    }
    wire_ += std::exchange(end_, {});
    body_begun_ = body_begun_ || !wire_.empty();
  }
  return std::string_view(wire_).substr(wire_at_);
}

void BackendRequest::Sent(size_t bytes) { wire_at_ += bytes; }

// What waits is at least as much as waits of the body.
size_t BackendRequest::TakeConsumed() {
  const size_t waits = std::min(put_ - consumed_, wire_.size() - wire_at_ + body_.size());
  const size_t more = put_ - waits - consumed_;
  consumed_ += more;
  return more;
}

void BackendRequest::Discard() {
  discard_ = true;
  body_begun_ = true;
  body_.clear();
  end_.clear();
  wire_.clear();
  wire_at_ = 0;
}

}  // namespace ingress
