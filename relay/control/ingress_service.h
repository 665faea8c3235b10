// What the control plane asks of a node of Funnel's that this program is too: POST /v0/ingress, SIGHUP and drain.
#ifndef RELAYD_RELAY_CONTROL_INGRESS_SERVICE_H_
#define RELAYD_RELAY_CONTROL_INGRESS_SERVICE_H_

#include <cstdint>
#include <memory>

#include "relay/control/http_message.h"

namespace relay {

// Control thread.
class IngressService {
 public:
  virtual ~IngressService() = default;
  // As HttpApi::Parts::ingress: Host and capability are good.
  virtual void Handle(const HttpRequest& request, const std::shared_ptr<Exchange>& exchange) = 0;
  virtual void Reload() = 0;                 // SIGHUP.
  virtual void Drain() = 0;                  // No requests after those under way; then connections end.
  virtual uint64_t connections() const = 0;  // Open now, until their clients have got all.
};

}  // namespace relay

#endif  // RELAYD_RELAY_CONTROL_INGRESS_SERVICE_H_
