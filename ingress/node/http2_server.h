// The HTTP/2 front: one client's connection over a (TLS) stream, its requests given to a router.
#ifndef RELAYD_INGRESS_NODE_HTTP2_SERVER_H_
#define RELAYD_INGRESS_NODE_HTTP2_SERVER_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "ingress/event_loop.h"
#include "ingress/node/http_exchange.h"
#include "ingress/node/https_stats.h"
#include "ingress/stream.h"

namespace ingress {

struct Http2Limits {
  static constexpr uint32_t kMaxStreams = 100;  // At once. What browsers ask for; nginx and Apache allow about as many.
  // Of bodies that no responder has consumed, all streams': 16 slow ones do not hold up the others.
  static constexpr int32_t kWindow = 1 << 20;
  static constexpr size_t kMaxUnsent = 65'536;  // Gathered for one write to the stream.

  Duration idle = std::chrono::seconds(75);    // Without a request; also how long the first one may take.
  Duration stalled = std::chrono::minutes(5);  // Within requests, without a byte either way.
  // Streams that their client ends before the answer is whole cost it nothing, and us a request. A page that is left
  // ends what was under way, kMaxStreams at most.
  int64_t resets_per_s = 33, resets_burst = 200;
  // Frames that move nothing: pings, settings, priorities, continuations, empty data.
  int64_t idle_frames_per_s = 100, idle_frames_burst = 1000;
};

// `closed` is called once when the connection is over, from the loop and never from within a call of the owner's; it
// may destroy the connection. `stats` outlives it.
std::unique_ptr<HttpConnection> MakeHttp2Connection(EventLoop& loop, std::unique_ptr<Stream> stream,
                                                    RequestRouter router, HttpsStats& stats,
                                                    std::function<void()> closed, const Http2Limits& limits = {});

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_HTTP2_SERVER_H_
