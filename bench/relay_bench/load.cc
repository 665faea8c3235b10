#include "bench/relay_bench/load.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>

#include "geneve/geneve.h"

namespace bench {
namespace {

constexpr uint32_t kPlainBurst = 32;
constexpr double kFastRate = 1e6;  // Packets a second from which on they are due in bursts.

}  // namespace

BigArray::BigArray(size_t size) {
  const size_t bytes = std::max<size_t>(size, 1) * sizeof(uint32_t);
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) std::abort();
  madvise(memory, bytes, MADV_HUGEPAGE);
  words_ = {static_cast<uint32_t*>(memory), Unmap{bytes}};
}

void BigArray::Unmap::operator()(uint32_t* words) const { munmap(words, bytes); }

Load::Load(const Options& options, Link& link, std::span<const Pair> all, Handshakes& handshakes)
    : options_(options),
      link_(link),
      all_(all),
      handshakes_(handshakes),
      burst_(std::clamp(options.run_length, kPlainBurst, kMaxBurst)),
      random_(options.seed),
      tracker_(std::make_unique<FlowTracker>(0)) {}

void Load::Begin(uint32_t run, double per_second, relay::Instant now) {
  run_ = run;
  first_ = bound_.front();
  contiguous_ = bound_.back() - first_ + 1 == bound_.size() && std::is_sorted(bound_.begin(), bound_.end());
  sequences_ = BigArray(all_.size() * 2);
  vnis_ = BigArray(all_.size());
  for (size_t i = 0; i < all_.size(); ++i) vnis_[i] = all_[i].vni;
  tracker_ = std::make_unique<FlowTracker>(all_.size() * 2);
  latency_.Clear();
  strays_ = {};
  handshakes_due_ = 0;
  left_in_run_ = 0;
  size_at_ = 0;
  pacer_ = std::make_unique<Pacer>(
      Pacer::Options{.per_second = per_second,
                     .burst = per_second > kFastRate ? std::max(options_.run_length, kPlainBurst) : options_.run_length,
                     .max_behind_ns = options_.max_behind.count()},
      relay::ToNs(now));
  ChooseFlows(0);
}

uint32_t Load::NextFlow() {
  if (left_in_run_ == 0) {
    const uint32_t number = random_.Below(static_cast<uint32_t>(bound_.size()));
    const uint32_t pair = contiguous_ ? first_ + number : bound_[number];
    const uint32_t direction = options_.both_directions ? static_cast<uint32_t>(random_.Next() >> 63) : 0;
    current_ = FlowOf(pair, direction);
    left_in_run_ = options_.run_length;
  }
  --left_in_run_;
  return current_;
}

void Load::ChooseFlows(uint32_t from) {
  for (uint32_t i = from; i < burst_; ++i) {
    flows_[i] = NextFlow();
    __builtin_prefetch(&sequences_[flows_[i]], 1);
    __builtin_prefetch(&vnis_[PairOf(flows_[i])]);
  }
}

void Load::Fill(const Outgoing& room, uint32_t flow, int64_t intended_ns) {
  geneve::Write({.vni = vnis_[PairOf(flow)], .protocol = geneve::kProtocolWireGuard},
                std::span<uint8_t, geneve::kHeaderSize>(room.payload, geneve::kHeaderSize));
  WriteStamp({room.payload + geneve::kHeaderSize, room.size - geneve::kHeaderSize},
             {.run = run_, .flow = flow, .sequence = sequences_[flow]++, .intended_ns = intended_ns},
             options_.coverage);
}

// The last one filled for this flow was not sent after all.
void Load::Unsend(uint32_t flow) { --sequences_[flow]; }

uint32_t Load::Send(relay::Instant now) {
  const Pacer::Due due = pacer_->Look(relay::ToNs(now), burst_);
  if (due.count == 0) return 0;
  const std::span<Outgoing> rooms =
      link_.Prepare(due.count, options_.coverage == Coverage::kHeader ? Link::Use::kFiller : Link::Use::kAny);
  const auto count = static_cast<uint32_t>(rooms.size());
  const std::vector<uint16_t>& sizes = options_.sizes.cycle();
  uint64_t size_at = size_at_;
  // Few looks give packets of different times: the schedule is in bursts where it is fast.
  const int64_t first_ns = count > 0 ? pacer_->IntendedNs(0) : 0;
  const bool one_time = count > 0 && pacer_->IntendedNs(count - 1) == first_ns;
  for (uint32_t i = 0; i < count; ++i) {
    // A train is of one size: the size changes with the run.
    rooms[i].size = sizes[options_.run_length > 1 ? size_at / options_.run_length % sizes.size() : size_at];
    rooms[i].leg = flows_[i];
    if (++size_at == sizes.size() * options_.run_length) size_at = 0;
    Fill(rooms[i], flows_[i], one_time ? first_ns : pacer_->IntendedNs(i));
  }
  const uint32_t sent = link_.Send(count);
  for (uint32_t i = count; i > sent; --i) Unsend(flows_[i - 1]);
  size_at_ = (size_at_ + sent) % (sizes.size() * options_.run_length);
  pacer_->Sent(sent);
  // What was not sent keeps its place; what was makes room for others.
  std::copy(flows_.begin() + sent, flows_.begin() + burst_, flows_.begin());
  ChooseFlows(burst_ - sent);
  if (options_.handshake_share > 0) StartHandshakes(sent, now);
  return sent;
}

void Load::StartHandshakes(uint32_t packets, relay::Instant now) {
  handshakes_due_ += packets * options_.handshake_share;
  for (; handshakes_due_ >= 1; handshakes_due_ -= 1) {
    const uint32_t pair = bound_[random_.Below(static_cast<uint32_t>(bound_.size()))];
    handshakes_.Rebind(FlowOf(pair, static_cast<uint32_t>(random_.Next() >> 63)), now);
  }
}

void Load::Receive(std::span<const Incoming> burst, relay::Instant now) {
  const int64_t now_ns = relay::ToNs(now);
  struct Good {
    Stamp stamp;
    uint32_t vni;
    uint32_t leg;
    uint32_t size;
  };
  constexpr size_t kStage = 32;
  std::array<Good, kStage> good;
  for (size_t begin = 0; begin < burst.size(); begin += kStage) {
    const std::span<const Incoming> stage = burst.subspan(begin, std::min(kStage, burst.size() - begin));
    size_t count = 0;
    for (const Incoming& in : stage) {
      const auto header = geneve::Parse({in.payload, in.size});
      if (!header || header->version != 0 || header->control || in.size < kMinPayload) {
        if (header && header->control) {
          ReceiveControl(in, *header, now);
        } else {
          ++strays_.not_ours;
        }
        continue;
      }
      const std::span<const uint8_t> body(in.payload + geneve::kHeaderSize, in.size - geneve::kHeaderSize);
      Good& g = good[count];
      const StampStatus status = ReadStamp(body, run_, g.stamp);
      if (status == StampStatus::kOk && g.stamp.flow < tracker_->flows()) {
        g.vni = header->vni;
        g.leg = in.leg;
        g.size = in.size;
        ++count;
        tracker_->Prefetch(g.stamp.flow);
        __builtin_prefetch(&vnis_[PairOf(g.stamp.flow)]);
      } else if (status == StampStatus::kCorrupt) {
        tracker_->RecordCorrupt();
      } else if (Stamp probe; ReadStamp(body, options_.probe_run, probe) == StampStatus::kOk) {
        handshakes_.HandleProbe(probe.flow, now);
      } else {
        ++strays_.not_ours;
      }
    }
    for (const Good& g : std::span(good).first(count)) {
      const uint32_t expected = options_.reflector ? g.stamp.flow : OtherLeg(g.stamp.flow);
      const bool right_leg = g.leg == expected || g.leg == kUnknownLeg;
      const bool right_vni = g.vni == vnis_[PairOf(g.stamp.flow)];
      if (!right_leg || !right_vni) [[unlikely]] {
        ++(right_leg ? strays_.wrong_vni : strays_.wrong_leg);
        tracker_->RecordCorrupt();
        continue;
      }
      const Arrival arrival = tracker_->Record(g.stamp.flow, g.stamp.sequence, g.size);
      if (arrival == Arrival::kInOrder || arrival == Arrival::kReordered) {
        latency_.Record(now_ns - g.stamp.intended_ns);
      }
    }
  }
}

void Load::ReceiveControl(const Incoming& in, const geneve::Header& header, relay::Instant now) {
  if (!handshakes_.HandleControl(in.leg, header.vni, {in.payload, in.size}, now)) ++strays_.not_ours;
}

void Load::End(relay::Instant now) { pacer_->Finish(relay::ToNs(now)); }

}  // namespace bench
