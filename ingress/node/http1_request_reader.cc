#include "ingress/node/http1_request_reader.h"

#include <algorithm>
#include <utility>

#include "ingress/node/forwarded_headers.h"

namespace ingress {

size_t Http1RequestReader::Read(std::string_view bytes, size_t max_body) {
  piece_ = {};
  if (state_ == State::kHead) return ReadHead(bytes);
  if (state_ == State::kBody) return ReadBody(bytes, max_body);
  return 0;
}

size_t Http1RequestReader::ReadHead(std::string_view bytes) {
  bytes = bytes.substr(0, kMaxHttp1Head);
  scanned_ += head_lines_.Put(bytes.substr(scanned_));
  switch (head_lines_.state()) {
    case LineScanner::State::kMore:
      if (scanned_ == kMaxHttp1Head) Refuse({.status = 431, .smuggling = false, .line = "request header too large"});
      return 0;
    case LineScanner::State::kBad:
      Refuse({.status = 400, .smuggling = true, .line = "control character"});
      return 0;
    case LineScanner::State::kEnd:
      break;
  }
  auto parsed = ParseHttp1Head(bytes.substr(0, scanned_));
  if (const auto* const refusal = std::get_if<HttpRefusal>(&parsed)) {
    Refuse(*refusal);
    return 0;
  }
  head_ = std::get<Http1Head>(std::move(parsed));
  left_ = head_.request.content_length.value_or(0);
  state_ = head_.request.has_body ? State::kBody : State::kComplete;
  return scanned_;
}

size_t Http1RequestReader::ReadBody(std::string_view bytes, size_t max_body) {
  if (!head_.chunked) {
    piece_ = bytes.substr(0, std::min<uint64_t>(left_, max_body));
    left_ -= piece_.size();
    if (left_ == 0) state_ = State::kComplete;
    return piece_.size();
  }
  const ChunkedReader::Piece piece = chunks_.Read(bytes, max_body);
  piece_ = piece.data;
  if (chunks_.state() == ChunkedReader::State::kBad) {
    Refuse(chunks_.refusal());
  } else if (chunks_.state() == ChunkedReader::State::kDone) {
    CleanTrailers(chunks_.trailers());
    state_ = State::kComplete;
  }
  return piece.taken;
}

void Http1RequestReader::Refuse(const HttpRefusal& refusal) {
  state_ = State::kRefused;
  refusal_ = refusal;
}

}  // namespace ingress
