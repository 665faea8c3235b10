// Where the machine's cores are. Which we may run on: threads.h.
#ifndef RELAYD_RELAY_DATAPLANE_CORES_H_
#define RELAYD_RELAY_DATAPLANE_CORES_H_

namespace relay {

// The NUMA node of a core; 0 if the machine does not tell.
int NodeOfCore(int core);

// Kept free of everybody else's threads (isolcpus=).
bool IsIsolatedCore(int core);

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_CORES_H_
