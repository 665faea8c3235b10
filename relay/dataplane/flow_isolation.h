// rte_flow isolation: the NIC gives us the relay's datagrams and the kernel all else.
#ifndef RELAYD_RELAY_DATAPLANE_FLOW_ISOLATION_H_
#define RELAYD_RELAY_DATAPLANE_FLOW_ISOLATION_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace relay {

// Before the port is configured. kUnimplemented with the driver's reason, if it cannot.
absl::Status IsolatePort(uint16_t port);

// Once the port runs: UDP over IPv4 and IPv6 to `udp_port` comes to its `queues` receive queues, spread by addresses
// and ports.
absl::Status AddRelayFlows(uint16_t port, uint16_t udp_port, uint16_t queues);

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_FLOW_ISOLATION_H_
