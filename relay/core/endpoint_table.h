// VNI -> endpoint, lock-free for readers. The relay picks its VNIs, so this is an array and there is no hash: 2^24
// four-byte slots (64 MiB of address space, touched as used) into a slab of `max_endpoints` records on huge pages where
// there are any. A slot also tells by a packet's source which of the endpoint's two flows it is of, so that only that
// one's line is fetched.
#ifndef RELAYD_RELAY_CORE_ENDPOINT_TABLE_H_
#define RELAYD_RELAY_CORE_ENDPOINT_TABLE_H_

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "geneve/geneve.h"
#include "relay/core/endpoint.h"
#include "relay/core/qsbr.h"

namespace relay {

// Memory straight from the kernel: zeroed and touched as used. On huge pages, where the kernel gives them, for what the
// packet path reads; but the first touch of one takes up to 5 ms in a virtual machine, so kSmall is for the rest.
class Mapping {
 public:
  enum class Pages : uint8_t { kHuge, kSmall };
  explicit Mapping(size_t bytes, Pages pages = Pages::kHuge);
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  void* data() const { return data_; }
  size_t size() const { return bytes_; }
  // Touches [begin, end) without changing it; what lies beyond the mapping is cut off. Any thread.
  void Populate(size_t begin, size_t end) const;

 private:
  void* base_;  // As mapped; data_ is the first huge-page boundary in it.
  void* data_;
  size_t bytes_;
};

// What stands at a VNI: a record, and which leg a source is, in four bytes.
//
//   bits 0..23   the record's index + 1, or 0: no endpoint
//   bits 24..29  a bit of SourceWord in which the two legs' differ
//   bit  30      that bit of the first leg's
//   bit  31      the flows do not have both ends: the receiver's binding is read too
class Slot {
 public:
  constexpr Slot() = default;
  constexpr explicit Slot(uint32_t word) : word_(word) {}
  static constexpr Slot OfRecord(uint32_t index) { return Slot((index + 1) | kReadsBindings); }

  constexpr uint32_t word() const { return word_; }
  constexpr bool IsEmpty() const { return (word_ & kIndexMask) == 0; }
  constexpr uint32_t index() const { return (word_ & kIndexMask) - 1; }  // Not empty.
  // Of a source that is one of the two; of any other it is either.
  constexpr size_t LegOf(uint64_t source_word) const { return ((source_word >> (word_ >> 24 & 63)) ^ word_ >> 30) & 1; }
  constexpr bool reads_bindings() const { return (word_ & kReadsBindings) != 0; }

  // The same record, with these two sources.
  constexpr Slot With(uint64_t first_source, uint64_t second_source, bool reads_bindings) const {
    const uint64_t differing = first_source ^ second_source;
    const auto bit = static_cast<uint32_t>(differing == 0 ? 0 : std::countr_zero(differing));
    const auto first = static_cast<uint32_t>(first_source >> bit & 1);
    return Slot((word_ & kIndexMask) | bit << 24 | first << 30 | (reads_bindings ? kReadsBindings : 0));
  }

 private:
  static constexpr uint32_t kIndexMask = geneve::kMaxVni;  // There are at most as many endpoints as VNIs but 0.
  static constexpr uint32_t kReadsBindings = uint32_t{1} << 31;

  uint32_t word_ = 0;
};

class EndpointTable {
 public:
  struct NewEndpoint {
    std::array<disco::PublicKey, 2> clients;  // Ascending.
    std::array<disco::SharedKey, 2> shared;   // The server's with each.
    uint64_t lamport_id = 0;
    uint32_t owner_tag = 0;  // Who pays for it while it is not open: an index below max_endpoints (see UnboundCount).
  };

  // `qsbr` outlives the table. Takes address space for everything now and memory as it is used; throws std::bad_alloc.
  EndpointTable(uint32_t max_endpoints, Qsbr& qsbr);

  // ---- Workers, while online in the Qsbr. The pointer is good until they are next quiescent.
  Endpoint* Find(uint32_t vni) const {
    const Slot slot = SlotOf(vni);
    return slot.IsEmpty() ? nullptr : &endpoints_[slot.index()];
  }
  // By the packet's SourceWord.
  Sender FindSender(uint32_t vni, uint64_t source_word) const {
    const Slot slot = SlotOf(vni);
    if (slot.IsEmpty()) [[unlikely]]
      return {};
    return {.endpoint = &endpoints_[slot.index()], .leg = slot.LegOf(source_word)};
  }
  void PrefetchSlot(uint32_t vni) const { __builtin_prefetch(&slots_[vni & geneve::kMaxVni]); }
  // FindSender, and what the packet is decided by is on its way; no endpoint where its flows do not have both ends.
  // Reads the slot, so PrefetchSlot comes some packets before.
  Sender PrefetchSender(uint32_t vni, uint64_t source_word) const {
    const Slot slot = SlotOf(vni);
    if (slot.IsEmpty()) [[unlikely]]
      return {};
    const Sender sender = {.endpoint = &endpoints_[slot.index()], .leg = slot.LegOf(source_word)};
    __builtin_prefetch(&sender.endpoint->flow[sender.leg], 1);
    if (!slot.reads_bindings()) [[likely]]
      return sender;
    __builtin_prefetch(&sender.endpoint->binding[1 - sender.leg]);
    return {};
  }

  // The leg is at `path` from now on (port 0: nowhere), for its handshakes and both ways' packets. Under the endpoint's
  // lock.
  void Bind(Endpoint& endpoint, size_t leg, const Path& path);
  // Both legs are bound now: called by the core under the endpoint's lock, once in an endpoint's life.
  void CountOpened(const Endpoint& endpoint);

  // ---- Control thread.
  // Publishes a new endpoint under the next VNI, in rising order through 1..2^24-1, wrapping and skipping live ones;
  // returns the VNI. nullopt: full, where removed records that a worker may still hold count as in use.
  std::optional<uint32_t> Insert(const NewEndpoint& endpoint, Instant now);
  // Takes it out at once; the record is reused when every worker has moved on.
  void Remove(uint32_t vni);
  // Frees removed records that no worker can hold any more, at most `limit`, and wipes their keys. Never waits.
  void Reclaim(uint32_t limit);

  // Memory for the next allocations ought to be touched, because the first touch of a huge page is too slow for the
  // control thread: then have some other thread call Populate, one at a time.
  bool WantsMemory() const {
    return Ahead(never_used_, max_endpoints_) > populated_records_.load(std::memory_order_relaxed) ||
           Ahead(last_vni_, geneve::kMaxVni + 1) > populated_vnis_.load(std::memory_order_relaxed);
  }

  // Dense index of a live VNI's record, for arrays of the control thread's own: below max_endpoints, stable until
  // Remove.
  uint32_t IndexOf(uint32_t vni) const { return SlotOf(vni).index(); }
  uint32_t VniAt(uint32_t index) const { return endpoints_[index].vni(); }
  // The smallest live VNI above `vni`, or 0. At most 0.1 ms.
  uint32_t NextVni(uint32_t vni) const;

  // ---- Any thread.
  void Populate();  // See WantsMemory: one thread at a time, beside all others.
  uint32_t live() const { return live_.load(std::memory_order_relaxed); }
  uint32_t open() const { return open_.load(std::memory_order_relaxed); }
  uint32_t max_endpoints() const { return max_endpoints_; }
  // Endpoints of this owner_tag that are live and not open.
  uint32_t UnboundCount(uint32_t owner_tag) const { return unbound_[owner_tag].load(std::memory_order_relaxed); }
  // What the table may come to use, all in: 460 bytes an endpoint and 66 MiB.
  size_t memory_bytes() const { return slot_memory_.size() + endpoint_memory_.size() + control_memory_.size(); }

 private:
  // Records that are not live are chained through next_: free ones as a stack, removed ones as two lists, those whose
  // grace period runs (`waiting_`) and those removed since it began (`pending_`). kNone ends a chain.
  static constexpr uint32_t kNone = UINT32_MAX;

  // More than are allocated until WantsMemory is asked again: some 7 MB of records.
  static constexpr uint32_t kPopulateAhead = 16384;
  static uint32_t Ahead(uint32_t used, uint32_t all) { return std::min(all, used + kPopulateAhead); }

  Slot SlotOf(uint32_t vni) const { return Slot(slots_[vni & geneve::kMaxVni].load(std::memory_order_acquire)); }
  void PublishSlot(const Endpoint& endpoint, const std::array<Path, 2>& at, bool reads_bindings);
  uint32_t TakeVni();
  uint32_t TakeRecord();

  const uint32_t max_endpoints_;
  Qsbr& qsbr_;
  Mapping slot_memory_;
  Mapping endpoint_memory_;
  Mapping control_memory_;
  std::atomic<uint32_t>* slots_;  // By VNI: see Slot. Written by the control thread, and by workers under its
                                  // endpoint's lock.
  Endpoint* endpoints_;
  std::atomic<uint32_t>* unbound_;  // By owner_tag. Control adds; control and workers take away.
  uint32_t* owner_tag_;             // By record. Written by control before publication.
  uint32_t* next_;                  // By record. Control only, like all below.
  uint64_t* live_bits_;             // By VNI.
  uint32_t free_ = kNone;
  uint32_t never_used_ = 0;  // Records from here on have never been touched.
  uint32_t waiting_ = kNone;
  uint32_t pending_ = kNone;
  uint64_t waiting_token_ = 0;
  bool waiting_passed_ = false;
  uint32_t last_vni_ = 0;
  std::atomic<uint32_t> populated_records_{0};  // Written by whoever calls Populate.
  std::atomic<uint32_t> populated_vnis_{0};     // The same.
  std::atomic<uint32_t> live_{0};               // Written by control.
  alignas(64) std::atomic<uint32_t> open_{0};   // Workers add; control takes away.
};

}  // namespace relay

#endif  // RELAYD_RELAY_CORE_ENDPOINT_TABLE_H_
