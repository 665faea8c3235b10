// How a node reaches its backends: TCP, or TLS over it.
#ifndef RELAYD_INGRESS_NODE_BACKEND_DIAL_H_
#define RELAYD_INGRESS_NODE_BACKEND_DIAL_H_

#include <memory>
#include <string>

#include "ingress/lingering_close.h"
#include "ingress/node/backend_pool.h"

namespace ingress {

// For a BackendPool of the closer's loop. A TLS backend proves Backend::host with a certificate that the system's
// authorities, or those in `ca_file` if that is given, vouch for; unless Backend::verify is false.
BackendPool::Dial MakeBackendDial(std::shared_ptr<LingeringCloser> closer, const std::string& ca_file = {});

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_BACKEND_DIAL_H_
