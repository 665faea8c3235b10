// HTTP/1.1 requests: any split of any bytes gives the same verdict, and what is accepted has one framing: a lenient
// reader, and one that ends lines at line feeds alone, find the same requests in it.
#include <algorithm>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <string>
#include <string_view>
#include <tuple>

#include "ingress/node/http1_request_reader.h"
#include "ingress/node/http_syntax.h"
#include "tests/fuzz/check.h"

namespace {

namespace http = boost::beast::http;
using fuzz::Check;
using ingress::Http1RequestReader;
using State = Http1RequestReader::State;

struct Outcome {
  State state = State::kHead;
  size_t taken = 0;
  size_t head_size = 0;
  std::string method, target, authority, body, refusal;
  ingress::HttpFields fields, trailers;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

// The first request; the bytes come `piece` at a time, and bodies are taken `max_body` at a time.
Outcome Read(std::string_view bytes, size_t piece, size_t max_body) {
  Http1RequestReader reader;
  Outcome out;
  for (size_t have = 0; have < bytes.size();) {
    have = std::min(bytes.size(), have + piece);
    while (reader.state() == State::kHead || reader.state() == State::kBody) {
      const bool in_head = reader.state() == State::kHead;
      const size_t taken = reader.Read(bytes.substr(out.taken, have - out.taken), max_body);
      Check(taken <= have - out.taken, "it takes what there is");
      Check(reader.piece().size() <= max_body, "pieces are no larger than asked for");
      out.taken += taken;
      out.body += reader.piece();
      if (in_head && reader.state() != State::kHead && reader.state() != State::kRefused) {
        out.head_size = taken;
        const ingress::RequestHead& head = reader.head().request;
        std::tie(out.method, out.target, out.authority, out.fields) =
            std::tie(head.method, head.target, head.authority, head.fields);
      } else if (taken == 0) {
        break;
      }
    }
  }
  out.state = reader.state();
  if (out.state == State::kComplete) out.trailers = reader.trailers();
  if (out.state != State::kRefused) return out;
  // How much was taken before the refusal, and what of the body was given, is the split's.
  Outcome refused;
  refused.state = out.state;
  refused.refusal = reader.refusal().line;
  Check(reader.refusal().status >= 400 && !refused.refusal.empty(), "a refusal has a status and a line");
  return refused;
}

void CheckHead(const Outcome& out, std::string_view head) {
  Check(ingress::IsToken(out.method) && ingress::IsOriginForm(out.target), "method and target are well-formed");
  Check(!out.authority.empty() && ingress::IsFieldValue(out.authority), "there is a Host");
  for (const ingress::HttpFields& fields : {out.fields, out.trailers}) {
    for (const auto& [name, value] : fields) {
      Check(ingress::IsToken(name) && ingress::IsFieldValue(value), "fields are well-formed");
    }
  }
  for (const std::string_view name : {"Content-Length", "Transfer-Encoding", "Host", "Connection", "Upgrade"}) {
    Check(ingress::FindField(out.fields, name) == nullptr, "framing and hop-by-hop fields are not passed on");
    Check(ingress::FindField(out.trailers, name) == nullptr, "nor as trailers");
  }
  Check(std::count(head.begin(), head.end(), '\n') == std::count(head.begin(), head.end(), '\r'),
        "every line ends in one way");
}

// Boost.Beast reads bodies too, more leniently than we do. Where it takes a request at all, it finds the same one.
void CheckWithALenientReader(const Outcome& out, std::string_view bytes) {
  http::request_parser<http::string_body> parser;
  parser.header_limit(1 << 20);
  parser.body_limit(1 << 20);  // It makes room for what a Content-Length says.
  parser.eager(true);
  boost::beast::error_code ec;
  size_t taken = 0;
  while (!parser.is_done() && taken < bytes.size() && !ec) {
    const size_t size = parser.put(boost::asio::const_buffer(bytes.data() + taken, bytes.size() - taken), ec);
    taken += size;
    if (size == 0) break;
  }
  if (ec && ec != http::error::need_more) return;
  Check(parser.is_done() == (out.state == State::kComplete), "the body ends for both");
  if (!parser.is_done()) return;
  Check(taken == out.taken, "it ends at the same byte");
  Check(parser.get().body() == out.body, "it is the same");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Outcome whole = Read(bytes, SIZE_MAX, SIZE_MAX);
  for (const size_t piece : {size_t{1}, size_t{2}, size_t{5}, size_t{64}}) {
    Check(Read(bytes, piece, SIZE_MAX) == whole, "any split gives the same verdict");
    Check(Read(bytes, piece, 3) == whole, "however small a window the body has");
  }
  if (whole.head_size == 0) return 0;
  CheckHead(whole, bytes.substr(0, whole.head_size));
  CheckWithALenientReader(whole, bytes);
  return 0;
}
