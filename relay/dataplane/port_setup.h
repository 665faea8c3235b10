// How one port becomes ready to start. port.cc calls these in order.
#ifndef RELAYD_RELAY_DATAPLANE_PORT_SETUP_H_
#define RELAYD_RELAY_DATAPLANE_PORT_SETUP_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "relay/dataplane/dpdk_options.h"
#include "relay/dataplane/port.h"

namespace relay {

inline constexpr char kAfXdpDriver[] = "net_af_xdp";
inline constexpr char kAfPacketDriver[] = "net_af_packet";

// "net_ring0 (net_ring): `what`: `reason`", one line.
absl::Status PortError(const Port& port, const std::string& what, int error_number);

// What device `id` is and how much of it we use; nothing is changed yet. `index`: of Ports::ports().
absl::StatusOr<Port> DescribePort(uint16_t id, size_t index, const DpdkOptions& options);

// port.pool. `ports`: their number; `tx_descriptors`: of all queues of all of them, since what comes in here may wait
// in any.
absl::Status MakePortPool(Port& port, const DpdkOptions& options, size_t ports, uint32_t tx_descriptors);

// Device and queues, ready for rte_eth_dev_start.
absl::Status ConfigurePort(Port& port, const DpdkOptions& options);

// What an operator should know of `port`, lines appended to `out`.
void AppendPortWarnings(const Port& port, size_t port_count, const DpdkOptions& options, std::vector<std::string>& out);

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_PORT_SETUP_H_
