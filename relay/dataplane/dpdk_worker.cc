#include "relay/dataplane/dpdk_worker.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_pause.h>
#include <rte_ring.h>
#include <sys/prctl.h>
#include <time.h>

#include <algorithm>
#include <utility>

#include "relay/dataplane/segments.h"

namespace relay {

DpdkWorker::DpdkWorker(const Config& config, const RelayServer& server, Qsbr& qsbr, WorkerContext& context)
    : config_(config),
      server_(server),
      qsbr_(qsbr),
      context_(context),
      counters_(*context.counters),
      scratch_(UINT16_MAX) {
  lane_by_link_port_.fill(nullptr);
  for (size_t i = 0; i < config.ports.size(); ++i) {
    const PortShare& share = config.ports[i];
    Lane& lane = lanes_.emplace_back();
    lane.share = share;
    lane.id = share.port->id;
    lane.index = static_cast<uint16_t>(i);
    lane.context.udp_port = config.udp_port;
    lane.context.link_port = static_cast<uint16_t>(share.port->id + 1);
    lane.context.interface = share.port->kernel_interface.Get();
    const TxBuffer::Target target{.port_id = share.port->id,
                                  .queue = share.tx_queue.value_or(0),
                                  .handoff = share.tx_queue ? nullptr : share.handoff};
    // A port without them would not wake us: then all is polled, with naps between.
    if (share.rx_queue) has_interrupts_ = has_interrupts_ && share.port->rx_interrupts;
    lane.out = std::make_unique<TxBuffer>(target, counters_, *share.counters);
  }
  for (Lane& lane : lanes_) {  // Which stay where they are from here on.
    if (lane.context.link_port < kMaxLinkPorts) lane_by_link_port_[lane.context.link_port] = &lane;
  }
  const double cycles_per_ns = static_cast<double>(rte_get_tsc_hz()) / 1e9;
  idle_after_cycles_ = static_cast<uint64_t>(cycles_per_ns * static_cast<double>(config.idle_after.count()));
  deeply_idle_after_cycles_ = rte_get_tsc_hz() / 10;
  started_at_ = last_busy_at_ = rte_rdtsc();
  if (config.reassembler != nullptr) {
    expire_cycles_ = rte_get_tsc_hz() / 10;
    expire_at_ = started_at_ + expire_cycles_;
  }
}

DpdkWorker::~DpdkWorker() = default;

void DpdkWorker::Run() {
  rte_thread_register();        // For the mempools' caches; without it all works, slower.
  prctl(PR_SET_TIMERSLACK, 1);  // Naps of the length that was asked for.
  qsbr_.Register(context_.id);
  qsbr_.Online(context_.id);
  while (!stop_.load(std::memory_order_relaxed)) {
    if (Poll() == 0) Rest();
  }
  if (config_.reassembler != nullptr) {
    config_.reassembler->Flush();
    CountLostFragments();
  }
  for (Lane& lane : lanes_) lane.out->Flush();
  qsbr_.Offline(context_.id);
  qsbr_.Unregister(context_.id);
  rte_thread_unregister();
}

void DpdkWorker::Settle() {
  for (Lane& lane : lanes_) {
    while (SendForOthers(lane) != 0) {
    }
    lane.out->Flush();
    lane.out->Abandon();
  }
}

uint32_t DpdkWorker::Poll() {
  const uint64_t begin = rte_rdtsc();
  uint32_t received = 0;
  for (Lane& lane : lanes_) {
    if (!lane.share.rx_queue) continue;
    const uint16_t count = Receive(lane);
    if (count == 0) continue;
    received += count;
    now_ = std::chrono::steady_clock::now();
    Parse(lane, count);
    Decide(lane, count);
    FlushToKernel(lane);
  }
  if (begin >= expire_at_) [[unlikely]]
    ExpireFragments(begin);
  uint32_t for_others = SendForKernel();
  for (Lane& lane : lanes_) {
    for_others += SendForOthers(lane);
    lane.out->Flush();
  }
  qsbr_.Quiescent(context_.id);  // No Endpoint* and no published set is held past this line.

  PollCounters& poll = *config_.poll_counters;
  const uint64_t end = rte_rdtsc();
  poll.polls.Add(1);
  poll.total_cycles.Set(end - started_at_);
  if (received == 0) {
    poll.empty_polls.Add(1);
    if (for_others != 0) last_busy_at_ = end;
  } else {
    poll.busy_cycles.Add(end - begin);
    poll.packets.Add(received);
    last_busy_at_ = end;
  }
  return received;
}

uint16_t DpdkWorker::Receive(Lane& lane) {
  const uint16_t count = rte_eth_rx_burst(lane.id, *lane.share.rx_queue, received_.data(), kBurst);
  if (count == 0) return 0;
  PortCounters& port = *lane.share.counters;
  port.received.Add(count);
  port.bursts_total.Add(1);
  port.bursts[BurstBucket(count)].Add(1);
  return count;
}

// Beside the parsing, the way to what is decided on is walked: the frame's slot in the table, and a few frames later,
// when that is there, its sender's flow.
[[gnu::noinline]] void DpdkWorker::Parse(Lane& lane, uint16_t count) {
  static constexpr uint16_t kAhead = 4;    // The frames' first lines are on their way from the NIC's memory.
  static constexpr uint16_t kBehind = 28;  // A slot comes from memory, some 200 ns away; a frame takes 7 ns.
  for (uint16_t i = 0; i < std::min(count, kAhead); ++i) rte_prefetch0(rte_pktmbuf_mtod(received_[i], void*));
  lane.context.Use(config_.addresses->Load());
  for (uint16_t i = 0; i < count; ++i) {
    if (i + kAhead < count) rte_prefetch0(rte_pktmbuf_mtod(received_[i + kAhead], void*));
    Arrival& arrival = arrivals_[i];
    rte_mbuf* const m = received_[i];
    arrival.m = m;
    if (!ParseData(lane.context, arrival)) [[unlikely]]
      ParseAny(lane, arrival);
    if (i >= kBehind) FindSender(arrivals_[i - kBehind]);
  }
  for (uint16_t i = count < kBehind ? 0 : count - kBehind; i < count; ++i) FindSender(arrivals_[i]);
  counters_.received.Add(count - std::exchange(held_, uint16_t{0}));
}

// Data in a usual frame. False: anything else.
[[gnu::always_inline]] inline bool DpdkWorker::ParseData(const FrameContext& context, Arrival& arrival) const {
  const rte_mbuf* const m = arrival.m;
  const uint8_t* const data = rte_pktmbuf_mtod(m, const uint8_t*);
  if (m->nb_segs != 1 || !ParseUsual(data, m->data_len, context, arrival.usual)) return false;
  arrival.header.Read({data + usual::kPayload, arrival.usual.udp_bytes - kUdpBytes});
  if (arrival.header.kind != Parsed::Kind::kData) return false;
  server_.PrefetchSlot(arrival.header);
  arrival.is_usual = true;
  return true;
}

// Of control, the core looks for it itself.
[[gnu::always_inline]] inline void DpdkWorker::FindSender(Arrival& arrival) const {
  if (arrival.is_usual) [[likely]] {
    const Ipv4Path& from = arrival.usual.from;
    arrival.sender = server_.PrefetchSender(arrival.header, SourceWord(from.remote_ip, from.remote_port));
  } else if (arrival.header.kind == Parsed::Kind::kData) {
    server_.PrefetchSender(arrival.header, SourceWord(arrival.frame.from.remote));
  }
}

[[gnu::noinline]] void DpdkWorker::ParseAny(Lane& lane, Arrival& arrival) {
  arrival.is_usual = false;
  arrival.header.kind = Parsed::Kind::kBad;
  do {
    rte_mbuf* const m = arrival.m;
    if (m->nb_segs > 1 && !PullUpHeaders(arrival)) return;
    const uint8_t* const data = rte_pktmbuf_mtod(m, const uint8_t*);
    lane.context.checksum_good = (m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD;
    ParseFrame({data, m->data_len}, m->pkt_len, lane.context, arrival.frame);
    if (arrival.frame.fate == Frame::Fate::kRelay) {
      arrival.header.Read({data + arrival.frame.udp_offset + kUdpBytes, arrival.frame.udp_bytes - kUdpBytes});
      if (arrival.header.kind != Parsed::Kind::kBad) server_.PrefetchSlot(arrival.header);
      return;
    }
  } while (arrival.frame.fate == Frame::Fate::kFragment && TakeFragment(arrival));
}

// All that is parsed, in the first segment. False: no memory for that.
[[gnu::noinline]] bool DpdkWorker::PullUpHeaders(Arrival& arrival) {
  const size_t head = std::min<size_t>(arrival.m->pkt_len, kMaxHeaderBytes + geneve::kHeaderSize);
  if (PullUp(arrival.m, static_cast<uint16_t>(head))) return true;
  arrival.frame.fate = Frame::Fate::kDrop;
  arrival.frame.reason = DropReason::kNoMbuf;
  return false;
}

// True: arrival.m is the datagram that this fragment has made whole, to be parsed where the fragment stood. (It is none
// itself, so that this happens once.)
[[gnu::noinline]] bool DpdkWorker::TakeFragment(Arrival& arrival) {
  counters_.fragments.Add(1);
  if (config_.reassembler == nullptr) return false;
  arrival.m = config_.reassembler->Add(arrival.m, arrival.frame, rte_rdtsc());
  CountLostFragments();
  if (arrival.m == nullptr) {
    ++held_;
    return false;
  }
  counters_.reassembled.Add(1);
  return true;
}

[[gnu::noinline]] void DpdkWorker::ExpireFragments(uint64_t tsc) {
  expire_at_ = tsc + expire_cycles_;
  config_.reassembler->Expire(tsc);
  CountLostFragments();
}

// They are received only now, and with that at their end.
void DpdkWorker::CountLostFragments() {
  const uint64_t lost = config_.reassembler->TakeDropped();
  counters_.received.Add(lost);
  counters_.Drop(DropReason::kFragment, lost);
}

void DpdkWorker::ToKernel(const Lane& lane, rte_mbuf* m, DropReason otherwise) {
  if (config_.kernel_path == nullptr || !config_.kernel_path->HasTap(lane.index)) return Drop(m, otherwise);
  to_kernel_[to_kernel_count_++] = m;
}

void DpdkWorker::FlushToKernel(const Lane& lane) {
  if (to_kernel_count_ == 0) return;
  const uint16_t taken = config_.kernel_path->ToTap(config_.index, lane.index, to_kernel_.data(), to_kernel_count_);
  counters_.to_kernel.Add(taken);
  for (uint16_t i = taken; i < to_kernel_count_; ++i) Drop(to_kernel_[i], DropReason::kKernelPathFull);
  to_kernel_count_ = 0;
}

// At most a burst a turn, so that what the kernel sends never holds up what is relayed.
[[gnu::noinline]] uint32_t DpdkWorker::SendForKernel() {
  if (config_.kernel_path == nullptr) return 0;
  std::array<rte_mbuf*, kBurst> frames;
  const uint16_t count = config_.kernel_path->FromKernel(config_.index, frames.data(), kBurst);
  for (uint16_t i = 0; i < count; ++i) {
    Lane* const lane = LaneOf(static_cast<uint16_t>(frames[i]->port + 1));
    if (lane == nullptr) {
      rte_pktmbuf_free(frames[i]);
      continue;
    }
    lane->out->Add(frames[i], SentAs(MbufNote::Kind::kFromKernel));
  }
  return count;
}

// All there is, because several workers may fill the ring; what the port cannot take at once is the buffer's business.
[[gnu::noinline]] uint32_t DpdkWorker::SendForOthers(Lane& lane) {
  if (!lane.share.tx_queue || lane.share.handoff == nullptr) return 0;
  std::array<rte_mbuf*, kBurst> frames;
  uint32_t taken = 0;
  while (taken < TxBuffer::kCapacity) {
    const unsigned count =
        rte_ring_sc_dequeue_burst(lane.share.handoff, reinterpret_cast<void**>(frames.data()), kBurst, nullptr);
    for (unsigned i = 0; i < count; ++i) lane.out->Add(frames[i], SentAs::Read(NoteOf(frames[i])));
    taken += count;
    if (count < kBurst) break;
  }
  return taken;
}

void DpdkWorker::Drop(rte_mbuf* m, DropReason reason) {
  counters_.Drop(reason, 1);
  rte_pktmbuf_free(m);
}

// Nothing came: after a while of polling, off the core for a moment.
void DpdkWorker::Rest() {
  const bool pending =
      std::ranges::any_of(lanes_, [](const Lane& lane) { return lane.out->size() != 0 && !lane.out->blocked(); });
  if (config_.idle == DpdkOptions::Idle::kPoll || pending || rte_rdtsc() - last_busy_at_ < idle_after_cycles_) {
    rte_pause();
    return;
  }
  qsbr_.Offline(context_.id);
  if (config_.idle == DpdkOptions::Idle::kInterrupt && has_interrupts_) {
    AwaitInterrupt();
  } else {
    const bool deeply = rte_rdtsc() - last_busy_at_ > deeply_idle_after_cycles_;
    const Duration length = deeply ? config_.idle_sleep * kDeepNap : config_.idle_sleep;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(length);
    const timespec nap{.tv_sec = seconds.count(), .tv_nsec = (length - seconds).count()};
    nanosleep(&nap, nullptr);
  }
  qsbr_.Online(context_.id);
  config_.poll_counters->sleeps.Add(1);
}

void DpdkWorker::AwaitInterrupt() {
  // What arrived just before, and what other threads want sent, raises no interrupt.
  static constexpr int kLongestMs = 1;
  for (Lane& lane : lanes_) {
    if (!lane.share.rx_queue || !lane.share.port->rx_interrupts) continue;
    const uint16_t queue = *lane.share.rx_queue;
    if (!lane.interrupt_added) {
      lane.interrupt_added = true;
      rte_eth_dev_rx_intr_ctl_q(lane.id, queue, RTE_EPOLL_PER_THREAD, RTE_INTR_EVENT_ADD, nullptr);
    }
    rte_eth_dev_rx_intr_enable(lane.id, queue);
  }
  std::array<rte_epoll_event, 16> events;
  rte_epoll_wait(RTE_EPOLL_PER_THREAD, events.data(), static_cast<int>(events.size()), kLongestMs);
  for (Lane& lane : lanes_) {
    if (lane.share.rx_queue && lane.share.port->rx_interrupts)
      rte_eth_dev_rx_intr_disable(lane.id, *lane.share.rx_queue);
  }
}

}  // namespace relay
