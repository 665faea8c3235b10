// The machine's cores: which we may run on, where they are, and which the workers get.
#ifndef RELAYD_RELAY_DATAPLANE_CORES_H_
#define RELAYD_RELAY_DATAPLANE_CORES_H_

#include <cstdint>
#include <vector>

namespace relay {

// Those that the calling thread may run on, ascending.
std::vector<int> AllowedCores();

// Worker i runs on WorkerCores()[i]: `cores` as given, or those we may run on in order, beginning again where there are
// fewer than workers.
std::vector<int> WorkerCores(const std::vector<int>& cores, uint32_t workers);

// The NUMA node of a core; 0 if the machine does not tell.
int NodeOfCore(int core);

// Kept free of everybody else's threads (isolcpus=).
bool IsIsolatedCore(int core);

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_CORES_H_
