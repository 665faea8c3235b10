#include "relay/control/http_parser.h"

#include <boost/beast/http/basic_parser.hpp>
#include <optional>
#include <utility>

#include "relay/control/text.h"

namespace relay {
namespace {

namespace http = boost::beast::http;
using boost::beast::error_code;
using BeastView = boost::beast::string_view;

// Keeps what the parser finds in one string, which a connection reuses: a request costs no allocation.
struct Storage {
  struct Range {
    size_t at, size;
  };
  struct FieldRange {
    Range name, value;
  };

  std::string text;
  Range method{0, 0}, target{0, 0};
  std::vector<FieldRange> fields;
  std::string body;
  bool http11 = true;
  bool chunked = false;
  bool keep_alive = false;
  bool head_done = false;

  Range Keep(BeastView view) {
    const Range range{text.size(), view.size()};
    text.append(view.data(), view.size());
    return range;
  }
  std::string_view View(Range range) const { return std::string_view(text).substr(range.at, range.size); }
};

class RequestParser : public http::basic_parser<true> {
 public:
  explicit RequestParser(Storage& storage) : storage_(storage) {
    header_limit(kMaxHeadBytes);
    body_limit(kMaxBodyBytes);
    eager(true);
  }

 private:
  void on_request_impl(http::verb, BeastView method, BeastView target, int version, error_code&) override {
    storage_.method = storage_.Keep(method);
    storage_.target = storage_.Keep(target);
    storage_.http11 = version >= 11;
  }
  void on_response_impl(int, BeastView, int, error_code&) override {}
  // The parser calls this for trailer fields too: those are never taken for header fields (RFC 9110 section 6.5.1).
  void on_field_impl(http::field field, BeastView name, BeastView value, error_code& ec) override {
    if (storage_.head_done) return;
    if (field == http::field::transfer_encoding && !IsOneChunked(value)) ec = http::error::bad_transfer_encoding;
    const Storage::Range kept_name = storage_.Keep(name);
    storage_.fields.push_back({kept_name, storage_.Keep(value)});
  }
  void on_header_impl(error_code&) override {
    storage_.head_done = true;
    storage_.keep_alive = keep_alive();  // Now: no trailer field changes it.
  }
  void on_body_init_impl(const boost::optional<uint64_t>&, error_code&) override {}
  size_t on_body_impl(BeastView body, error_code&) override {
    storage_.body.append(body.data(), body.size());
    return body.size();
  }
  void on_chunk_header_impl(uint64_t, BeastView, error_code&) override {}
  size_t on_chunk_body_impl(uint64_t, BeastView body, error_code&) override {
    storage_.body.append(body.data(), body.size());
    return body.size();
  }
  void on_finish_impl(error_code&) override {}

  // Whatever else frames a body, another reader of the same bytes may see other requests in them (RFC 9112 sections 6.1
  // and 6.3).
  bool IsOneChunked(BeastView value) {
    const std::string_view coding = text::Trim({value.data(), value.size()});
    return storage_.http11 && !std::exchange(storage_.chunked, true) && text::EqualsIgnoreCase(coding, "chunked");
  }

  Storage& storage_;
};

}  // namespace

class HttpParser::Impl {
 public:
  Impl() { Reset(); }

  void Reset() {
    parser.emplace(storage);
    storage.text.clear();
    storage.fields.clear();
    storage.body.clear();
    storage.head_done = false;
    storage.chunked = false;
    storage.keep_alive = false;
    request.fields.clear();
    state = State::kReading;
  }

  size_t Put(std::string_view bytes) {
    size_t taken = 0;
    while (state == State::kReading && taken < bytes.size()) {
      error_code ec;
      const size_t n = parser->put(boost::asio::const_buffer(bytes.data() + taken, bytes.size() - taken), ec);
      taken += n;
      if (ec == http::error::need_more) break;
      if (ec == http::error::body_limit) {
        state = State::kBodyTooBig;
      } else if (ec == http::error::header_limit) {
        state = State::kHeadTooBig;
      } else if (ec) {
        state = State::kMalformed;
      } else if (parser->is_done()) {
        state = State::kComplete;
      } else if (n == 0) {
        break;
      }
    }
    if (head_complete()) FillRequest();
    return taken;
  }

  // Of a body that is too big by its own account, the parser does not say that the head is done.
  bool head_complete() const {
    return state == State::kComplete || state == State::kBodyTooBig || (state == State::kReading && storage.head_done);
  }

  void FillRequest() {
    request.method = storage.View(storage.method);
    request.target = storage.View(storage.target);
    request.http11 = storage.http11;
    request.body_too_big = state == State::kBodyTooBig;
    request.body = request.body_too_big ? std::string_view() : std::string_view(storage.body);
    request.fields.clear();
    for (const Storage::FieldRange& field : storage.fields) {
      request.fields.push_back({storage.View(field.name), storage.View(field.value)});
    }
  }

  bool WaitsForContinue() const {
    if (!storage.head_done || !storage.body.empty() || !storage.http11) return false;
    for (const Storage::FieldRange& field : storage.fields) {
      if (text::EqualsIgnoreCase(storage.View(field.name), "Expect")) {
        return text::EqualsIgnoreCase(storage.View(field.value), "100-continue");
      }
    }
    return false;
  }

  Storage storage;
  std::optional<RequestParser> parser;
  HttpRequest request;
  State state = State::kReading;
};

HttpParser::HttpParser() : impl_(std::make_unique<Impl>()) {}
HttpParser::~HttpParser() = default;
size_t HttpParser::Put(std::string_view bytes) { return impl_->Put(bytes); }
HttpParser::State HttpParser::state() const { return impl_->state; }
bool HttpParser::head_complete() const { return impl_->head_complete(); }
bool HttpParser::WaitsForContinue() const { return impl_->WaitsForContinue(); }
bool HttpParser::keep_alive() const { return impl_->storage.keep_alive; }
HttpRequest& HttpParser::request() { return impl_->request; }
void HttpParser::Reset() { impl_->Reset(); }

}  // namespace relay
