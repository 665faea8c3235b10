// ListenFunnel: the application takes a target's connections itself.
#ifndef RELAYD_INGRESS_NODE_FUNNEL_LISTENER_H_
#define RELAYD_INGRESS_NODE_FUNNEL_LISTENER_H_

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "ingress/node/ingress_request.h"
#include "ingress/stream.h"

namespace ingress {

// An accepted connection, decrypted.
struct FunnelConnection {
  std::unique_ptr<Stream> stream;
  AddrPort source;
  HostPort target;
};

// While it lives its target is switched on and served; dropped, the route is down: 404 if nothing else is installed,
// else 403. Its manager's loop thread; the manager outlives it.
class FunnelListener {
 public:
  virtual ~FunnelListener() = default;
  // A finished connection, or nullopt: none waits. At most FunnelManager::kMaxFinished wait; beyond, new ones are
  // refused.
  virtual std::optional<FunnelConnection> Accept() = 0;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_FUNNEL_LISTENER_H_
