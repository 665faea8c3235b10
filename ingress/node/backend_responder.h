// Answers a request with what an HTTP/1.1 backend answers to it, both bodies as they stream.
#ifndef RELAYD_INGRESS_NODE_BACKEND_RESPONDER_H_
#define RELAYD_INGRESS_NODE_BACKEND_RESPONDER_H_

#include <memory>

#include "ingress/node/backend_pool.h"
#include "ingress/node/http_exchange.h"
#include "ingress/node/serve_config.h"

namespace ingress {

// `head` as the backend is to see it: cleaned, the identity fields set, the mount stripped and Backend.path_prefix in
// front. Host is its authority. The transaction is not called before this has returned. A backend that cannot be
// reached or talks nonsense is 502, one that does not answer 504, and one with too many connections 503.
std::unique_ptr<HttpResponder> MakeBackendResponder(BackendPool& pool, HttpTransaction& transaction,
                                                    const RequestHead& head, const Backend& backend);

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_BACKEND_RESPONDER_H_
