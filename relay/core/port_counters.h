// What poll-mode workers and their ports count: beside Counters, which has the datagrams' fates. Any thread may read.
#ifndef RELAYD_RELAY_CORE_PORT_COUNTERS_H_
#define RELAYD_RELAY_CORE_PORT_COUNTERS_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "relay/core/counters.h"

namespace relay {

// Bursts of 1, 2, 3 to 4, 5 to 8, ... 33 and more packets.
inline constexpr size_t kBurstBuckets = 7;
constexpr size_t BurstBucket(size_t packets) {
  const size_t bucket = packets <= 1 ? 0 : std::bit_width(packets - 1);
  return bucket < kBurstBuckets ? bucket : kBurstBuckets - 1;
}

// One for each worker and port. Written by that worker.
struct alignas(64) PortCounters {
  Counter received;     // Frames that this worker took from the port.
  Counter sent;         // Frames that it sent by the port, of all kinds.
  Counter tx_full;      // Frames it dropped because the port's transmit queue was full.
  Counter from_kernel;  // Of `sent`, those that came from the kernel.
  Counter bursts_total;
  std::array<Counter, kBurstBuckets> bursts;  // By BurstBucket of what one receive returned; empty ones not.
};

// One for each poll-mode worker. Written by that worker.
struct alignas(64) PollCounters {
  Counter polls;
  Counter empty_polls;
  Counter busy_cycles;   // TSC cycles in polls that received something, from before the receive to after the send.
  Counter total_cycles;  // All since the start, asleep or not.
  Counter packets;       // Received in busy polls: busy_cycles / packets is the cost of one.
  Counter sleeps;        // Naps of the idle back-off.
};

// One for each port: gauges, and totals that the NIC itself keeps. Written by the port monitor, once a second.
struct PortGauges {
  Counter link_up;  // 1 or 0.
  Counter link_mbps;
  Counter link_changes;
  Counter mtu;               // As the workers have it.
  Counter kernel_interface;  // 1: the kernel has one on this port (or its TAP); 0: none, or it is gone.
  Counter missed;            // Lost by the NIC because no receive descriptor was free (rte_eth_stats.imissed).
  Counter receive_errors;    // ierrors
  Counter no_mbuf;           // rx_nombuf
  Counter transmit_errors;   // oerrors
  Counter pool_in_use;       // mbufs of the port's pool.
  Counter pool_size;
};

// Frames by the TAP interfaces of ports that DPDK owns, beside Counters: a worker has counted what it gave as
// to_kernel. Written by the kernel path's thread.
struct KernelFrames {
  Counter to_tap;            // Taken by the kernel.
  Counter to_tap_refused;    // Not: too short, or the interface is down or gone.
  Counter from_tap;          // Given to a worker.
  Counter from_tap_dropped;  // Larger than the port's MTU allows.
};

// All of it, as the metrics and the telemetry read it. The sizes are fixed at start; the names never change.
struct PortFigures {
  struct Port {
    std::string name;  // DPDK's, e.g. "0000:01:00.0" or "net_af_xdp0".
    std::string driver;
    PortGauges gauges;
  };
  std::vector<std::unique_ptr<Port>> ports;            // By port, in order of configuration.
  std::vector<std::unique_ptr<PollCounters>> workers;  // By poll-mode worker.
  // By worker, then by port.
  std::vector<std::vector<std::unique_ptr<PortCounters>>> by_worker;
  double cycles_per_second = 0;  // Of the TSC.
  const KernelFrames* kernel = nullptr;
};

}  // namespace relay

#endif  // RELAYD_RELAY_CORE_PORT_COUNTERS_H_
