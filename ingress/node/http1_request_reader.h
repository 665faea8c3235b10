// Reads HTTP/1 requests from bytes, as they come: the head when it is whole, then the body in pieces. No I/O.
#ifndef RELAYD_INGRESS_NODE_HTTP1_REQUEST_READER_H_
#define RELAYD_INGRESS_NODE_HTTP1_REQUEST_READER_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "ingress/node/chunked_reader.h"
#include "ingress/node/http1_head.h"
#include "ingress/node/http1_head_check.h"
#include "ingress/node/http_exchange.h"

namespace ingress {

class Http1RequestReader {
 public:
  enum class State : uint8_t {
    kHead,      // It is not whole.
    kBody,      // head() is there.
    kComplete,  // And the body, with its trailers.
    kRefused,   // From here on there is no request.
  };

  // Takes from the front of `bytes` and returns how many; what it leaves is given again, with more behind it. Stops
  // behind the head. In kBody, takes up to and with one piece of the body of at most `max_body` bytes, which piece()
  // is then a view of.
  size_t Read(std::string_view bytes, size_t max_body);
  State state() const { return state_; }
  Http1Head& head() { return head_; }
  std::string_view piece() const { return piece_; }
  const HttpFields& trailers() { return chunks_.trailers(); }  // kComplete. Clean.
  const HttpRefusal& refusal() const { return refusal_; }      // kRefused.
  // Something of the request is here. (Of a head, what is not taken has been looked at all the same.)
  bool has_begun() const { return scanned_ > 0 || state_ != State::kHead; }

 private:
  size_t ReadHead(std::string_view bytes);
  size_t ReadBody(std::string_view bytes, size_t max_body);
  void Refuse(const HttpRefusal& refusal);

  State state_ = State::kHead;
  LineScanner head_lines_{false};
  size_t scanned_ = 0;  // Of the head.
  Http1Head head_;
  uint64_t left_ = 0;  // Of a body with a length.
  ChunkedReader chunks_;
  std::string_view piece_;
  HttpRefusal refusal_{};
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_HTTP1_REQUEST_READER_H_
