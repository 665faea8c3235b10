// POST /v0/ingress: what the peerAPI answers, check by check. No I/O: relayd's API and funnel-node share it.
#ifndef RELAYD_INGRESS_NODE_INGRESS_REQUEST_H_
#define RELAYD_INGRESS_NODE_INGRESS_REQUEST_H_

#include <string>
#include <string_view>
#include <variant>

#include "ingress/node/serve_config.h"
#include "relay/control/http_message.h"

namespace ingress {

// A public client at a target that is switched on.
struct IngressRequest {
  AddrPort source;  // Tailscale-Ingress-Src.
  HostPort target;  // Tailscale-Ingress-Target; its host canonical.
};

struct IngressRefusal {
  int status;
  std::string_view line;  // text/plain, without the newline. The connection closes behind it.
};

// What a target leads to, of serve config and listeners installed by the application.
class IngressTargets {
 public:
  virtual ~IngressTargets() = default;
  virtual bool AnythingInstalled() const = 0;
  virtual bool IsAllowed(const HostPort& target) const = 0;
  virtual bool Serves(const HostPort& target) const = 0;
};

// The checks from the method on; Host, path and capability have passed. In the order of the answers' table.
std::variant<IngressRequest, IngressRefusal> CheckIngress(const relay::HttpRequest& request,
                                                          const IngressTargets& targets);

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_INGRESS_REQUEST_H_
