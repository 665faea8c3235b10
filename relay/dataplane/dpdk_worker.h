// A poll-mode worker: one thread, its queue of each port, the burst loop.
#ifndef RELAYD_RELAY_DATAPLANE_DPDK_WORKER_H_
#define RELAYD_RELAY_DATAPLANE_DPDK_WORKER_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "relay/core/port_counters.h"
#include "relay/core/qsbr.h"
#include "relay/core/relay_server.h"
#include "relay/dataplane/dpdk_options.h"
#include "relay/dataplane/frame.h"
#include "relay/dataplane/host_network.h"
#include "relay/dataplane/kernel_path.h"
#include "relay/dataplane/mbuf.h"
#include "relay/dataplane/port.h"
#include "relay/dataplane/published.h"
#include "relay/dataplane/reassembler.h"
#include "relay/dataplane/tx_buffer.h"
#include "relay/dataplane/usual_frame.h"

struct rte_ring;

namespace relay {

class DpdkWorker {
 public:
  // How the worker takes part in one port. `port` outlives the worker.
  struct PortShare {
    const Port* port = nullptr;
    std::optional<uint16_t> rx_queue;
    std::optional<uint16_t> tx_queue;  // None: frames go to `handoff`, whose consumer has a queue.
    rte_ring* handoff = nullptr;       // Where tx_queue is set: what the other workers want sent. May be null then.
    PortCounters* counters = nullptr;
  };
  struct Config {
    std::vector<PortShare> ports;  // All ports, in one order for all workers.
    uint32_t index = 0;            // Of this worker, among the poll-mode ones.
    uint16_t udp_port = 0;
    KernelPath* kernel_path = nullptr;                    // Null: no way to the kernel.
    const Published<AddressSet>* addresses = nullptr;     // Ours.
    const Published<NeighbourSet>* neighbours = nullptr;  // Where next hops may follow to.
    PollCounters* poll_counters = nullptr;
    Reassembler* reassembler = nullptr;  // The worker's own. Null: fragments are others' business.
    DpdkOptions::Idle idle = DpdkOptions::Idle::kPoll;
    Duration idle_after{};
    Duration idle_sleep{};
  };

  // All are used until Run has returned.
  DpdkWorker(const Config& config, const RelayServer& server, Qsbr& qsbr, WorkerContext& context);
  ~DpdkWorker();

  // Relays until Stop; registers itself with the Qsbr as context.id, and the thread with EAL.
  void Run();
  // Once Run has returned, here and in all workers that hand frames over: sends those, and gives up what the ports do
  // not take.
  void Settle();
  void Stop() { stop_.store(true, std::memory_order_relaxed); }  // Any thread; Run returns within a millisecond or so.

  // One turn of the loop: receive, decide, send. Run's body, for tests and benchmarks, which register with the Qsbr
  // themselves. Returns how many frames were received.
  uint32_t Poll();

 private:
  static constexpr uint16_t kBurst = 32;
  static constexpr size_t kMaxLinkPorts = 256;
  // Nothing for 100 ms: naps are so much longer, because waking from one costs some 10 us of the core
  // (bench/figures, idle_core_percent).
  static constexpr int kDeepNap = 20;

  struct Lane {
    PortShare share;
    FrameContext context;
    uint16_t id = 0;     // DPDK's.
    uint16_t index = 0;  // In config.ports.
    bool interrupt_added = false;
    std::unique_ptr<TxBuffer> out;
  };
  struct Arrival {
    rte_mbuf* m;    // Null: a fragment that the reassembler has taken.
    bool is_usual;  // Data in a usual frame: `usual` and not `frame` is set.
    Parsed header;  // kBad unless the frame is kRelay.
    Sender sender;  // Only where is_usual.
    UsualFrame usual;
    Frame frame;
  };

  uint16_t Receive(Lane& lane);
  void Parse(Lane& lane, uint16_t count);
  bool ParseData(const FrameContext& context, Arrival& arrival) const;
  void ParseAny(Lane& lane, Arrival& arrival);
  void FindSender(Arrival& arrival) const;
  bool PullUpHeaders(Arrival& arrival);
  bool TakeFragment(Arrival& arrival);
  void ExpireFragments(uint64_t tsc);
  void CountLostFragments();
  void Decide(Lane& lane, uint16_t count);
  bool ForwardUsual(Lane& lane, Arrival& arrival);
  void ForwardParsed(Lane& lane, Arrival& arrival, const Ipv4Path& to, bool other_mac);
  bool SendUsual(const Lane& lane, const Arrival& arrival, const Ipv4Path& to);
  void DecideData(Lane& lane, Arrival& arrival);
  void DecideOther(Lane& lane, Arrival& arrival);
  void Forward(Lane& lane, Arrival& arrival, const Path& to);
  void ForwardToSocket(Arrival& arrival, const Path& to);
  void Answer(Lane& lane, Arrival& arrival, const Path& to);
  void AnswerTooBig(Lane& lane, const Arrival& arrival, const Path& to, uint16_t out_mtu);
  void FollowLink(const Arrival& arrival);
  void ToKernel(const Lane& lane, rte_mbuf* m, DropReason otherwise);
  void FlushToKernel(const Lane& lane);
  uint32_t SendForOthers(Lane& lane);
  uint32_t SendForKernel();
  void Drop(rte_mbuf* m, DropReason reason);
  Lane* LaneOf(uint16_t link_port) const { return link_port < kMaxLinkPorts ? lane_by_link_port_[link_port] : nullptr; }
  std::span<const uint8_t> Payload(const Arrival& arrival);
  void Rest();
  void AwaitInterrupt();

  const Config config_;
  const RelayServer& server_;
  Qsbr& qsbr_;
  WorkerContext& context_;
  Counters& counters_;
  std::atomic<bool> stop_{false};

  std::vector<Lane> lanes_;
  std::array<Lane*, kMaxLinkPorts> lane_by_link_port_;  // Null: no such port.
  Instant now_{};                                       // Of the burst.
  std::array<rte_mbuf*, kBurst> received_;
  std::array<Arrival, kBurst> arrivals_;
  std::array<rte_mbuf*, kBurst> to_kernel_;
  uint16_t to_kernel_count_ = 0;
  Reply reply_;
  std::atomic<int64_t> icmp_bucket_ns_{0};
  uint64_t started_at_ = 0;    // TSC.
  uint64_t last_busy_at_ = 0;  // TSC.
  uint64_t idle_after_cycles_ = 0;
  uint64_t deeply_idle_after_cycles_ = 0;
  bool has_interrupts_ = true;       // Every port that we poll wakes us.
  uint64_t expire_at_ = UINT64_MAX;  // TSC; never without a reassembler.
  uint64_t expire_cycles_ = 0;
  uint16_t held_ = 0;             // Fragments of the burst that are not received yet; see Reassembler.
  std::vector<uint8_t> scratch_;  // A datagram in one piece, if it came in several.
};

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_DPDK_WORKER_H_
