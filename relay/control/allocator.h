// AllocateEndpoint and expiry: who gets an endpoint, and when it is gone (tailscale net/udprelay
// Server.AllocateEndpoint, with the differences that docs/ARCHITECTURE.md gives). Control thread only; nothing here
// blocks, and no call takes more than a millisecond whatever the number of endpoints.
#ifndef RELAYD_RELAY_CONTROL_ALLOCATOR_H_
#define RELAYD_RELAY_CONTROL_ALLOCATOR_H_

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "disco/key.h"
#include "disco/messages.h"
#include "relay/core/counters.h"
#include "relay/core/endpoint_table.h"
#include "relay/core/time.h"

namespace relay {

// How an allocation ended: the `result` label of relayd_allocations_total.
enum class AllocationResult : uint8_t {
  kCreated,
  kExisting,
  kReplaced,
  kInvalid,
  kForbidden,
  kQuota,
  kFull,
  kNotReady,
  kDraining,
};
inline constexpr size_t kAllocationResultCount = static_cast<size_t>(AllocationResult::kDraining) + 1;
std::string_view AllocationResultName(AllocationResult result);

class Allocator {
 public:
  struct Options {
    Duration bind_lifetime = std::chrono::seconds(30);
    Duration steady_state_lifetime = std::chrono::minutes(5);
    uint32_t caller_unbound_limit = 4096;  // Endpoints of one caller that are not yet bound.
    uint32_t caller_rate = 0;              // Allocations a second of one caller; 0: no limit.
    uint32_t key_cache_size = 65536;       // Shared keys kept, by client key.
  };

  struct Outcome {
    AllocationResult result;
    disco::RelayEndpoint endpoint;  // For kCreated, kExisting and kReplaced.
    std::string_view error;         // Otherwise: one line for the caller, static storage.
  };

  // `table` and `qsbr` outlive the allocator.
  Allocator(EndpointTable& table, disco::PrivateKey server_key, const Options& options);
  ~Allocator();

  // Why these keys would get no endpoint, for ever: not two, zero, equal, of low order, or the server's own; empty:
  // they may. Counts nothing. A key that is not in the cache costs an agreement, which is then kept for Allocate.
  std::string_view CheckKeys(std::span<const disco::PublicKey> keys);
  // One endpoint for a pair of keys in either order. `caller` names the account that pays for it: any text. kInvalid:
  // what CheckKeys refuses, before any other refusal. Counts the result.
  Outcome Allocate(std::string_view caller, std::span<const disco::PublicKey> keys,
                   std::span<const AddrPort> addr_ports, Instant now);
  // Counts an answer that was given without asking the allocator (forbidden, invalid body, not ready, draining).
  void Count(AllocationResult result) { results_[static_cast<size_t>(result)].Add(1); }

  // Takes out what has outlived its lifetime and reclaims records: at most `budget` endpoints are looked at. True if
  // more is due at once: call again after other work. Otherwise call again within kExpiryTick.
  bool Expire(Instant now, uint32_t budget);
  static constexpr Duration kExpiryTick = std::chrono::milliseconds(100);
  static constexpr uint32_t kExpiryBudget = 256;  // A tenth of a millisecond or two (bench/allocator_bench).

  const disco::PublicKey& server_key() const;
  // Any thread.
  uint64_t results(AllocationResult result) const { return results_[static_cast<size_t>(result)].Get(); }
  // What the allocator's own arrays may come to use, the table's excluded.
  size_t memory_bytes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  std::array<Counter, kAllocationResultCount> results_;
};

}  // namespace relay

#endif  // RELAYD_RELAY_CONTROL_ALLOCATOR_H_
