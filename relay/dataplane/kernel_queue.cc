#include "relay/dataplane/kernel_queue.h"

#include <rte_errno.h>
#include <rte_memory.h>

#include <algorithm>
#include <array>
#include <cassert>

#include "absl/strings/str_cat.h"

namespace relay {

namespace {

constexpr uint32_t kReclaimBurst = 64;

// rte_ring's functions take arrays of void*.
void* const* Objects(rte_mbuf* const* mbufs) { return reinterpret_cast<void* const*>(mbufs); }
void** Objects(rte_mbuf** mbufs) { return reinterpret_cast<void**>(mbufs); }

}  // namespace

void KernelQueue::Free::operator()(rte_ring* ring) const {
  rte_mbuf* m = nullptr;
  while (rte_ring_sc_dequeue(ring, reinterpret_cast<void**>(&m)) == 0) rte_pktmbuf_free(m);
  rte_ring_free(ring);
}

absl::StatusOr<std::unique_ptr<KernelQueue>> KernelQueue::Make(const std::string& name, uint32_t size) {
  std::unique_ptr<KernelQueue> out(new KernelQueue(size));
  for (const auto& [ring, what] : {std::pair{&out->given_, "g"}, {&out->done_, "d"}, {&out->taken_, "t"}}) {
    ring->reset(rte_ring_create(absl::StrCat(name, what).c_str(), size, SOCKET_ID_ANY,
                                RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ));
    if (*ring == nullptr) {
      return absl::ResourceExhaustedError(
          absl::StrCat("kernel path: no memory for a ring of ", size, ": ", rte_strerror(rte_errno)));
    }
  }
  return out;
}

KernelQueue::~KernelQueue() = default;

uint32_t KernelQueue::RoomFor(uint32_t wanted) {
  if (outstanding_ + wanted > size_) Reclaim();
  return std::min(wanted, size_ - outstanding_);
}

void KernelQueue::Give(std::span<rte_mbuf* const> mbufs) {
  const auto count = static_cast<uint32_t>(mbufs.size());
  [[maybe_unused]] const uint32_t given =
      rte_ring_sp_enqueue_bulk(given_.get(), Objects(mbufs.data()), count, /*free_space=*/nullptr);
  assert(given == count);
  outstanding_ += count;
}

uint16_t KernelQueue::Take(rte_mbuf** frames, uint16_t most) {
  return static_cast<uint16_t>(rte_ring_sc_dequeue_burst(taken_.get(), Objects(frames), most, /*available=*/nullptr));
}

void KernelQueue::Reclaim() {
  if (outstanding_ == 0) return;
  std::array<rte_mbuf*, kReclaimBurst> mbufs;
  const uint32_t count =
      rte_ring_sc_dequeue_burst(done_.get(), Objects(mbufs.data()), kReclaimBurst, /*available=*/nullptr);
  if (count == 0) return;
  rte_pktmbuf_free_bulk(mbufs.data(), count);
  outstanding_ -= count;
}

uint32_t KernelQueue::TakeGiven(std::span<rte_mbuf*> mbufs) {
  return rte_ring_sc_dequeue_burst(given_.get(), Objects(mbufs.data()), static_cast<uint32_t>(mbufs.size()),
                                   /*available=*/nullptr);
}

// Asked by moving nothing, because that loads with acquire, and rte_ring_empty and rte_ring_full do not.
bool KernelQueue::HasGiven() const {
  unsigned available = 0;
  rte_ring_sc_dequeue_burst(given_.get(), nullptr, 0, &available);
  return available > 0;
}

bool KernelQueue::HasRoom() const {
  unsigned room = 0;
  rte_ring_sp_enqueue_burst(taken_.get(), nullptr, 0, &room);
  return room > 0;
}

void KernelQueue::Done(std::span<rte_mbuf* const> mbufs) {
  const auto count = static_cast<uint32_t>(mbufs.size());
  [[maybe_unused]] const uint32_t done =
      rte_ring_sp_enqueue_bulk(done_.get(), Objects(mbufs.data()), count, /*free_space=*/nullptr);
  assert(done == count);
}

void KernelQueue::Put(rte_mbuf* frame) {
  [[maybe_unused]] const int full = rte_ring_sp_enqueue(taken_.get(), frame);
  assert(full == 0);
}

}  // namespace relay
