// Chooses what answers a request on a node's public name: by the connection's target, then by mount.
#ifndef RELAYD_INGRESS_NODE_SITE_ROUTER_H_
#define RELAYD_INGRESS_NODE_SITE_ROUTER_H_

#include <memory>
#include <string_view>

#include "ingress/node/backend_factory.h"
#include "ingress/node/http_exchange.h"
#include "ingress/node/https_stats.h"
#include "ingress/node/serve_config.h"

namespace ingress {

// Is `authority` the target's name, in any letter case, with its port or without one?
bool IsAuthorityOf(std::string_view authority, const HostPort& target);

// The site is the target's, whose host is the TLS server name: never Host's. A request for another name is answered 421
// (RFC 9110 section 15.5.20), TRACE 405. `stats` and what `proxy` needs outlive the router; it keeps the config.
RequestRouter MakeSiteRouter(const AddrPort& source, const HostPort& target, std::shared_ptr<const ServeConfig> config,
                             BackendFactory proxy, HttpsStats& stats);

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_SITE_ROUTER_H_
