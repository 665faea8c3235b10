// What the DPDK back end is told (--io=dpdk). relay/flags.cc fills it in.
#ifndef RELAYD_RELAY_DATAPLANE_DPDK_OPTIONS_H_
#define RELAYD_RELAY_DATAPLANE_DPDK_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "relay/core/path.h"
#include "relay/core/time.h"

namespace relay {

// How an outgoing datagram gets its UDP checksum, by the port that it came in by.
enum class UdpChecksum : uint8_t {
  kUpdate,   // By the difference of the headers (RFC 1624): a wrong one stays wrong.
  kCompute,  // Anew: for virtual links (veth) whose peers leave it unfinished.
};

struct DpdkOptions {
  std::string eal;           // Arguments for EAL, as one string. See eal.h for what is added.
  uint32_t workers = 1;      // Poll-mode workers.
  std::vector<int> cores{};  // Worker i is pinned to cores[i]; empty: the last of those we may run on.

  uint16_t rx_descriptors = 1024;  // A queue; the driver may round.
  uint16_t tx_descriptors = 1024;
  uint32_t mbufs = 0;         // A port; 0: enough for all its queues, caches and rings.
  uint16_t mbuf_size = 2048;  // Data room of an mbuf, headroom apart; frames that are larger come in several.
  uint16_t mtu = 0;           // Of all ports; 0: as each port has it.

  std::vector<UdpChecksum> udp_checksum = {UdpChecksum::kUpdate};  // By port; the last one counts for all after it.

  enum class KernelPath : uint8_t { kTap, kNone };
  KernelPath kernel_path = KernelPath::kTap;  // On ports that DPDK owns; AF_XDP ports have the kernel beside them.
  std::string tap_prefix = "relay";           // TAP interfaces are called relay0, relay1, ... by port.
  bool flow_isolate = false;                  // rte_flow: the NIC itself gives the kernel what is not the relay's.

  std::vector<AddrPort> local_addrs{};  // The relay's addresses beside those of the kernel's interfaces; ports unused.
  bool reassemble = false;              // Fragments become whole in the worker and not in the kernel.

  enum class Idle : uint8_t { kPoll, kSleep, kInterrupt };
  Idle idle = Idle::kSleep;                              // What a worker without packets does.
  Duration idle_after = std::chrono::microseconds(200);  // Nothing for so long: idle.
  Duration idle_sleep = std::chrono::microseconds(50);   // kSleep: one nap.

  uint64_t worker_control_rate = 100'000;  // Handshake messages a second and worker.
};

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_DPDK_OPTIONS_H_
