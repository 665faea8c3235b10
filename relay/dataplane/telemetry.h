// The same figures as /metrics has, for DPDK's own telemetry (dpdk-telemetry.py, usertools):
//   /relayd/workers, /relayd/ports    how many there are
//   /relayd/worker,N  /relayd/port,N  one of them
#ifndef RELAYD_RELAY_DATAPLANE_TELEMETRY_H_
#define RELAYD_RELAY_DATAPLANE_TELEMETRY_H_

#include "relay/core/port_counters.h"

namespace relay {

// Registers the commands; while there is none of these they answer nothing. One at a time. `figures` outlive it.
class Telemetry {
 public:
  explicit Telemetry(const PortFigures& figures);
  ~Telemetry();
  Telemetry(const Telemetry&) = delete;
  Telemetry& operator=(const Telemetry&) = delete;
};

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_TELEMETRY_H_
