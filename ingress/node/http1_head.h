// A request's head, read: the one place that knows Boost.Beast.
#ifndef RELAYD_INGRESS_NODE_HTTP1_HEAD_H_
#define RELAYD_INGRESS_NODE_HTTP1_HEAD_H_

#include <string_view>
#include <variant>

#include "ingress/node/http1_head_check.h"
#include "ingress/node/http_exchange.h"

namespace ingress {

struct Http1Head {
  RequestHead request;
  bool http11 = true;  // Else HTTP/1.0.
  bool chunked = false;
  bool keep_alive = true;        // As the client wants it. HTTP/1.0 never: it has no way to say where an answer ends.
  bool expect_continue = false;  // Expect: 100-continue.
};

// `head`: all bytes of a head with the empty line, as LineScanner lets them through; `HTTP/1.x`, fields, and one
// framing.
std::variant<Http1Head, HttpRefusal> ParseHttp1Head(std::string_view head);

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_HTTP1_HEAD_H_
