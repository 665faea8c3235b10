// One DPDK port, configured: its queues, pools and what is known of it.
#ifndef RELAYD_RELAY_DATAPLANE_PORT_H_
#define RELAYD_RELAY_DATAPLANE_PORT_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "relay/core/port_counters.h"
#include "relay/dataplane/dpdk_options.h"

struct rte_mempool;

namespace relay {

// The port monitor may write it while others read; copied only before they run.
template <typename T>
class Live {
 public:
  Live(T value) : value_(value) {}
  Live(const Live& other) : value_(other.Get()) {}
  Live& operator=(const Live& other) {
    Set(other.Get());
    return *this;
  }
  ~Live() = default;

  T Get() const { return value_.load(std::memory_order_relaxed); }
  void Set(T value) { value_.store(value, std::memory_order_relaxed); }

 private:
  std::atomic<T> value_;
};

struct Port {
  uint16_t id = 0;  // DPDK's. Path.link.port is this + 1: 0 stands for the kernel's sockets.
  std::string name;
  std::string driver;  // E.g. net_af_xdp, net_virtio_user, net_ice.
  std::array<uint8_t, 6> mac{};
  Live<uint16_t> mtu = 1500;  // Follows the kernel's interface, if there is one.
  uint16_t most_mtu = 0;      // What `mtu` may become while it runs: so much its buffers hold.
  uint16_t rx_queues = 1;
  uint16_t tx_queues = 1;
  uint16_t rx_descriptors = 0;  // A queue, as the driver has them.
  uint16_t tx_descriptors = 0;
  int numa = 0;
  rte_mempool* pool = nullptr;  // Of all its receive queues; NUMA-local.
  // The kernel's interface on the same wire (of a steered port), or the TAP once there is one; 0: none.
  Live<uint32_t> kernel_interface = 0;
  // The kernel sees what is not the relay's without our help: AF_XDP with steering, flow isolation.
  bool steered = false;
  UdpChecksum udp_checksum = UdpChecksum::kUpdate;
  bool rx_ip_checksum_offload = false;  // The NIC marks bad IPv4 header checksums.
  bool rx_scatter = false;              // Large frames come in several mbufs.
  bool tx_multi_segment = false;        // The driver sends frames of several mbufs.
  bool rss = false;                     // It spreads UDP over the receive queues.
  bool rx_interrupts = false;           // Configured and, once started, known to be available.
};

// All the ports that EAL has. Control side; made and ended by the main thread.
class Ports {
 public:
  // Configures every port that EAL found: queues for the workers (fewer where the port has fewer), pools, RSS over IP
  // and UDP ports, MTU, offloads, flow isolation. An error is one line that names the port. EAL runs already. Once a
  // process, if it succeeds: a device that was closed is gone.
  static absl::StatusOr<std::unique_ptr<Ports>> Open(const DpdkOptions& options, uint16_t udp_port);
  ~Ports();  // Stops and closes the ports, frees the pools.

  std::vector<Port>& ports() { return ports_; }
  const std::vector<Port>& ports() const { return ports_; }

  absl::Status Start();
  void Stop();

  // What an operator should know before it runs, a line each: partial checksums, missing offloads, fewer queues than
  // workers, remote NUMA nodes, small MTU. All of it is known once Start() has returned.
  std::vector<std::string> Warnings() const;

  // Makes ports()[i] take packets of `mtu` bytes, or as many as it can: the answer is what it has then.
  uint16_t SetMtu(size_t i, uint16_t mtu);

  // Reads link state, NIC statistics and pool level of ports()[i] into `out`. The port monitor calls it.
  void Read(size_t i, PortGauges& out) const;

 private:
  Ports(const DpdkOptions& options, uint16_t udp_port) : options_(options), udp_port_(udp_port) {}
  absl::Status StartPort(Port& port);

  const DpdkOptions options_;
  const uint16_t udp_port_;
  std::vector<Port> ports_;
  std::vector<uint16_t> started_;  // Ids.
};

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_PORT_H_
