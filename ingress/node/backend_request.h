// A request as the bytes that an HTTP/1.1 backend gets, while its body comes.
#ifndef RELAYD_INGRESS_NODE_BACKEND_REQUEST_H_
#define RELAYD_INGRESS_NODE_BACKEND_REQUEST_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ingress/node/http_exchange.h"

namespace ingress {

class BackendRequest {
 public:
  explicit BackendRequest(const RequestHead& head);

  // False: it is not what its head announces, or would not be one request to the backend. Nothing more may be sent.
  bool Put(std::string_view body);
  bool End(const HttpFields& trailers);
  bool valid() const { return valid_; }

  // What is to be sent next; empty: nothing for now. `bytes` of it have been.
  std::string_view Pending();
  void Sent(size_t bytes);
  bool all_sent() const { return ended_ && wire_.size() == wire_at_ && body_.empty() && end_.empty(); }
  // How much of the body has been sent since this was last called.
  size_t TakeConsumed();
  // The backend reads no more: what comes of the body is taken and dropped.
  void Discard();

  // May be sent to another connection, although it may have been received on this one.
  bool is_repeatable() const { return idempotent_ && !body_begun_; }
  void Rewind() { wire_ = head_, wire_at_ = 0; }

 private:
  std::string head_;
  std::string wire_;  // Framed; from wire_at_ on it is yet to be sent.
  size_t wire_at_ = 0;
  std::string body_;               // Not yet framed: small pieces become one chunk.
  std::string end_;                // Behind the body: the last chunk.
  std::optional<uint64_t> left_;   // Of a body of known length; nullopt: chunked.
  size_t put_ = 0, consumed_ = 0;  // Of the body, in all.
  bool idempotent_ = false;
  bool body_begun_ = false;
  bool ended_ = false;
  bool discard_ = false;
  bool valid_ = true;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_BACKEND_REQUEST_H_
