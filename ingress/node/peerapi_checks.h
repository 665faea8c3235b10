// What stands before CheckIngress: whom the peerAPI answers at all, and how.
#ifndef RELAYD_INGRESS_NODE_PEERAPI_CHECKS_H_
#define RELAYD_INGRESS_NODE_PEERAPI_CHECKS_H_

#include <optional>
#include <string>

#include "ingress/node/ingress_request.h"
#include "relay/control/http_message.h"
#include "relay/control/policy.h"

namespace ingress {

// Browsers, foreign hosts, unknown paths, callers without the capability; nullopt: CheckIngress goes on. An ingress
// peer may do nothing else here than POST /v0/ingress.
std::optional<IngressRefusal> CheckPeer(const relay::HttpRequest& request, const relay::Policy& peers);

// The whole answer, which says that the connection closes.
std::string FormatRefusal(const IngressRefusal& refusal, bool head_only);

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_PEERAPI_CHECKS_H_
