// An HTTP/2 request's head, as its fields come. nghttp2 has seen to what RFC 9113 section 8 demands of them.
#ifndef RELAYD_INGRESS_NODE_HTTP2_REQUEST_H_
#define RELAYD_INGRESS_NODE_HTTP2_REQUEST_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>

#include "ingress/node/http_exchange.h"

namespace ingress {

class Http2Request {
 public:
  // As SETTINGS_MAX_HEADER_LIST_SIZE counts: 32 bytes a field beside its own. Of the trailers too.
  static constexpr size_t kMaxHead = 16'384;
  // What is beyond kMaxHead is dropped and answered with 431, up to here: a few kilobytes of HPACK can stand for
  // megabytes of fields.
  static constexpr size_t kMostRead = 4 * kMaxHead;

  // False: beyond kMostRead; the connection is not worth reading on.
  bool Add(std::string_view name, std::string_view value);
  // The head is whole: the request, or with what status it is refused.
  std::variant<RequestHead, int> Finish(bool has_body);
  bool wants_continue() const { return expect_continue_; }
  bool is_head() const { return method_ == "HEAD"; }

  // After Finish, Add adds to these. All or none: beyond kMaxHead they are dropped, as those may who pass them on (RFC
  // 9110 section 6.5.1); a part of them would say something else.
  HttpFields TakeTrailers();

 private:
  void Keep(std::string_view name, std::string_view value);

  std::string method_, path_, authority_, host_, cookies_;
  int hosts_ = 0;
  RequestHead head_;
  HttpFields trailers_;
  size_t size_ = 0;
  bool expect_continue_ = false;
  bool finished_ = false;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_HTTP2_REQUEST_H_
