// Looks around once a second, so that no worker has to: our addresses, our neighbours, and by PortWatch the ports.
#ifndef RELAYD_RELAY_DATAPLANE_PORT_MONITOR_H_
#define RELAYD_RELAY_DATAPLANE_PORT_MONITOR_H_

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "relay/core/port_counters.h"
#include "relay/core/qsbr.h"
#include "relay/dataplane/host_network.h"
#include "relay/dataplane/port_watch.h"
#include "relay/dataplane/published.h"

namespace relay {

class PortMonitor {
 public:
  // `local_addrs`: ours whatever the kernel says. Of the others see PortWatch.
  PortMonitor(Qsbr& qsbr, Ports& ports, std::vector<AddrPort> local_addrs, KernelPath* kernel_path,
              PortFigures& figures, Tell tell);
  ~PortMonitor();  // Stops.

  void Refresh();  // Once, before Start; then the thread does it.
  void Start();
  void Stop();

  const Published<AddressSet>& addresses() const { return addresses_; }
  const Published<NeighbourSet>& neighbours() const { return neighbours_; }

 private:
  void RefreshAddresses();
  void RefreshNeighbours();

  const Ports& ports_;
  const std::vector<AddrPort> local_addrs_;
  PortWatch watch_;
  Published<AddressSet> addresses_;
  Published<NeighbourSet> neighbours_;
  std::vector<IpBytes> known_addresses_;  // What addresses_ holds, in order.

  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stop_ = false;  // Under mutex_.
  std::thread thread_;
};

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_PORT_MONITOR_H_
