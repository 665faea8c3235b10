#include "relay/core/qsbr.h"

#include <rte_rcu_qsbr.h>

#include <cstdlib>
#include <new>

namespace relay {

Qsbr::Qsbr(uint32_t max_workers) {
  const size_t size = rte_rcu_qsbr_get_memsize(max_workers);
  const size_t rounded = (size + 63) / 64 * 64;  // aligned_alloc wants a multiple.
  qsbr_.reset(static_cast<rte_rcu_qsbr*>(std::aligned_alloc(64, rounded)));
  if (qsbr_ == nullptr || rte_rcu_qsbr_init(qsbr_.get(), max_workers) != 0) throw std::bad_alloc();
}

Qsbr::~Qsbr() = default;

void Qsbr::Free::operator()(rte_rcu_qsbr* p) const { std::free(p); }

void Qsbr::Register(uint32_t worker) { rte_rcu_qsbr_thread_register(qsbr_.get(), worker); }
void Qsbr::Unregister(uint32_t worker) {
  departures_.fetch_add(1, std::memory_order_release);
  rte_rcu_qsbr_thread_unregister(qsbr_.get(), worker);
}
void Qsbr::Online(uint32_t worker) { rte_rcu_qsbr_thread_online(qsbr_.get(), worker); }
void Qsbr::Offline(uint32_t worker) { rte_rcu_qsbr_thread_offline(qsbr_.get(), worker); }
void Qsbr::Quiescent(uint32_t worker) { rte_rcu_qsbr_quiescent(qsbr_.get(), worker); }

uint64_t Qsbr::Start() { return rte_rcu_qsbr_start(qsbr_.get()); }
bool Qsbr::Passed(uint64_t token) const {
  const bool passed = rte_rcu_qsbr_check(qsbr_.get(), token, /*wait=*/false) == 1;
  departures_.load(std::memory_order_acquire);
  return passed;
}

}  // namespace relay
