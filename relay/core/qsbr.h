// Quiescent-state based reclamation (DPDK's rte_rcu_qsbr; no EAL): memory that a worker may still read is reused only
// when every worker has said since that it holds nothing.
#ifndef RELAYD_RELAY_CORE_QSBR_H_
#define RELAYD_RELAY_CORE_QSBR_H_

#include <atomic>
#include <cstdint>
#include <memory>

struct rte_rcu_qsbr;

namespace relay {

class Qsbr {
 public:
  explicit Qsbr(uint32_t max_workers);
  ~Qsbr();
  Qsbr(const Qsbr&) = delete;
  Qsbr& operator=(const Qsbr&) = delete;

  // Worker side; `worker` < max_workers, each used by one thread at a time.
  void Register(uint32_t worker);  // Starts offline.
  void Unregister(uint32_t worker);
  void Online(uint32_t worker);     // Before the first Endpoint* is taken.
  void Offline(uint32_t worker);    // Before anything that may block or sleep.
  void Quiescent(uint32_t worker);  // "I hold no Endpoint* now," without going offline.

  // Control side. A token stands for "everything unpublished so far"; Passed never waits.
  uint64_t Start();
  bool Passed(uint64_t token) const;

 private:
  struct Free {
    void operator()(rte_rcu_qsbr* p) const;
  };
  std::unique_ptr<rte_rcu_qsbr, Free> qsbr_;
  // Orders what a worker did before it left ahead of what Passed lets the control thread do: DPDK's library orders it
  // too, but out of ThreadSanitizer's sight.
  std::atomic<uint32_t> departures_{0};
};

}  // namespace relay

#endif  // RELAYD_RELAY_CORE_QSBR_H_
