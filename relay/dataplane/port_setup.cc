#include "relay/dataplane/port_setup.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <optional>

#include "absl/strings/str_cat.h"
#include "relay/dataplane/kernel_interface.h"
#include "relay/dataplane/kernel_path.h"
#include "relay/dataplane/mbuf.h"
#include "relay/dataplane/reassembler.h"
#include "relay/dataplane/tx_buffer.h"
#include "relay/dataplane/worker_layout.h"

namespace relay {
namespace {

// Ethernet, one VLAN tag and the checksum that some drivers count.
constexpr uint32_t kFrameOverhead = RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN + RTE_ETHER_CRC_LEN;
constexpr uint32_t kXdpHeadroom = 256;  // The kernel keeps it free in front of every AF_XDP frame.
// An mbuf, all in, is a frame of AF_XDP's memory, and that is a page at most; the pool adds a header of a cache line
// and, to spread mbufs over memory channels, up to one line more.
constexpr uint32_t kXdpMostMbufSize =
    4096 - 2 * RTE_CACHE_LINE_SIZE - sizeof(rte_mbuf) - sizeof(MbufNote) - RTE_PKTMBUF_HEADROOM;
constexpr uint32_t kXdpFillRing = 2048;  // mbufs that net_af_xdp hands to the kernel.
constexpr uint32_t kInHand = 64;         // A worker's burst from a port and one for the kernel.
constexpr uint32_t kCacheMbufs = 384;    // A thread's cache of 256 holds up to 1.5 times that.

constexpr uint64_t kRssUdp = RTE_ETH_RSS_NONFRAG_IPV4_UDP | RTE_ETH_RSS_NONFRAG_IPV6_UDP;
constexpr uint64_t kRssTypes = kRssUdp | RTE_ETH_RSS_IP;

absl::Status ReadInfo(const Port& port, rte_eth_dev_info& info) {
  const int result = rte_eth_dev_info_get(port.id, &info);
  return result == 0 ? absl::OkStatus() : PortError(port, "does not say what it can do", result);
}

// The MTU that the port has: that of the kernel's interface below it, if there is one.
absl::Status ChooseMtu(Port& port, const rte_eth_dev_info& info, const DpdkOptions& options) {
  uint16_t now = RTE_ETHER_MTU;
  rte_eth_dev_get_mtu(port.id, &now);
  if (const auto kernel = ReadKernelInterface(port.kernel_interface.Get()); kernel && kernel->mtu != 0)
    now = kernel->mtu;
  const uint16_t mtu = options.mtu != 0 ? options.mtu : now;
  port.mtu.Set(mtu);
  const auto refuse = [&](const auto&... why) {
    return absl::InvalidArgumentError(absl::StrCat(port.name, " (", port.driver, "): ", why...));
  };
  if (mtu < info.min_mtu || (info.max_mtu != 0 && mtu > info.max_mtu)) {
    return refuse("MTU ", mtu, ": the driver takes ", info.min_mtu, " to ", info.max_mtu);
  }
  // What the driver counts with each frame, as rte_eth_dev_configure takes it to be.
  const bool tells = info.max_mtu != UINT16_MAX && info.max_rx_pktlen > info.max_mtu;
  const uint32_t counted = tells ? info.max_rx_pktlen - info.max_mtu : RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;
  if (info.max_rx_pktlen != 0 && mtu + counted > info.max_rx_pktlen) {
    return refuse("MTU ", mtu, ": the driver takes ", info.max_rx_pktlen - counted, " at most");
  }
  if (port.driver == kAfXdpDriver && options.mbuf_size > kXdpMostMbufSize) {
    return refuse("--mbuf_size=", options.mbuf_size, ": AF_XDP takes ", kXdpMostMbufSize, " at most, for an MTU of ",
                  kXdpMostMbufSize - kXdpHeadroom - kFrameOverhead);
  }
  const uint32_t overhead = kFrameOverhead + (port.driver == kAfXdpDriver ? kXdpHeadroom : 0);
  const bool fits = mtu + overhead <= options.mbuf_size;
  port.rx_scatter = !fits && (info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER) != 0;
  if (!fits && !port.rx_scatter) return refuse("MTU ", mtu, " does not fit: --mbuf_size=", mtu + overhead, " does");
  // Of several buffers a frame is received only if the port was set up for that, and for this MTU.
  uint32_t most = fits ? options.mbuf_size - overhead : mtu;
  if (info.max_mtu != 0) most = std::min<uint32_t>(most, info.max_mtu);
  if (info.max_rx_pktlen != 0) most = std::min(most, info.max_rx_pktlen - counted);
  port.most_mtu = static_cast<uint16_t>(most);
  return absl::OkStatus();
}

rte_eth_conf DeviceConfiguration(const Port& port, const rte_eth_dev_info& info) {
  rte_eth_conf conf{};
  conf.rxmode.mtu = port.mtu.Get();
  if (port.rx_scatter) conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_SCATTER;
  if (port.rx_ip_checksum_offload) conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_IPV4_CKSUM;
  // Never RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE: a queue sends mbufs of all ports' pools.
  if (port.tx_multi_segment) conf.txmode.offloads |= RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
  if (port.rss) {
    conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf.rx_adv_conf.rss_conf.rss_hf = kRssTypes & info.flow_type_rss_offloads;
  }
  conf.intr_conf.rxq = port.rx_interrupts ? 1 : 0;
  return conf;
}

// start_queue= of the vdev is the driver's business, and what it says is not that.
std::string XdpQueueHint(const Port& port) {
  const auto kernel = ReadKernelInterface(port.driver == kAfXdpDriver ? port.kernel_interface.Get() : 0);
  if (!kernel) return "";
  return absl::StrCat(" (", kernel->name, " has ", kernel->channels, kernel->channels == 1 ? " queue" : " queues",
                      ": is a start_queue= in --eal beyond that, or does another program have it?)");
}

absl::Status SetUpQueues(const Port& port, const rte_eth_dev_info& info, const rte_eth_conf& conf) {
  const auto numa = static_cast<unsigned>(port.numa);
  rte_eth_rxconf rx = info.default_rxconf;
  rx.offloads = conf.rxmode.offloads;
  for (uint16_t queue = 0; queue < port.rx_queues; ++queue) {
    const int result = rte_eth_rx_queue_setup(port.id, queue, port.rx_descriptors, numa, &rx, port.pool);
    if (result != 0)
      return PortError(port, absl::StrCat("cannot set up receive queue ", queue, XdpQueueHint(port)), result);
  }
  rte_eth_txconf tx = info.default_txconf;
  tx.offloads = conf.txmode.offloads;
  for (uint16_t queue = 0; queue < port.tx_queues; ++queue) {
    const int result = rte_eth_tx_queue_setup(port.id, queue, port.tx_descriptors, numa, &tx);
    if (result != 0) return PortError(port, absl::StrCat("cannot set up transmit queue ", queue), result);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status PortError(const Port& port, const std::string& what, int error_number) {
  return absl::FailedPreconditionError(
      absl::StrCat(port.name, " (", port.driver, "): ", what, ": ", rte_strerror(std::abs(error_number))));
}

absl::StatusOr<Port> DescribePort(uint16_t id, size_t index, const DpdkOptions& options) {
  Port port;
  port.id = id;
  char name[RTE_ETH_NAME_MAX_LEN] = "";
  rte_eth_dev_get_name_by_port(id, name);
  port.name = name;
  rte_eth_dev_info info{};
  if (absl::Status status = ReadInfo(port, info); !status.ok()) return status;
  port.driver = info.driver_name == nullptr ? "" : info.driver_name;
  rte_ether_addr mac{};
  if (const int result = rte_eth_macaddr_get(id, &mac); result != 0) {
    return PortError(port, "has no MAC address", result);
  }
  std::copy(std::begin(mac.addr_bytes), std::end(mac.addr_bytes), port.mac.begin());
  port.numa = rte_eth_dev_socket_id(id);
  port.steered = port.driver == kAfXdpDriver || port.driver == kAfPacketDriver || options.flow_isolate;
  // Without steering some drivers (net_tap) name one, too, but theirs is the other end of the wire.
  if (port.steered) port.kernel_interface.Set(info.if_index);
  port.udp_checksum = options.udp_checksum.empty()
                          ? UdpChecksum::kUpdate
                          : options.udp_checksum[std::min(index, options.udp_checksum.size() - 1)];

  const auto most = static_cast<uint16_t>(std::min<uint32_t>(options.workers, RTE_MAX_QUEUES_PER_PORT));
  port.rx_queues = std::min(most, info.max_rx_queues);
  port.tx_queues = std::min(most, info.max_tx_queues);
  if (port.rx_queues == 0 || port.tx_queues == 0) return PortError(port, "has no queues", ENODEV);
  port.rx_descriptors = options.rx_descriptors;
  port.tx_descriptors = options.tx_descriptors;
  if (port.driver == kAfXdpDriver && !std::has_single_bit(port.rx_descriptors)) {
    return absl::InvalidArgumentError(absl::StrCat(
        port.name, " (", port.driver, "): --rx_descriptors=", port.rx_descriptors, ": AF_XDP takes powers of two"));
  }
  const int adjusted = rte_eth_dev_adjust_nb_rx_tx_desc(id, &port.rx_descriptors, &port.tx_descriptors);
  if (adjusted != 0 && adjusted != -ENOTSUP) return PortError(port, "refuses the descriptor counts", adjusted);

  port.rss = port.rx_queues > 1 && (info.flow_type_rss_offloads & kRssUdp) != 0;
  port.rx_ip_checksum_offload = (info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM) != 0;
  port.tx_multi_segment = (info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0;
  port.rx_interrupts = options.idle == DpdkOptions::Idle::kInterrupt;
  if (absl::Status status = ChooseMtu(port, info, options); !status.ok()) return status;
  return port;
}

namespace {

// net_af_xdp gives the kernel as many bytes as the mbufs take side by side, but DPDK lays none over a page's end: those
// at the end would not be the kernel's, which forgets them, until it has no buffers left. So each takes a page,
// exactly.
rte_mempool* MakeXdpPool(const std::string& name, uint32_t count, int numa) {
  static constexpr uint32_t kPage = 4096;
  const uint32_t element = kPage - RTE_CACHE_LINE_ROUNDUP(sizeof(rte_mempool_objhdr));
  rte_mempool* const pool = rte_mempool_create_empty(name.c_str(), count, element, count >= 512 ? 256 : 0,
                                                     sizeof(rte_pktmbuf_pool_private), numa, RTE_MEMPOOL_F_NO_SPREAD);
  if (pool == nullptr) return nullptr;
  rte_pktmbuf_pool_private room{};
  room.mbuf_data_room_size = static_cast<uint16_t>(pool->elt_size - sizeof(rte_mbuf) - sizeof(MbufNote));
  room.mbuf_priv_size = sizeof(MbufNote);
  rte_pktmbuf_pool_init(pool, &room);
  const int populated = rte_mempool_populate_default(pool);
  if (populated < 0) {
    rte_mempool_free(pool);
    rte_errno = -populated;
    return nullptr;
  }
  rte_mempool_obj_iter(pool, rte_pktmbuf_init, nullptr);
  return pool;
}

}  // namespace

absl::Status MakePortPool(Port& port, const DpdkOptions& options, size_t ports, uint32_t tx_descriptors) {
  // What each may have on its way to the kernel, to the ports, and in hand.
  const auto worker_holds =
      static_cast<uint32_t>(KernelPath::Options{}.ring_size + TxBuffer::kCapacity * ports + kInHand);
  const uint32_t enough = port.rx_queues * port.rx_descriptors + tx_descriptors + (options.workers + 2) * kCacheMbufs +
                          options.workers * worker_holds + kHandoffRing +
                          (options.reassemble ? options.workers * Reassembler::kMostHeld : 0) +
                          (port.driver == kAfXdpDriver ? kXdpFillRing : 0);
  const uint32_t count = options.mbufs != 0 ? options.mbufs : enough;
  const std::string name = absl::StrCat("relayd_port_", port.id);
  port.pool = port.driver == kAfXdpDriver ? MakeXdpPool(name, count, port.numa)
                                          : MakePool(name, count, options.mbuf_size, port.numa);
  if (port.pool != nullptr) return absl::OkStatus();
  return PortError(port,
                   absl::StrCat("no pool of ", count, " packet buffers of ", options.mbuf_size, " bytes",
                                rte_errno != ENOMEM            ? ""
                                : rte_eal_has_hugepages() != 0 ? "; reserve more hugepages, or lower --mbufs"
                                                               : "; raise -m in --eal, or lower --mbufs"),
                   rte_errno);
}

absl::Status ConfigurePort(Port& port, const DpdkOptions& options) {
  rte_eth_dev_info info{};
  if (absl::Status status = ReadInfo(port, info); !status.ok()) return status;
  rte_eth_conf conf = DeviceConfiguration(port, info);
  int result = rte_eth_dev_configure(port.id, port.rx_queues, port.tx_queues, &conf);
  if (result != 0 && port.rx_interrupts) {
    port.rx_interrupts = false;
    conf = DeviceConfiguration(port, info);
    result = rte_eth_dev_configure(port.id, port.rx_queues, port.tx_queues, &conf);
  }
  if (result != 0) return PortError(port, "cannot be configured", result);
  if (options.mtu != 0) {
    // -ENOTSUP: a driver that does not care how long its frames are.
    result = rte_eth_dev_set_mtu(port.id, options.mtu);
    if (result != 0 && result != -ENOTSUP) return PortError(port, absl::StrCat("MTU ", options.mtu), result);
  }
  return SetUpQueues(port, info, conf);
}

}  // namespace relay
