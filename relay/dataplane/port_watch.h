// What happens to ports while relayd runs: it is counted, told, and where that is possible followed.
#ifndef RELAYD_RELAY_DATAPLANE_PORT_WATCH_H_
#define RELAYD_RELAY_DATAPLANE_PORT_WATCH_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "relay/core/port_counters.h"
#include "relay/dataplane/kernel_interface.h"
#include "relay/dataplane/kernel_path.h"
#include "relay/dataplane/port.h"

namespace relay {

// Hears a line for the operator; `bad`: something works no more. On the port monitor's thread, or the starting one.
using Tell = std::function<void(bool bad, const std::string& line)>;

class PortWatch {
 public:
  // All outlive it; `figures.ports` are in the order of `ports`. `kernel_path` and `tell` may be null.
  PortWatch(Ports& ports, KernelPath* kernel_path, PortFigures& figures, Tell tell);

  // The ports' gauges. From the second time on also: links that went up or down, MTUs that the kernel's interfaces
  // changed, interfaces that are gone; TAP interfaces are made anew. A line for each change, few a second.
  void Look();

 private:
  struct Seen {
    bool link_up = false;
    std::string interface;  // The kernel's; empty: never seen.
    uint16_t kernel_mtu = 0;
    bool gone = false;  // As was told.
  };
  void LookAtInterface(size_t i);
  void LookAtMtu(size_t i, const KernelInterface& kernel);
  void Miss(size_t i);
  void LookAtLink(size_t i);
  void Say(bool bad, size_t i, const std::string& what);

  Ports& ports_;
  KernelPath* const kernel_path_;
  PortFigures& figures_;
  const Tell tell_;
  std::vector<Seen> seen_;  // By port.
  bool first_ = true;
  std::atomic<int64_t> bucket_ns_{0};
};

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_PORT_WATCH_H_
