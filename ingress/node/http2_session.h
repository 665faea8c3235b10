// An nghttp2 server session as we set it up.
#ifndef RELAYD_INGRESS_NODE_HTTP2_SESSION_H_
#define RELAYD_INGRESS_NODE_HTTP2_SESSION_H_

#include <nghttp2/nghttp2.h>

namespace ingress {

class Http2Connection;

// Its callbacks go to `connection`; our SETTINGS are queued. The caller deletes it. Throws std::bad_alloc.
nghttp2_session* MakeHttp2Session(Http2Connection& connection);

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_HTTP2_SESSION_H_
