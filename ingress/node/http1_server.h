// The HTTP/1.1 front: one client's connection over a (TLS) stream, its requests given to a router one after the other.
#ifndef RELAYD_INGRESS_NODE_HTTP1_SERVER_H_
#define RELAYD_INGRESS_NODE_HTTP1_SERVER_H_

#include <chrono>
#include <functional>
#include <memory>

#include "ingress/event_loop.h"
#include "ingress/node/http_exchange.h"
#include "ingress/node/https_stats.h"
#include "ingress/stream.h"

namespace ingress {

// How long things may take; tests shorten it.
struct Http1Times {
  Duration head = std::chrono::seconds(10);   // From a head's first byte to its last: one segment, or a few.
  Duration idle = std::chrono::seconds(75);   // Between requests, and before the first: browsers connect ahead.
  Duration stall = std::chrono::seconds(60);  // Without a byte of a body that is due, or a byte of an answer taken.
};

inline constexpr size_t kHttp1SendBuffer = 65'536;  // Of an answer, until the stream takes it.
inline constexpr size_t kMaxDrainedBody = 262'144;  // Nobody wanted it: read to keep the connection; beyond, it closes.

// `closed` is called once when the connection is over, never from within the making; it may destroy the connection.
// `stats` outlives it.
//
// - Requests that wait behind another one are not looked at before its answer is complete and sent.
// - `Expect: 100-continue` is answered here: 100 if the responder has not answered once it was started. It then wants
//   the body, and a refusal by the router comes without the body being sent. No backend sees the field.
// - A client's half-close ends requests, not the answer that it waits for.
// - HTTP/1.0 gets one answer, and its end is the connection's.
std::unique_ptr<HttpConnection> MakeHttp1Connection(EventLoop& loop, std::unique_ptr<Stream> stream,
                                                    RequestRouter router, HttpsStats& stats,
                                                    std::function<void()> closed, const Http1Times& times = {});

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_HTTP1_SERVER_H_
