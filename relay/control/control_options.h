// What the control plane is told. Apart from control_plane.h, so that reading flags does not compile Asio.
#ifndef RELAYD_RELAY_CONTROL_CONTROL_OPTIONS_H_
#define RELAYD_RELAY_CONTROL_CONTROL_OPTIONS_H_

#include <string>
#include <vector>

#include "relay/core/path.h"
#include "relay/core/time.h"

namespace relay {

struct ControlOptions {
  AddrPort api_listen = {};
  std::string policy_file = {};             // Empty: loopback only.
  std::string tls_cert = {}, tls_key = {};  // Both or neither; with them the API is TLS alone.
  std::vector<std::string> api_hosts = {};
  std::vector<AddrPort> addr_ports = {};  // Empty: those of the interfaces, looked up again every few seconds.
  Duration drain_timeout = std::chrono::minutes(10);
};

}  // namespace relay

#endif  // RELAYD_RELAY_CONTROL_CONTROL_OPTIONS_H_
