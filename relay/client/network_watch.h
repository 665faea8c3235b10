// Notices when the machine's addresses and routes change, and which address packets towards the relay leave from.
#ifndef RELAYD_RELAY_CLIENT_NETWORK_WATCH_H_
#define RELAYD_RELAY_CLIENT_NETWORK_WATCH_H_

#include <optional>

#include "disco/addr_port.h"
#include "relay/control/fd.h"

namespace relay::client {

class NetworkWatch {
 public:
  NetworkWatch();  // Where there is no netlink, nothing is ever noticed: lost pongs tell the same, later.
  int fd() const { return fd_.get(); }  // -1: none.
  // Takes all that has been reported; true if there was anything.
  bool Drain();

 private:
  Fd fd_;
};

// The address that the kernel would send to `to` from; nullopt: there is no way.
std::optional<disco::AddrPort> SourceTowards(const disco::AddrPort& to);

}  // namespace relay::client

#endif  // RELAYD_RELAY_CLIENT_NETWORK_WATCH_H_
