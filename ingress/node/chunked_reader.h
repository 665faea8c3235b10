// Takes the chunked coding off a body (RFC 9112 section 7.1), strictly: what decoders disagree on is refused.
#ifndef RELAYD_INGRESS_NODE_CHUNKED_READER_H_
#define RELAYD_INGRESS_NODE_CHUNKED_READER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "ingress/node/http1_head_check.h"
#include "ingress/node/http_exchange.h"

namespace ingress {

class ChunkedReader {
 public:
  static constexpr size_t kMaxSizeDigits = 15;  // 2^60 - 1: no sum with it overflows.
  // A chunk's. Nothing is done with extensions. Quoted ones are refused: readers disagree on where they end, and nobody
  // sends any.
  static constexpr size_t kMaxExtension = 256;
  static constexpr size_t kMaxExtensions = 16'384;  // A body's: else a byte a chunk would carry 256 for nothing.
  static constexpr size_t kMaxTrailers = 8'192;

  enum class State : uint8_t { kReading, kDone, kBad };
  struct Piece {
    size_t taken = 0;
    std::string_view data;  // Of the body, a view of `bytes`; may be empty.
  };

  // Takes from the front of `bytes`, up to and with one piece of at most `max_data` bytes of data. Takes nothing:
  // `bytes` is empty, the state is not kReading, or data comes and max_data is 0.
  Piece Read(std::string_view bytes, size_t max_data);
  State state() const { return state_; }
  HttpRefusal refusal() const { return refusal_; }  // kBad.
  HttpFields& trailers() { return trailers_; }      // kDone.

 private:
  enum class At : uint8_t { kSize, kExtension, kSizeEnd, kData, kDataCr, kDataLf, kTrailers };

  void Take(char c);
  void TakeSize(char c);
  void TakeExtension(char c);
  size_t TakeTrailers(std::string_view bytes);
  void FinishTrailers();
  void Expect(char c, char expected, At next);
  void Refuse(std::string_view line);

  State state_ = State::kReading;
  At at_ = At::kSize;
  uint64_t left_ = 0;  // Of the chunk's size, as read so far, or of its data.
  size_t digits_ = 0, extension_ = 0, extensions_ = 0;
  LineScanner trailer_lines_{true};
  std::string trailer_text_;
  HttpFields trailers_;
  HttpRefusal refusal_{};
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_CHUNKED_READER_H_
