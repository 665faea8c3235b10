// Which Host headers are ours. A page in a victim's browser can make it send requests here (DNS rebinding), but not
// with a Host of ours.
#ifndef RELAYD_RELAY_CONTROL_HOST_NAMES_H_
#define RELAYD_RELAY_CONTROL_HOST_NAMES_H_

#include <string>
#include <string_view>
#include <vector>

#include "disco/addr_port.h"

namespace relay {

class HostNames {
 public:
  // Names and addresses without ports, IPv6 with or without brackets.
  explicit HostNames(std::vector<std::string> configured);
  void SetCertificateNames(std::vector<std::string> names);  // `*.x` stands for one label.

  // Ours are the address that the connection reached, `localhost` on loopback, `peer`, the certificate's names and the
  // configured ones, each with or without a port: behind a port forwarding it is another one than ours.
  bool IsOurs(std::string_view host, const disco::AddrPort& local) const;

 private:
  std::vector<std::string> configured_;
  std::vector<std::string> certificate_;
};

}  // namespace relay

#endif  // RELAYD_RELAY_CONTROL_HOST_NAMES_H_
