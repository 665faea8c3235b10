// The same figures as /metrics has, for DPDK's own telemetry (dpdk-telemetry.py, usertools):
//   /relayd/workers, /relayd/ports    how many there are
//   /relayd/worker,N                  a poll-mode worker
//   /relayd/port,N                    a port, its workers together
//   /relayd/port,N,W                  what worker W alone did with it
//   /relayd/pools                     packet buffers in use, by pool: at this moment, and of all pools that there are
// It has whole numbers alone, and no rates: shares and averages are since the start.
#ifndef RELAYD_RELAY_DATAPLANE_TELEMETRY_H_
#define RELAYD_RELAY_DATAPLANE_TELEMETRY_H_

#include <vector>

#include "relay/core/counters.h"
#include "relay/core/port_counters.h"

namespace relay {

// Registers the commands; while there is none of these they answer nothing. One at a time.
class Telemetry {
 public:
  // `workers`: a poll-mode worker each, as in `figures`. All of it outlives this.
  Telemetry(const PortFigures& figures, std::vector<const Counters*> workers);
  ~Telemetry();
  Telemetry(const Telemetry&) = delete;
  Telemetry& operator=(const Telemetry&) = delete;

  const PortFigures& figures() const { return figures_; }
  const Counters& worker(size_t index) const { return *workers_[index]; }

 private:
  const PortFigures& figures_;
  const std::vector<const Counters*> workers_;
};

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_TELEMETRY_H_
