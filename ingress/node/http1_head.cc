#include "ingress/node/http1_head.h"

#include <boost/beast/http/basic_parser.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "ingress/node/forwarded_headers.h"
#include "ingress/node/http_syntax.h"

namespace ingress {
namespace {

namespace http = boost::beast::http;
namespace text = relay::text;
using boost::beast::error_code;
using BeastView = boost::beast::string_view;

std::string ToString(BeastView view) { return {view.data(), view.size()}; }

// Of the body nothing is given to it.
class HeadParser : public http::basic_parser<true> {
 public:
  explicit HeadParser(Http1Head& head) : head_(head) {
    header_limit(kMaxHttp1Head);
    body_limit(boost::none);
    skip(true);
  }

 private:
  void on_request_impl(http::verb, BeastView method, BeastView target, int version, error_code&) override {
    head_.request.method = ToString(method);
    head_.request.target = ToString(target);
    head_.http11 = version >= 11;
  }
  void on_field_impl(http::field, BeastView name, BeastView value, error_code&) override {
    head_.request.fields.emplace_back(ToString(name), ToString(value));
  }
  void on_response_impl(int, BeastView, int, error_code&) override {}
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<uint64_t>&, error_code&) override {}
  size_t on_body_impl(BeastView body, error_code&) override { return body.size(); }
  void on_chunk_header_impl(uint64_t, BeastView, error_code&) override {}
  size_t on_chunk_body_impl(uint64_t, BeastView body, error_code&) override { return body.size(); }
  void on_finish_impl(error_code&) override {}

  Http1Head& head_;
};

// The one value of a field that may stand there once at most.
struct Single {
  const std::string* value = nullptr;
  bool repeated = false;

  Single(const HttpFields& fields, std::string_view name) {
    for (const auto& [field, text] : fields) {
      if (text::EqualsIgnoreCase(field, name)) repeated |= std::exchange(value, &text) != nullptr;
    }
  }
};

// Exactly one of: no body, one Content-Length of digits, Transfer-Encoding: chunked (RFC 9112 section 6). A repeated
// length is refused even if it says the same, as nobody sends that in good faith.
std::optional<HttpRefusal> ReadFraming(Http1Head& head) {
  const HttpFields& fields = head.request.fields;
  const Single length(fields, "Content-Length");
  const Single encoding(fields, "Transfer-Encoding");
  if (length.value != nullptr && encoding.value != nullptr) return HttpRefusal::Smuggling("two body lengths");
  if (length.repeated || encoding.repeated) return HttpRefusal::Smuggling("two body lengths");
  if (encoding.value != nullptr) {
    if (!head.http11 || !text::EqualsIgnoreCase(*encoding.value, "chunked"))
      return HttpRefusal::Smuggling("bad transfer encoding");
    head.chunked = head.request.has_body = true;
  }
  if (length.value == nullptr) return std::nullopt;
  // 18 digits: sums of it and anything else that is held here stay within 64 bits.
  static constexpr size_t kMaxDigits = 18;
  if (length.value->size() > kMaxDigits) return HttpRefusal::Smuggling("bad content length");
  head.request.content_length = text::ParseNumber<uint64_t>(*length.value);
  if (!head.request.content_length) return HttpRefusal::Smuggling("bad content length");
  head.request.has_body = *head.request.content_length > 0;
  return std::nullopt;
}

// Host, and a target in absolute form, which becomes origin form: both must say the same.
std::optional<HttpRefusal> ReadAuthority(RequestHead& request) {
  const Single host(request.fields, "Host");
  if (host.repeated) return HttpRefusal::Smuggling("two Host fields");
  if (host.value == nullptr || host.value->empty()) return HttpRefusal::Malformed("no Host");
  request.authority = *host.value;
  static constexpr std::string_view kScheme = "https://";
  if (!text::StartsWithIgnoreCase(request.target, kScheme)) {
    if (request.target == "*" && request.method != "OPTIONS") return HttpRefusal::Malformed("malformed request target");
    return std::nullopt;
  }
  const std::string_view rest = std::string_view(request.target).substr(kScheme.size());
  const size_t path = std::min(rest.find_first_of("/?"), rest.size());
  if (!text::EqualsIgnoreCase(rest.substr(0, path), request.authority))
    return HttpRefusal::Smuggling("two authorities");
  request.target =
      rest.substr(path).starts_with('/') ? std::string(rest.substr(path)) : text::Cat("/", rest.substr(path));
  return std::nullopt;
}

void ReadConnection(Http1Head& head) {
  RequestHead& request = head.request;
  head.keep_alive = head.http11 && !ListsHave(request.fields, "Connection", "close");
  request.te_trailers = head.http11 && ListsHave(request.fields, "TE", "trailers");
  request.upgrade_websocket = head.http11 && request.method == "GET" && !request.has_body &&
                              ListsHave(request.fields, "Connection", "upgrade") &&
                              ListsHave(request.fields, "Upgrade", "websocket") &&
                              FindField(request.fields, "Sec-WebSocket-Key") != nullptr;
}

}  // namespace

std::variant<Http1Head, HttpRefusal> ParseHttp1Head(std::string_view bytes) {
  if (const auto refusal = CheckHead(bytes)) return *refusal;
  Http1Head head;
  HeadParser parser(head);
  error_code ec;
  const size_t taken = parser.put(boost::asio::const_buffer(bytes.data(), bytes.size()), ec);
  if (ec == http::error::bad_content_length || ec == http::error::multiple_content_length ||
      ec == http::error::bad_transfer_encoding) {
    return HttpRefusal::Smuggling("bad body length");
  }
  if (ec || taken != bytes.size() || !parser.is_header_done()) return HttpRefusal::Malformed("malformed request");
  if (const auto refusal = ReadFraming(head)) return *refusal;
  if (const auto refusal = ReadAuthority(head.request)) return *refusal;
  const Single expect(head.request.fields, "Expect");
  if (expect.value != nullptr && head.http11) {
    if (expect.repeated || !text::EqualsIgnoreCase(*expect.value, "100-continue")) {
      return HttpRefusal{.status = 417, .smuggling = false, .line = "unknown expectation"};
    }
    head.expect_continue = head.request.has_body;
  }
  ReadConnection(head);
  RemoveHopByHop(head.request.fields);
  RemoveFields(head.request.fields, IsMessageFraming);
  return head;
}

}  // namespace ingress
