// Which core and which queues each poll-mode worker has.
#ifndef RELAYD_RELAY_DATAPLANE_WORKER_LAYOUT_H_
#define RELAYD_RELAY_DATAPLANE_WORKER_LAYOUT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "relay/dataplane/dpdk_options.h"

namespace relay {

inline constexpr uint32_t kHandoffRing = 1024;  // Frames for a port whose queue another worker has.

// The cores of options' workers: those it names, or the last ones of those that the calling thread may run on, so that
// the first is left to everything else. Fewer than workers, if the machine has no more.
std::vector<int> WorkerCores(const DpdkOptions& options);

// Which queue of port number `port` with `queues` a worker has: its own number if there are enough, else each queue
// goes to one worker, beginning with another one on every port.
std::optional<uint16_t> QueueOf(uint32_t worker, uint32_t workers, size_t port, uint16_t queues);

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_WORKER_LAYOUT_H_
