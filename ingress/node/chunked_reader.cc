#include "ingress/node/chunked_reader.h"

#include <algorithm>

#include "ingress/node/http_syntax.h"

namespace ingress {
namespace {

// -1: not a hexadecimal digit.
int HexValue(char c) {
  if (relay::text::IsDigit(c)) return c - '0';
  const char lower = relay::text::Lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

ChunkedReader::Piece ChunkedReader::Read(std::string_view bytes, size_t max_data) {
  size_t at = 0;
  while (at < bytes.size() && state_ == State::kReading) {
    if (at_ == At::kData) {
      const std::string_view data = bytes.substr(at, std::min<uint64_t>(left_, max_data));
      left_ -= data.size();
      if (left_ == 0) at_ = At::kDataCr;
      return {.taken = at + data.size(), .data = data};
    }
    if (at_ == At::kTrailers) {
      at += TakeTrailers(bytes.substr(at));
    } else {
      Take(bytes[at++]);
    }
  }
  return {.taken = at, .data = {}};
}

void ChunkedReader::Take(char c) {
  switch (at_) {
    case At::kSize:
      return TakeSize(c);
    case At::kExtension:
      return TakeExtension(c);
    case At::kSizeEnd:
      return Expect(c, '\n', left_ == 0 ? At::kTrailers : At::kData);
    case At::kDataCr:
      return Expect(c, '\r', At::kDataLf);
    case At::kDataLf:
      Expect(c, '\n', At::kSize);
      digits_ = 0;
      return;
    case At::kData:
    case At::kTrailers:
      return;  // Not byte by byte: Read.
  }
}

void ChunkedReader::TakeSize(char c) {
  if (const int value = HexValue(c); value >= 0) {
    if (++digits_ > kMaxSizeDigits) return Refuse("chunk too large");
    left_ = left_ * 16 + static_cast<uint64_t>(value);
    return;
  }
  if (digits_ == 0) return Refuse("malformed chunk size");
  if (c == ';') {
    at_ = At::kExtension;
    extension_ = 0;
    return;
  }
  Expect(c, '\r', At::kSizeEnd);
}

void ChunkedReader::TakeExtension(char c) {
  if (c == '\r') {
    at_ = At::kSizeEnd;
  } else if (c != ';' && c != '=' && !IsTokenChar(c)) {
    Refuse("malformed chunk extension");
  } else if (++extension_ > kMaxExtension || ++extensions_ > kMaxExtensions) {
    Refuse("chunk extension too long");
  }
}

size_t ChunkedReader::TakeTrailers(std::string_view bytes) {
  const size_t taken = trailer_lines_.Put(bytes.substr(0, kMaxTrailers + 1 - trailer_text_.size()));
  trailer_text_ += bytes.substr(0, taken);
  if (trailer_lines_.state() == LineScanner::State::kBad) {
    Refuse("malformed trailers");
  } else if (trailer_text_.size() > kMaxTrailers) {
    state_ = State::kBad;
    refusal_ = {.status = 431, .smuggling = false, .line = "trailers too large"};
  } else if (trailer_lines_.state() == LineScanner::State::kEnd) {
    FinishTrailers();
  }
  return taken;
}

void ChunkedReader::FinishTrailers() {
  static constexpr size_t kEmptyLine = 2;
  const std::string_view lines = std::string_view(trailer_text_).substr(0, trailer_text_.size() - kEmptyLine);
  const auto refusal = CheckFieldLines(
      lines, [this](std::string_view name, std::string_view value) { trailers_.emplace_back(name, value); });
  state_ = refusal ? State::kBad : State::kDone;
  if (refusal) refusal_ = *refusal;
  trailer_text_ = {};
}

void ChunkedReader::Expect(char c, char expected, At next) {
  if (c != expected) return Refuse("malformed chunk");
  at_ = next;
}

void ChunkedReader::Refuse(std::string_view line) {
  state_ = State::kBad;
  refusal_ = {.status = 400, .smuggling = true, .line = line};
}

}  // namespace ingress
