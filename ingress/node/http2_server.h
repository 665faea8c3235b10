// The HTTP/2 front: one client's connection over a (TLS) stream, its requests given to a router.
#ifndef RELAYD_INGRESS_NODE_HTTP2_SERVER_H_
#define RELAYD_INGRESS_NODE_HTTP2_SERVER_H_

#include <functional>
#include <memory>

#include "ingress/event_loop.h"
#include "ingress/node/http_exchange.h"
#include "ingress/stream.h"
#include "relay/core/counters.h"

namespace ingress {

// Written by one loop's thread, read by any.
struct Http2Counters {
  relay::Counter connections;
  relay::Counter requests;
  relay::Counter bad_requests;     // Answered 400 (Host) or 431, or 405 (CONNECT).
  relay::Counter streams_refused;  // Beyond kMaxStreams.
  relay::Counter stream_errors;    // Streams that broke the protocol.
  relay::Counter protocol_errors;  // Connections that did.
  relay::Counter floods;           // Connections closed for resets, settings, pings or the like.
  relay::Counter idle_closed;
  relay::Counter aborted;  // Requests whose client reset the stream or went away.
};

// `closed` is called once when the connection is over, never from within the making; it may destroy the connection.
// `counters` outlives it.
std::unique_ptr<HttpConnection> MakeHttp2Connection(EventLoop& loop, std::unique_ptr<Stream> stream,
                                                    RequestRouter router, Http2Counters& counters,
                                                    std::function<void()> closed);

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_HTTP2_SERVER_H_
