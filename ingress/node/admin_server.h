// --metrics_listen: /metrics, /healthz, /readyz and /v0/status, on a thread of its own.
#ifndef RELAYD_INGRESS_NODE_ADMIN_SERVER_H_
#define RELAYD_INGRESS_NODE_ADMIN_SERVER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "disco/addr_port.h"
#include "ingress/node/node_figures.h"

namespace ingress {

class AdminServer {
 public:
  // An error is one line. `figures` outlives the server.
  static absl::StatusOr<std::unique_ptr<AdminServer>> Start(const AddrPort& listen, const NodeFigures& figures);
  virtual ~AdminServer() = default;  // Closes everything.
  virtual AddrPort local() const = 0;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_ADMIN_SERVER_H_
