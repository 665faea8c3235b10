#include "relay/dataplane/port.h"

#include <rte_ethdev.h>
#include <rte_mempool.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "relay/dataplane/flow_isolation.h"
#include "relay/dataplane/kernel_interface.h"
#include "relay/dataplane/port_setup.h"

namespace relay {
namespace {

absl::Status AtPort(const Port& port, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(port.name, " (", port.driver, "): ", std::string(status.message())));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Ports>> Ports::Open(const DpdkOptions& options, uint16_t udp_port) {
  std::unique_ptr<Ports> opened(new Ports(options, udp_port));
  std::vector<Port>& ports = opened->ports_;
  uint32_t tx_descriptors = 0;
  uint16_t id = 0;
  RTE_ETH_FOREACH_DEV(id) {
    absl::StatusOr<Port> port = DescribePort(id, ports.size(), options);
    if (!port.ok()) return port.status();
    tx_descriptors += port->tx_queues * port->tx_descriptors;
    ports.push_back(*std::move(port));
  }
  if (ports.empty()) {
    return absl::FailedPreconditionError(
        "DPDK has no port: --eal names none, by -a or --vdev, that it has a driver for");
  }
  if (options.udp_checksum.size() > ports.size()) {
    return absl::InvalidArgumentError(absl::StrCat("--udp_checksum: ", options.udp_checksum.size(), " values for ",
                                                   ports.size(), ports.size() == 1 ? " port" : " ports"));
  }
  for (Port& port : ports) {
    if (options.flow_isolate) {
      if (absl::Status status = IsolatePort(port.id); !status.ok()) return AtPort(port, status);
    }
    if (absl::Status status = MakePortPool(port, options, ports.size(), tx_descriptors); !status.ok()) return status;
    if (absl::Status status = ConfigurePort(port, options); !status.ok()) return status;
  }
  return opened;
}

Ports::~Ports() {
  Stop();
  for (const Port& port : ports_) {
    if (port.pool != nullptr) rte_eth_dev_close(port.id);
  }
  for (const Port& port : ports_) rte_mempool_free(port.pool);  // After all: each may hold mbufs of any.
}

absl::Status Ports::Start() {
  for (Port& port : ports_) {
    if (absl::Status status = StartPort(port); !status.ok()) {
      Stop();
      return status;
    }
  }
  return absl::OkStatus();
}

absl::Status Ports::StartPort(Port& port) {
  if (const int result = rte_eth_dev_start(port.id); result != 0) return PortError(port, "cannot be started", result);
  started_.push_back(port.id);
  if (options_.flow_isolate) {
    if (absl::Status status = AddRelayFlows(port.id, udp_port_, port.rx_queues); !status.ok()) {
      return AtPort(port, status);
    }
  }
  // Drivers that have no such thing stay as they are. Neighbour discovery, which goes to multicast addresses, has to
  // reach the kernel by way of us where we own the port.
  rte_eth_promiscuous_disable(port.id);
  if (!port.steered) rte_eth_allmulticast_enable(port.id);
  // Some drivers take the configuration and have no interrupts all the same.
  if (port.rx_interrupts) {
    port.rx_interrupts = rte_eth_dev_rx_intr_enable(port.id, 0) != -ENOTSUP;
    if (port.rx_interrupts) rte_eth_dev_rx_intr_disable(port.id, 0);
  }
  return absl::OkStatus();
}

void Ports::Stop() {
  for (const uint16_t id : started_) {
    if (options_.flow_isolate) rte_flow_flush(id, nullptr);
    rte_eth_dev_stop(id);
  }
  started_.clear();
}

std::vector<std::string> Ports::Warnings() const {
  std::vector<std::string> lines;
  for (const Port& port : ports_) AppendPortWarnings(port, ports_.size(), options_, lines);
  const auto steered_by_us = [](const Port& port) { return port.driver == kAfXdpDriver; };
  if (options_.reassemble && std::ranges::all_of(ports_, steered_by_us)) {
    lines.emplace_back("--reassemble does nothing: AF_XDP leaves every fragment to the kernel, which makes them whole");
  }
  return lines;
}

// A smaller one is a matter of what we send. A larger one the device has to receive, too; below AF_XDP it is the
// kernel's, which has it already.
uint16_t Ports::SetMtu(size_t i, uint16_t mtu) {
  Port& port = ports_[i];
  mtu = std::min(mtu, port.most_mtu);
  uint16_t device = 0;
  if (port.driver != kAfXdpDriver && rte_eth_dev_get_mtu(port.id, &device) == 0 && mtu > device) {
    const int result = rte_eth_dev_set_mtu(port.id, mtu);
    if (result != 0 && result != -ENOTSUP) mtu = device;
  }
  port.mtu.Set(mtu);
  return mtu;
}

void Ports::Read(size_t i, PortGauges& out) const {
  const Port& port = ports_[i];
  rte_eth_link link{};
  if (rte_eth_link_get_nowait(port.id, &link) == 0) {
    uint64_t up = link.link_status == RTE_ETH_LINK_UP ? 1 : 0;
    if (port.driver == kAfXdpDriver) {  // It never looks again.
      const std::optional<KernelInterface> kernel = ReadKernelInterface(port.kernel_interface.Get());
      up = kernel && kernel->link_up ? 1 : 0;
    }
    if (up != out.link_up.Get()) out.link_changes.Add(1);
    out.link_up.Set(up);
    out.link_mbps.Set(link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed);
  }
  rte_eth_stats stats{};
  if (rte_eth_stats_get(port.id, &stats) == 0) {
    out.missed.Set(stats.imissed);
    out.receive_errors.Set(stats.ierrors);
    out.no_mbuf.Set(stats.rx_nombuf);
    out.transmit_errors.Set(stats.oerrors);
  }
  out.pool_in_use.Set(rte_mempool_in_use_count(port.pool));
  out.pool_size.Set(port.pool->size);
}

}  // namespace relay
