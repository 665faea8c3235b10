#include "bench/relay_bench/dpdk_link.h"

#include <pthread.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <bit>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/measure/stamp.h"
#include "bench/relay_bench/eal_arguments.h"
#include "bench/relay_bench/frame.h"
#include "geneve/geneve.h"

namespace bench {
namespace {

constexpr uint32_t kCache = 256;
constexpr size_t kFillerBegin = geneve::kHeaderSize + 32;  // As in measure/stamp.h.
constexpr size_t kFillerEnd = 8;                           // From the payload's end.

// In the private area of mbufs for filler: what their filler sums up to, which nobody writes.
struct FillerNote {
  uint32_t payload_size;
  uint32_t zero;
  uint64_t sum;
};

absl::Status Failed(const std::string& what) {
  return absl::UnavailableError(absl::StrCat(what, ": ", rte_strerror(rte_errno)));
}
absl::Status Failed(const std::string& what, int error) {
  return absl::UnavailableError(absl::StrCat(what, ": ", rte_strerror(-error)));
}

struct Port {
  uint16_t id = 0;
  std::string name;
  Mac mac{};
  rte_mempool* receive_pool = nullptr;
  std::optional<ClientAddresses> clients;
  std::optional<FrameWriter> writer;
  std::optional<FrameReader> reader;
};

class DpdkLink : public Link {
 public:
  DpdkLink(const DpdkIoOptions& options, uint32_t legs) : options_(options), legs_(legs) {}
  ~DpdkLink() override;

  absl::Status Open(relay::Duration wait);

  absl::Status SetRelay(const disco::AddrPort& relay) override;
  std::span<Outgoing> Prepare(uint32_t count, Use use) override;
  uint32_t Send(uint32_t count) override;
  std::span<const Incoming> Receive() override;
  void Wait(relay::Instant) override {}  // Polls: nothing tells of packets.
  uint32_t max_payload() const override { return max_payload_; }
  std::vector<std::string> Notes() const override;

 private:
  absl::Status OpenPort(uint16_t id);
  absl::Status WaitForLinks(relay::Duration wait);
  const auto& OfPort(const auto& list, size_t port) const { return list[std::min(port, list.size() - 1)]; }
  uint32_t PortOfLeg(uint32_t leg) const { return leg & ((1u << port_bits_) - 1); }
  uint64_t PayloadSum(rte_mbuf* m, std::span<const uint8_t> payload) const;

  const DpdkIoOptions options_;
  const uint32_t legs_;
  uint32_t max_payload_ = 0;
  uint32_t headers_size_ = 0;
  std::vector<Port> ports_;
  int port_bits_ = 0;
  rte_mempool* any_pool_ = nullptr;
  rte_mempool* filler_pool_ = nullptr;

  Use use_ = Use::kAny;
  std::array<rte_mbuf*, kMaxBurst> out_mbufs_{};
  std::array<Outgoing, kMaxBurst> out_{};
  uint32_t prepared_ = 0;
  std::array<rte_mbuf*, kMaxBurst> in_mbufs_{};
  std::array<Incoming, kMaxBurst> in_{};
  uint32_t held_ = 0;  // Of in_mbufs_, until the next Receive.
  size_t next_port_ = 0;

  uint64_t other_frames_ = 0;
  uint64_t broken_frames_ = 0;
};

DpdkLink::~DpdkLink() {
  rte_pktmbuf_free_bulk(in_mbufs_.data(), held_);
  for (const Port& port : ports_) {
    rte_eth_dev_stop(port.id);
    rte_eth_dev_close(port.id);
    rte_mempool_free(port.receive_pool);
  }
  rte_mempool_free(any_pool_);
  rte_mempool_free(filler_pool_);
  rte_eal_cleanup();
}

absl::Status DpdkLink::Open(relay::Duration wait) {
  const auto arguments = EalArguments(options_.eal);
  if (!arguments.ok()) return arguments.status();
  std::vector<char*> argv;
  for (const std::string& argument : *arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  // EAL pins the thread that starts it: whoever started us knows better.
  cpu_set_t affinity;
  pthread_getaffinity_np(pthread_self(), sizeof(affinity), &affinity);
  if (rte_eal_init(static_cast<int>(argv.size()), argv.data()) < 0) return Failed("EAL does not start");
  pthread_setaffinity_np(pthread_self(), sizeof(affinity), &affinity);

  const bool ipv4 = options_.client_nets.front().base.IsIpv4();
  for (const ClientNet& net : options_.client_nets) {
    if (net.base.IsIpv4() != ipv4) return absl::InvalidArgumentError("--client_net: one family alone");
  }
  headers_size_ = HeadersSize(ipv4);
  max_payload_ = options_.mbuf_size - headers_size_;
  const uint32_t count =
      options_.descriptors * 2u * std::max<uint32_t>(1, rte_eth_dev_count_avail()) + 1024 + 2 * kCache;
  const auto room = static_cast<uint16_t>(options_.mbuf_size + RTE_PKTMBUF_HEADROOM);
  any_pool_ = rte_pktmbuf_pool_create("bench_any", count, kCache, sizeof(FillerNote), room, SOCKET_ID_ANY);
  filler_pool_ = rte_pktmbuf_pool_create("bench_filler", count, kCache, sizeof(FillerNote), room, SOCKET_ID_ANY);
  if (any_pool_ == nullptr || filler_pool_ == nullptr) return Failed("no memory for packet buffers");
  rte_mempool_obj_iter(
      filler_pool_,
      [](rte_mempool*, void*, void* object, unsigned) {
        auto* const m = static_cast<rte_mbuf*>(object);
        *static_cast<FillerNote*>(rte_mbuf_to_priv(m)) = {};
        std::fill_n(static_cast<uint8_t*>(m->buf_addr), m->buf_len, uint8_t{0x5a});
      },
      nullptr);

  uint16_t id = 0;
  RTE_ETH_FOREACH_DEV(id) {
    if (absl::Status opened = OpenPort(id); !opened.ok()) return opened;
  }
  if (ports_.empty()) return absl::InvalidArgumentError("--eal names no port (--vdev=... or -a ...)");
  if (!std::has_single_bit(ports_.size())) return absl::InvalidArgumentError("--eal: one port, or two, or four");
  port_bits_ = std::bit_width(ports_.size()) - 1;
  for (size_t i = 0; i < ports_.size(); ++i) {
    ports_[i].clients.emplace(OfPort(options_.client_nets, i));
    const uint64_t clients = (legs_ + ports_.size() - 1) / ports_.size();
    if (ports_[i].clients->capacity() < clients) {
      return absl::InvalidArgumentError(absl::StrCat("--client_net: no room for ", clients, " addresses"));
    }
  }
  return WaitForLinks(wait);
}

absl::Status DpdkLink::OpenPort(uint16_t id) {
  Port port;
  port.id = id;
  char name[RTE_ETH_NAME_MAX_LEN] = "";
  rte_eth_dev_get_name_by_port(id, name);
  port.name = name;
  const auto failed = [&](const char* what, int error) {
    return Failed(absl::StrCat("port ", port.name, ": ", what), error);
  };
  const uint32_t count = options_.descriptors * 2u + 1024 + 2 * kCache;
  port.receive_pool =
      rte_pktmbuf_pool_create(absl::StrCat("bench_rx", id).c_str(), count, kCache, 0,
                              static_cast<uint16_t>(options_.mbuf_size + RTE_PKTMBUF_HEADROOM), SOCKET_ID_ANY);
  if (port.receive_pool == nullptr) return Failed("no memory for packet buffers");
  const rte_eth_conf conf{};
  if (int error = rte_eth_dev_configure(id, 1, 1, &conf); error != 0) return failed("cannot be configured", error);
  uint16_t rx = options_.descriptors;
  uint16_t tx = options_.descriptors;
  rte_eth_dev_adjust_nb_rx_tx_desc(id, &rx, &tx);
  if (options_.mtu != 0) {
    if (int error = rte_eth_dev_set_mtu(id, options_.mtu); error != 0) return failed("does not take --mtu", error);
  }
  const auto numa = static_cast<unsigned>(rte_eth_dev_socket_id(id));
  if (int error = rte_eth_rx_queue_setup(id, 0, rx, numa, nullptr, port.receive_pool); error != 0) {
    return failed("no receive queue", error);
  }
  if (int error = rte_eth_tx_queue_setup(id, 0, tx, numa, nullptr); error != 0) return failed("no send queue", error);
  if (int error = rte_eth_dev_start(id); error != 0) return failed("does not start", error);
  rte_eth_promiscuous_enable(id);  // Where there is such a thing.
  rte_ether_addr mac{};
  if (int error = rte_eth_macaddr_get(id, &mac); error != 0) return failed("has no MAC", error);
  std::copy_n(mac.addr_bytes, port.mac.size(), port.mac.begin());
  uint16_t mtu = 1500;
  rte_eth_dev_get_mtu(id, &mtu);
  max_payload_ = std::min(max_payload_, mtu + kEthernetSize - headers_size_);
  ports_.push_back(std::move(port));
  return absl::OkStatus();
}

absl::Status DpdkLink::WaitForLinks(relay::Duration wait) {
  const relay::Instant until = std::chrono::steady_clock::now() + wait;
  for (const Port& port : ports_) {
    rte_eth_link link{};
    while (rte_eth_link_get_nowait(port.id, &link) == 0 && link.link_status == RTE_ETH_LINK_DOWN) {
      if (std::chrono::steady_clock::now() >= until) {
        return absl::UnavailableError(absl::StrCat("port ", port.name, " has no link (--wait)"));
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
  return absl::OkStatus();
}

absl::Status DpdkLink::SetRelay(const disco::AddrPort& relay) {
  for (size_t i = 0; i < ports_.size(); ++i) {
    Port& port = ports_[i];
    if (port.clients->ipv4() != relay.IsIpv4()) {
      return absl::InvalidArgumentError(absl::StrCat("--client_net is not of the family of ", relay.ToString()));
    }
    for (uint32_t client = 0; client < std::min<uint32_t>(legs_, 1 << 20); ++client) {
      if (port.clients->Of(client).ip == relay.ip) {
        return absl::InvalidArgumentError("--client_net holds the relay's address " + relay.ToString());
      }
    }
    port.writer.emplace(port.mac, OfPort(options_.relay_macs, i), *port.clients, relay, options_.udp_checksum);
    port.reader.emplace(*port.clients, relay, options_.verify_checksums);
  }
  return absl::OkStatus();
}

std::span<Outgoing> DpdkLink::Prepare(uint32_t count, Use use) {
  use_ = use;
  prepared_ = std::min(count, kMaxBurst);
  rte_mempool* const pool = use == Use::kFiller ? filler_pool_ : any_pool_;
  if (rte_pktmbuf_alloc_bulk(pool, out_mbufs_.data(), prepared_) != 0) prepared_ = 0;
  for (uint32_t i = 0; i < prepared_; ++i) {
    out_[i].payload = rte_pktmbuf_mtod_offset(out_mbufs_[i], uint8_t*, headers_size_);
    __builtin_prefetch(out_[i].payload - headers_size_, 1);
    __builtin_prefetch(out_[i].payload + 22, 1);
  }
  return std::span(out_).first(prepared_);
}

// Filler keeps its sum as long as the size stays.
uint64_t DpdkLink::PayloadSum(rte_mbuf* m, std::span<const uint8_t> payload) const {
  if (use_ != Use::kFiller || payload.size() % 2 != 0) return SumWords(payload);
  auto& note = *static_cast<FillerNote*>(rte_mbuf_to_priv(m));
  if (note.payload_size != payload.size()) [[unlikely]] {
    note.sum = SumWords(payload.subspan(kFillerBegin, payload.size() - kFillerBegin - kFillerEnd));
    note.payload_size = static_cast<uint32_t>(payload.size());
  }
  return note.sum + SumWords(payload.first(kFillerBegin)) + SumWords(payload.last(kFillerEnd));
}

uint32_t DpdkLink::Send(uint32_t count) {
  count = std::min(count, prepared_);
  for (uint32_t i = 0; i < count; ++i) {
    rte_mbuf* const m = out_mbufs_[i];
    const FrameWriter& writer = *ports_[PortOfLeg(out_[i].leg)].writer;
    const std::span<const uint8_t> payload(out_[i].payload, out_[i].size);
    writer.Write(out_[i].payload - headers_size_, out_[i].leg >> port_bits_, out_[i].size,
                 writer.needs_sum() ? PayloadSum(m, payload) : 0);
    m->data_len = static_cast<uint16_t>(headers_size_ + out_[i].size);
    m->pkt_len = m->data_len;
  }
  uint32_t sent = 0;
  while (sent < count) {
    const uint32_t port = PortOfLeg(out_[sent].leg);
    uint32_t run = port_bits_ == 0 ? count - sent : 1;
    while (sent + run < count && PortOfLeg(out_[sent + run].leg) == port) ++run;
    const uint16_t taken = rte_eth_tx_burst(ports_[port].id, 0, &out_mbufs_[sent], static_cast<uint16_t>(run));
    sent += taken;
    if (taken < run) break;
  }
  if (sent < prepared_) rte_pktmbuf_free_bulk(&out_mbufs_[sent], prepared_ - sent);
  prepared_ = 0;
  return sent;
}

std::span<const Incoming> DpdkLink::Receive() {
  if (held_ > 0) rte_pktmbuf_free_bulk(in_mbufs_.data(), held_);
  held_ = 0;
  const auto ports = static_cast<uint32_t>(ports_.size());
  uint32_t count = 0;
  for (uint32_t turn = 0; turn < ports && count == 0; ++turn) {
    const uint32_t port = static_cast<uint32_t>(next_port_++ % ports);
    held_ = rte_eth_rx_burst(ports_[port].id, 0, in_mbufs_.data(), kMaxBurst);
    const FrameReader& reader = *ports_[port].reader;
    for (uint32_t i = 0; i < held_; ++i) __builtin_prefetch(rte_pktmbuf_mtod(in_mbufs_[i], const uint8_t*));
    for (uint32_t i = 0; i < held_; ++i) {
      rte_mbuf* const m = in_mbufs_[i];
      if (m->nb_segs > 1 && rte_pktmbuf_linearize(m) != 0) [[unlikely]] {
        ++broken_frames_;
        continue;
      }
      const FrameRead read = reader.Read({rte_pktmbuf_mtod(m, const uint8_t*), m->data_len});
      if (read.what != FrameRead::What::kDatagram) [[unlikely]] {
        ++(read.what == FrameRead::What::kBroken ? broken_frames_ : other_frames_);
        continue;
      }
      const uint32_t leg = read.client << port_bits_ | port;
      in_[count++] = {read.payload.data(), static_cast<uint32_t>(read.payload.size()), leg};
    }
    if (count == 0 && held_ > 0) {
      rte_pktmbuf_free_bulk(in_mbufs_.data(), held_);
      held_ = 0;
    }
  }
  return std::span(in_).first(count);
}

std::vector<std::string> DpdkLink::Notes() const {
  std::vector<std::string> notes;
  if (broken_frames_ > 0) notes.push_back(absl::StrCat(broken_frames_, " frames came with a wrong length or checksum"));
  for (const Port& port : ports_) {
    rte_eth_stats stats{};
    if (rte_eth_stats_get(port.id, &stats) != 0) continue;
    if (stats.imissed + stats.rx_nombuf + stats.ierrors == 0) continue;
    notes.push_back(absl::StrCat("port ", port.name, " missed ", stats.imissed, ", had no buffer for ", stats.rx_nombuf,
                                 ", found ", stats.ierrors, " broken: the generator's loss"));
  }
  return notes;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Link>> OpenDpdkLink(const DpdkIoOptions& options, uint32_t legs, relay::Duration wait) {
  auto link = std::make_unique<DpdkLink>(options, legs);
  if (absl::Status opened = link->Open(wait); !opened.ok()) return opened;
  return link;
}

}  // namespace bench
