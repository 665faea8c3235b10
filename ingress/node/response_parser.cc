#include "ingress/node/response_parser.h"

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/none.hpp>
#include <string>
#include <utility>

#include "ingress/node/forwarded_headers.h"
#include "ingress/node/http_syntax.h"
#include "relay/control/text.h"

namespace ingress {
namespace {

namespace http = boost::beast::http;
namespace text = relay::text;
using boost::beast::error_code;
using BeastView = boost::beast::string_view;

// Beast reads a head that is there whole: the status line, and the fields' grammar. How long the body is we say.
class HeadParser : public http::basic_parser<false> {
 public:
  HeadParser() {
    header_limit(static_cast<uint32_t>(2 * ResponseParser::kMaxHead));  // We have looked already.
    body_limit(boost::none);
    skip(true);
  }

  bool Parse(std::string_view lines) {
    error_code ec;
    const size_t taken = put(boost::asio::const_buffer(lines.data(), lines.size()), ec);
    return !ec && taken == lines.size() && is_header_done();
  }

  HttpFields fields;
  int status = 0, http_version = 0;

 private:
  void on_request_impl(http::verb, BeastView, BeastView, int, error_code&) override {}
  void on_response_impl(int code, BeastView, int its_version, error_code&) override {
    status = code;
    http_version = its_version;
  }
  void on_field_impl(http::field, BeastView name, BeastView value, error_code&) override {
    fields.emplace_back(std::string(name.data(), name.size()), std::string(value.data(), value.size()));
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<uint64_t>&, error_code&) override {}
  size_t on_body_impl(BeastView body, error_code&) override { return body.size(); }
  void on_chunk_header_impl(uint64_t, BeastView, error_code&) override {}
  size_t on_chunk_body_impl(uint64_t, BeastView body, error_code&) override { return body.size(); }
  void on_finish_impl(error_code&) override {}
};

// What goes on to the client: nothing that is for this connection, or that Connection says is, and no framing.
HttpFields EndToEnd(HttpFields fields) {
  RemoveHopByHop(fields);
  RemoveFields(fields, [](std::string_view name) { return text::EqualsIgnoreCase(name, "content-length"); });
  return fields;
}

// Beast would make one value of folded lines; others make two.
bool HasFoldedLine(std::string_view lines) {
  return lines.find("\r\n ") != lines.npos || lines.find("\r\n\t") != lines.npos;
}

}  // namespace

ResponseParser::Event ResponseParser::Next(std::string_view& bytes) {
  switch (state_) {
    case State::kHead:
      return ReadHead(bytes);
    case State::kFixed:
      return TakeBody(bytes, State::kEnd);
    case State::kUntilClose:
      if (bytes.empty()) return Event::kNeedMore;
      body_ = std::exchange(bytes, {});
      return Event::kBody;
    case State::kChunkLine:
      return ReadChunkLine(bytes);
    case State::kChunk:
      return TakeBody(bytes, State::kChunkEnd);
    case State::kChunkEnd:
      return ReadChunkEnd(bytes);
    case State::kTrailers:
      return ReadTrailers(bytes);
    case State::kEnd:
      return Event::kEnd;
    case State::kBad:
      break;
  }
  return Event::kBad;
}

ResponseParser::Event ResponseParser::End() {
  if (state_ == State::kUntilClose) state_ = State::kEnd;
  return state_ == State::kEnd ? Event::kEnd : Bad();
}

ResponseParser::Event ResponseParser::Bad() {
  state_ = State::kBad;
  keep_alive_ = false;
  return Event::kBad;
}

// Looks at each byte once, however they come. Every line ends in CR LF, and neither is anywhere else.
std::string_view ResponseParser::TakeLines(std::string_view& bytes) {
  while (true) {
    const size_t end = bytes.find('\n', seen_);
    if (std::min(end, bytes.size()) >= kMaxHead) {
      Bad();
      return {};
    }
    if (end == bytes.npos) {
      seen_ = bytes.size();
      return {};
    }
    const std::string_view line = bytes.substr(line_, end - line_);
    if (line.empty() || line.find('\r') != line.size() - 1) {
      Bad();
      return {};
    }
    const bool last = line.size() == 1;
    line_ = seen_ = end + 1;
    if (!last) continue;
    const std::string_view lines = bytes.substr(0, line_);
    bytes.remove_prefix(line_);
    line_ = seen_ = 0;
    return lines;
  }
}

ResponseParser::Event ResponseParser::ReadHead(std::string_view& bytes) {
  const std::string_view lines = TakeLines(bytes);
  if (lines.empty()) return state_ == State::kBad ? Event::kBad : Event::kNeedMore;
  HeadParser parser;
  if (HasFoldedLine(lines) || !parser.Parse(lines)) return Bad();
  if (parser.http_version != 10 && parser.http_version != 11) return Bad();
  head_ = ResponseHead{.status = parser.status, .fields = EndToEnd(parser.fields), .content_length = {}};
  if (parser.status == 101) {
    const bool websocket =
        ListsHave(parser.fields, "upgrade", "websocket") && ListsHave(parser.fields, "connection", "upgrade");
    if (!asked_.upgrade || !websocket) return Bad();
    state_ = State::kEnd;
    return Event::kHead;
  }
  if (parser.status < 200) {
    return parser.status < 100 || ++informational_ > kMaxInformational ? Bad() : Event::kHead;
  }
  return Frame(parser.http_version == 11, parser.fields) ? Event::kHead : Bad();
}

// How long the body is (RFC 9112 section 6.3). Nothing that could be read in two ways.
bool ResponseParser::Frame(bool http11, const HttpFields& fields) {
  int codings = 0, lengths = 0;
  bool chunked = false;
  for (const auto& [name, value] : fields) {
    if (text::EqualsIgnoreCase(name, "transfer-encoding")) {
      ++codings;
      chunked = text::EqualsIgnoreCase(text::Trim(value), "chunked");
    } else if (text::EqualsIgnoreCase(name, "content-length")) {
      ++lengths;
      head_.content_length = text::ParseNumber<uint64_t>(text::Trim(value));
      if (!head_.content_length) return false;
    }
  }
  if (codings + lengths > 1 || (codings == 1 && (!chunked || !http11))) return false;
  keep_alive_ = http11 && !ListsHave(fields, "connection", "close");
  if (head_.status == 204 && (chunked || head_.content_length.value_or(0) != 0)) return false;
  left_ = 0;
  if (asked_.head || head_.status == 204 || head_.status == 304) {
    state_ = State::kEnd;
  } else if (chunked) {
    state_ = State::kChunkLine;
  } else if (head_.content_length) {
    left_ = *head_.content_length;
    state_ = left_ == 0 ? State::kEnd : State::kFixed;
  } else {
    keep_alive_ = false;
    state_ = State::kUntilClose;
  }
  return true;
}

ResponseParser::Event ResponseParser::TakeBody(std::string_view& bytes, State then) {
  if (bytes.empty()) return Event::kNeedMore;
  body_ = bytes.substr(0, static_cast<size_t>(std::min<uint64_t>(left_, bytes.size())));
  bytes.remove_prefix(body_.size());
  left_ -= body_.size();
  if (left_ == 0) state_ = then;
  return Event::kBody;
}

ResponseParser::Event ResponseParser::ReadChunkLine(std::string_view& bytes) {
  const size_t end = bytes.substr(0, kMaxChunkLine).find('\n');
  if (end == bytes.npos) return bytes.size() >= kMaxChunkLine ? Bad() : Event::kNeedMore;
  std::string_view line = bytes.substr(0, end);
  if (line.empty() || line.find('\r') != end - 1) return Bad();
  line.remove_suffix(1);
  bytes.remove_prefix(end + 1);
  const size_t digits = std::min(line.find_first_not_of("0123456789abcdefABCDEF"), line.size());
  const std::string_view behind = text::Trim(line.substr(digits));
  if (digits == 0 || digits > 15 || (!behind.empty() && behind.front() != ';')) return Bad();
  std::from_chars(line.data(), line.data() + digits, left_, 16);
  state_ = left_ == 0 ? State::kTrailers : State::kChunk;
  return Next(bytes);
}

ResponseParser::Event ResponseParser::ReadChunkEnd(std::string_view& bytes) {
  constexpr std::string_view kEndOfLine = "\r\n";
  const std::string_view begin = bytes.substr(0, kEndOfLine.size());
  if (begin != kEndOfLine.substr(0, begin.size())) return Bad();
  if (begin.size() < kEndOfLine.size()) return Event::kNeedMore;
  bytes.remove_prefix(kEndOfLine.size());
  state_ = State::kChunkLine;
  return Next(bytes);
}

ResponseParser::Event ResponseParser::ReadTrailers(std::string_view& bytes) {
  const std::string_view lines = TakeLines(bytes);
  if (lines.empty()) return state_ == State::kBad ? Event::kBad : Event::kNeedMore;
  if (lines.size() > 2) {
    HeadParser parser;
    const std::string whole = text::Cat("HTTP/1.1 200 \r\n", lines);
    if (HasFoldedLine(whole) || !parser.Parse(whole)) return Bad();
    trailers_ = std::move(parser.fields);
    RemoveHopByHop(trailers_);
    CleanTrailers(trailers_);
  }
  state_ = State::kEnd;
  return Event::kEnd;
}

}  // namespace ingress
