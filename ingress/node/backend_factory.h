// How the router makes what speaks to a backend; tests give another.
#ifndef RELAYD_INGRESS_NODE_BACKEND_FACTORY_H_
#define RELAYD_INGRESS_NODE_BACKEND_FACTORY_H_

#include <functional>
#include <memory>

#include "ingress/node/http_exchange.h"
#include "ingress/node/serve_config.h"

namespace ingress {

// `head` is as the backend is to see it: its target has the mount stripped and Backend::path_prefix in front, its
// fields are clean and ours are set; its authority becomes Host. `backend` lives as long as the connection does: copy
// it for a pool.
using BackendFactory = std::function<std::unique_ptr<HttpResponder>(HttpTransaction& transaction, RequestHead head,
                                                                    const Backend& backend)>;

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_BACKEND_FACTORY_H_
