#include "relay/core/endpoint_table.h"

#include <sodium.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <mutex>
#include <new>

namespace relay {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr uint32_t kVnis = geneve::kMaxVni + 1;

}  // namespace

Mapping::Mapping(size_t bytes, Pages pages) : bytes_(bytes) {
  base_ = mmap(nullptr, bytes + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base_ == MAP_FAILED) throw std::bad_alloc();
  const size_t beyond = reinterpret_cast<uintptr_t>(base_) % kHugePage;
  data_ = static_cast<char*>(base_) + (beyond == 0 ? 0 : kHugePage - beyond);
  // A wish: without huge pages it works as well, with more TLB misses.
  madvise(data_, bytes, pages == Pages::kHuge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  madvise(data_, bytes, MADV_DONTDUMP);  // Keys stay out of core files.
}

Mapping::~Mapping() { munmap(base_, bytes_ + kHugePage); }

void Mapping::Populate(size_t begin, size_t end) const {
  end = std::min(end, bytes_);
  begin = begin / kHugePage * kHugePage;
#if defined(MADV_POPULATE_WRITE)  // Linux 5.14; without it the first use touches.
  if (begin < end) madvise(static_cast<char*>(data_) + begin, end - begin, MADV_POPULATE_WRITE);
#endif
}

EndpointTable::EndpointTable(uint32_t max_endpoints, Qsbr& qsbr)
    : max_endpoints_(max_endpoints),
      qsbr_(qsbr),
      slot_memory_(size_t{kVnis} * sizeof(std::atomic<uint32_t>)),
      endpoint_memory_(size_t{max_endpoints} * sizeof(Endpoint)),
      control_memory_(kVnis / 8 + size_t{max_endpoints} * 3 * sizeof(uint32_t), Mapping::Pages::kSmall) {
  // The kernel's zeros are valid objects of all of these (a record is constructed when it is first used).
  slots_ = static_cast<std::atomic<uint32_t>*>(slot_memory_.data());
  endpoints_ = static_cast<Endpoint*>(endpoint_memory_.data());
  live_bits_ = static_cast<uint64_t*>(control_memory_.data());
  unbound_ = reinterpret_cast<std::atomic<uint32_t>*>(live_bits_ + kVnis / 64);
  owner_tag_ = reinterpret_cast<uint32_t*>(unbound_ + max_endpoints);
  next_ = owner_tag_ + max_endpoints;
  Populate();
}

void EndpointTable::Populate() {
  const uint32_t records = populated_records_.load(std::memory_order_relaxed);
  const uint32_t vnis = populated_vnis_.load(std::memory_order_relaxed);
  // Twice as far as is wanted, so that one call lasts a while.
  const uint32_t records_end = Ahead(Ahead(records, max_endpoints_), max_endpoints_);
  const uint32_t vnis_end = Ahead(Ahead(vnis, kVnis), kVnis);
  endpoint_memory_.Populate(size_t{records} * sizeof(Endpoint), size_t{records_end} * sizeof(Endpoint));
  slot_memory_.Populate(size_t{vnis} * sizeof(slots_[0]), size_t{vnis_end} * sizeof(slots_[0]));
  populated_records_.store(records_end, std::memory_order_relaxed);
  populated_vnis_.store(vnis_end, std::memory_order_relaxed);
}

void EndpointTable::Bind(Endpoint& endpoint, size_t leg, const Path& path) {
  endpoint.binding[leg].Publish(path);
  std::array<Path, 2> at;
  const bool first = endpoint.binding[0].Load(at[0]);
  const bool second = endpoint.binding[1].Load(at[1]);
  // Two legs of one address are one source: the bindings' order says whose its packets are.
  if (!first || !second || at[0].remote == at[1].remote) {
    for (Flow& flow : endpoint.flow) flow.Clear();
    return PublishSlot(endpoint, at, /*reads_bindings=*/true);
  }
  const std::array<PathWords, 2> words = {PathWords::Of(at[0]), PathWords::Of(at[1])};
  const bool ipv4 = Ipv4Path::Fits(words[0]) && Ipv4Path::Fits(words[1]);
  for (size_t i = 0; i < 2; ++i) {
    if (ipv4) {
      endpoint.flow[i].Publish(Ipv4Path::Of(words[i]), Ipv4Path::Of(words[1 - i]));
    } else {
      endpoint.flow[i].PublishSender(at[i]);
    }
  }
  PublishSlot(endpoint, at, !ipv4);
}

// The endpoint may be on its way out of the table: then there is no slot of it any more.
void EndpointTable::PublishSlot(const Endpoint& endpoint, const std::array<Path, 2>& at, bool reads_bindings) {
  std::atomic<uint32_t>& slot = slots_[endpoint.vni()];
  const auto index = static_cast<uint32_t>(&endpoint - endpoints_);
  uint32_t seen = slot.load(std::memory_order_relaxed);
  while (!Slot(seen).IsEmpty() && Slot(seen).index() == index) {
    const Slot next = Slot(seen).With(SourceWord(at[0].remote), SourceWord(at[1].remote), reads_bindings);
    if (slot.compare_exchange_weak(seen, next.word(), std::memory_order_acq_rel, std::memory_order_relaxed)) return;
  }
}

void EndpointTable::CountOpened(const Endpoint& endpoint) {
  const auto index = static_cast<size_t>(&endpoint - endpoints_);
  unbound_[owner_tag_[index]].fetch_sub(1, std::memory_order_relaxed);
  open_.fetch_add(1, std::memory_order_relaxed);
}

std::optional<uint32_t> EndpointTable::Insert(const NewEndpoint& endpoint, Instant now) {
  const uint32_t index = TakeRecord();
  if (index == kNone) return std::nullopt;
  const uint32_t vni = TakeVni();
  Endpoint* record = new (&endpoints_[index]) Endpoint;
  record->clients_ = endpoint.clients;
  for (size_t leg = 0; leg < 2; ++leg) record->rest_[leg].shared = endpoint.shared[leg];
  record->lamport_id_ = endpoint.lamport_id;
  record->vni_ = vni;
  record->Set(Endpoint::kClosed, false);
  for (Flow& flow : record->flow) flow.last_seen_ns.store(ToNs(now), std::memory_order_relaxed);
  owner_tag_[index] = endpoint.owner_tag;
  unbound_[endpoint.owner_tag].fetch_add(1, std::memory_order_relaxed);
  live_.store(live() + 1, std::memory_order_relaxed);
  live_bits_[vni / 64] |= uint64_t{1} << vni % 64;
  slots_[vni].store(Slot::OfRecord(index).word(), std::memory_order_release);
  return vni;
}

void EndpointTable::Remove(uint32_t vni) {
  const uint32_t index = IndexOf(vni);
  Endpoint& endpoint = endpoints_[index];
  slots_[vni].store(0, std::memory_order_release);
  live_bits_[vni / 64] &= ~(uint64_t{1} << vni % 64);
  live_.store(live() - 1, std::memory_order_relaxed);
  bool was_open = false;
  {
    const std::lock_guard lock(endpoint.lock_);
    endpoint.Set(Endpoint::kClosed, true);  // A handshake that found the endpoint before will not bind it after.
    was_open = endpoint.IsOpen();
  }
  if (was_open) {
    open_.fetch_sub(1, std::memory_order_relaxed);
  } else {
    unbound_[owner_tag_[index]].fetch_sub(1, std::memory_order_relaxed);
  }
  next_[index] = pending_;
  pending_ = index;
}

void EndpointTable::Reclaim(uint32_t limit) {
  while (limit > 0) {
    if (waiting_ == kNone) {
      if (pending_ == kNone) return;
      waiting_ = pending_;
      pending_ = kNone;
      waiting_token_ = qsbr_.Start();
      waiting_passed_ = false;
    }
    waiting_passed_ = waiting_passed_ || qsbr_.Passed(waiting_token_);
    if (!waiting_passed_) return;
    for (; waiting_ != kNone && limit > 0; --limit) {
      const uint32_t index = waiting_;
      waiting_ = next_[index];
      for (Endpoint::Rest& rest : endpoints_[index].rest_) sodium_memzero(&rest.shared, sizeof(rest.shared));
      next_[index] = free_;
      free_ = index;
    }
  }
}

uint32_t EndpointTable::TakeRecord() {
  // Enough to hand out one, and few enough that an allocation does not notice.
  if (free_ == kNone && never_used_ == max_endpoints_) Reclaim(16);
  if (free_ != kNone) {
    const uint32_t index = free_;
    free_ = next_[index];
    return index;
  }
  return never_used_ < max_endpoints_ ? never_used_++ : kNone;
}

uint32_t EndpointTable::TakeVni() {
  // There are fewer live VNIs than VNIs, so the search ends. It starts in the word of the last one taken, with the bits
  // up to that one masked out.
  constexpr size_t kWords = kVnis / 64;
  live_bits_[0] |= 1;  // VNI 0 is never given out.
  size_t word = last_vni_ / 64;
  uint64_t free_bits = ~live_bits_[word] & (~uint64_t{0} << last_vni_ % 64 << 1);
  while (free_bits == 0) {
    word = (word + 1) % kWords;
    free_bits = ~live_bits_[word];
  }
  last_vni_ = static_cast<uint32_t>(word * 64 + static_cast<size_t>(std::countr_zero(free_bits)));
  return last_vni_;
}

uint32_t EndpointTable::NextVni(uint32_t vni) const {
  const size_t first = size_t{vni} + 1;
  for (size_t word = first / 64; word < kVnis / 64; ++word) {
    uint64_t bits = live_bits_[word];
    if (word == 0) bits &= ~uint64_t{1};
    if (word == first / 64) bits &= ~uint64_t{0} << first % 64;
    if (bits != 0) return static_cast<uint32_t>(word * 64 + static_cast<size_t>(std::countr_zero(bits)));
  }
  return 0;
}

}  // namespace relay
