// The rings between one worker and the kernel path's thread. Each has one producer and one consumer, so that neither
// side ever waits for the other.
#ifndef RELAYD_RELAY_DATAPLANE_KERNEL_QUEUE_H_
#define RELAYD_RELAY_DATAPLANE_KERNEL_QUEUE_H_

#include <rte_mbuf.h>
#include <rte_ring.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/statusor.h"

namespace relay {

class KernelQueue {
 public:
  // Each ring holds `size` mbufs. `name` is unique in the process.
  static absl::StatusOr<std::unique_ptr<KernelQueue>> Make(const std::string& name, uint32_t size);
  ~KernelQueue();  // Frees what is in the rings.
  KernelQueue(const KernelQueue&) = delete;
  KernelQueue& operator=(const KernelQueue&) = delete;

  // ---- Worker.
  // How many of `wanted` mbufs may be given now.
  uint32_t RoomFor(uint32_t wanted);
  void Give(std::span<rte_mbuf* const> mbufs);  // RoomFor had room for them.
  uint16_t Take(rte_mbuf** frames, uint16_t most);
  // Frees mbufs that were given and that the thread is done with.
  void Reclaim();

  // ---- Thread.
  bool HasGiven() const;
  uint32_t TakeGiven(std::span<rte_mbuf*> mbufs);
  void Done(std::span<rte_mbuf* const> mbufs);  // Came by TakeGiven; the worker will free them.
  bool HasRoom() const;
  void Put(rte_mbuf* frame);  // HasRoom.

 private:
  struct Free {
    void operator()(rte_ring* ring) const;
  };
  using Ring = std::unique_ptr<rte_ring, Free>;
  explicit KernelQueue(uint32_t size) : size_(size) {}

  const uint32_t size_;
  Ring given_;  // Worker to thread.
  Ring done_;   // Thread to worker, to be freed. Holds all that is outstanding, and so is never full.
  Ring taken_;  // Thread to worker.
  // Given and not yet freed; at most size_. Written by the worker, on a line of its own.
  alignas(64) uint32_t outstanding_ = 0;
};

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_KERNEL_QUEUE_H_
