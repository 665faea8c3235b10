#include "relay/control/allocator.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "relay/control/caller_accounts.h"
#include "relay/control/expiry_wheel.h"
#include "relay/control/pair_index.h"
#include "relay/control/shared_key_cache.h"

namespace relay {
namespace {

using Pair = std::array<disco::PublicKey, 2>;

// An endpoint of two first-dialect legs stays for a new allocation only if both sent data this recently: in that
// dialect a client cannot move its leg, so one that asks again may have lost it.
constexpr Duration kFirstDialectIdle = std::chrono::seconds(30);
// How often an endpoint is looked at whose one leg has been silent for the whole steady-state lifetime before the other
// leg is bound (a steady-state lifetime below the bind lifetime): it dies as soon as it opens.
constexpr Duration kOverdueCheck = std::chrono::milliseconds(500);
// How much of what is due an allocation sweeps that finds no room: some 50 us.
constexpr uint32_t kRoomBudget = 64;
// Lifetimes are added to times; a longer one is for ever.
constexpr Duration kForever = std::chrono::hours(24 * 365 * 50);

constexpr std::string_view kFullError = "the relay is full: try again later";
constexpr std::string_view kLowOrderError = "a disco key is of low order";

constexpr std::array<std::string_view, kAllocationResultCount> kResultNames = {
    "created", "existing", "replaced", "invalid", "forbidden", "quota", "full", "not_ready", "draining",
};

// Silence of the leg that was heard of longer ago. A leg that was never bound was last heard of when the endpoint was
// inserted, as the table has it, so that without two bound legs this is the endpoint's age.
Duration Silence(const Endpoint& endpoint, Instant now) {
  return Duration(ToNs(now) - std::min(endpoint.last_seen_ns(0), endpoint.last_seen_ns(1)));
}

bool SentDataLately(const Endpoint& endpoint, size_t leg, Instant now) {
  return endpoint.packets(leg) != 0 && ToNs(now) - endpoint.last_seen_ns(leg) <= kFirstDialectIdle.count();
}

// The clients may have lost what they bound, and cannot bind again: see kFirstDialectIdle.
bool IsReplaceable(const Endpoint& endpoint, Instant now) {
  if (!endpoint.IsOpen() || !endpoint.first_dialect(0) || !endpoint.first_dialect(1)) return false;
  return !SentDataLately(endpoint, 0, now) || !SentDataLately(endpoint, 1, now);
}

}  // namespace

std::string_view AllocationResultName(AllocationResult result) { return kResultNames[static_cast<size_t>(result)]; }

struct Allocator::Impl {
  Impl(EndpointTable& t, disco::PrivateKey server_key, const Options& o)
      : table(t),
        options(o),
        bind_lifetime(std::min(o.bind_lifetime, kForever)),
        steady_state_lifetime(std::min(o.steady_state_lifetime, kForever)),
        pairs(t.max_endpoints()),
        wheel(t.max_endpoints()),
        callers(t, o.caller_rate),
        keys(std::move(server_key), o.key_cache_size) {}

  Outcome Allocate(std::string_view caller, std::span<const disco::PublicKey> asked,
                   std::span<const AddrPort> addr_ports, Instant now);
  std::string_view CheckPair(std::span<const disco::PublicKey> asked) const;
  std::string_view CheckKeys(std::span<const disco::PublicKey> asked);
  Outcome Answer(AllocationResult result, const Endpoint& endpoint, std::span<const AddrPort> addr_ports) const;
  std::string_view CheckQuota(uint32_t owner_tag, Instant now);
  // take(), and once more when it finds no room and what is past its time has been swept.
  template <typename Take>
  std::optional<uint32_t> WithRoom(Take take, Instant now) {
    if (const std::optional<uint32_t> taken = take()) return taken;
    Expire(now, kRoomBudget);
    return take();
  }
  bool Expire(Instant now, uint32_t budget);
  void Remove(const Endpoint& endpoint, uint32_t hash);
  void RemoveDisarmed(const Endpoint& endpoint, uint32_t hash);
  bool IsGone(const Endpoint& endpoint, Instant now) const;
  Duration NextCheck(const Endpoint& endpoint, Instant now) const;

  EndpointTable& table;
  const Options options;
  const Duration bind_lifetime;
  const Duration steady_state_lifetime;
  PairIndex pairs;
  ExpiryWheel wheel;  // Over the table's record indices.
  CallerAccounts callers;
  SharedKeyCache keys;
  uint64_t lamport_id = 0;  // Of the newest endpoint.
};

bool Allocator::Impl::IsGone(const Endpoint& endpoint, Instant now) const {
  // In this order: should a worker open the endpoint in between, its silence is judged as an age, and that is no
  // longer.
  const Duration lifetime = endpoint.IsOpen() ? steady_state_lifetime : bind_lifetime;
  return Silence(endpoint, now) > lifetime;
}

// Until the endpoint could be gone, if nothing is heard of it.
Duration Allocator::Impl::NextCheck(const Endpoint& endpoint, Instant now) const {
  const Duration silence = Silence(endpoint, now);
  if (endpoint.IsOpen()) return steady_state_lifetime - silence;
  // It may open at any time, and a leg that is bound by then is silent since its own bind.
  Duration until_silent = steady_state_lifetime;
  for (size_t leg = 0; leg < 2; ++leg) {
    if (!endpoint.binding[leg].IsBound()) continue;
    const Duration silence_of_leg(ToNs(now) - endpoint.last_seen_ns(leg));
    until_silent = std::min(until_silent, std::max(steady_state_lifetime - silence_of_leg, kOverdueCheck));
  }
  return std::min(bind_lifetime - silence, until_silent);
}

// All of CheckKeys that costs nothing.
std::string_view Allocator::Impl::CheckPair(std::span<const disco::PublicKey> asked) const {
  if (asked.size() != 2) return "exactly two disco keys are needed";
  for (const disco::PublicKey& key : asked) {
    if (key.IsZero()) return "a disco key is zero";
    if (key == keys.server_key()) return "a disco key is the relay's own";
  }
  if (asked[0] == asked[1]) return "the two disco keys are the same";
  return {};
}

std::string_view Allocator::Impl::CheckKeys(std::span<const disco::PublicKey> asked) {
  if (const std::string_view error = CheckPair(asked); !error.empty()) return error;
  const auto is_refused = [&](const disco::PublicKey& key) { return keys.Get(key) == nullptr; };
  return std::any_of(asked.begin(), asked.end(), is_refused) ? kLowOrderError : std::string_view();
}

Allocator::Outcome Allocator::Impl::Answer(AllocationResult result, const Endpoint& endpoint,
                                           std::span<const AddrPort> addr_ports) const {
  return {.result = result,
          .endpoint = {.server_disco = keys.server_key(),
                       .client_disco = endpoint.clients(),
                       .lamport_id = endpoint.lamport_id(),
                       .vni = endpoint.vni(),
                       .bind_lifetime = options.bind_lifetime,
                       .steady_state_lifetime = options.steady_state_lifetime,
                       .addr_ports = {addr_ports.begin(), addr_ports.end()}},
          .error = {}};
}

// Empty: the caller may have one more endpoint, and has paid for it.
std::string_view Allocator::Impl::CheckQuota(uint32_t owner_tag, Instant now) {
  const auto is_at_limit = [&] { return table.UnboundCount(owner_tag) >= options.caller_unbound_limit; };
  if (is_at_limit()) Expire(now, kRoomBudget);  // Some may be past their time.
  if (is_at_limit()) return "this caller holds too many endpoints that are not bound yet: bind them or let them expire";
  if (!callers.TakeToken(owner_tag, now)) return "this caller allocates too fast: try again later";
  return {};
}

Allocator::Outcome Allocator::Impl::Allocate(std::string_view caller, std::span<const disco::PublicKey> asked,
                                             std::span<const AddrPort> addr_ports, Instant now) {
  const auto refuse = [](AllocationResult result, std::string_view error) {
    return Outcome{.result = result, .endpoint = {}, .error = error};
  };
  if (const std::string_view error = CheckPair(asked); !error.empty()) {
    return refuse(AllocationResult::kInvalid, error);
  }
  Pair pair = {asked[0], asked[1]};
  if (pair[1] < pair[0]) std::swap(pair[0], pair[1]);

  const uint32_t hash = pairs.Hash(pair);
  const Endpoint* old = table.Find(pairs.Find(hash, [&](uint32_t v) { return table.Find(v)->clients() == pair; }));
  if (old != nullptr && IsGone(*old, now)) {
    Remove(*old, hash);
    old = nullptr;
  }
  if (old != nullptr && !IsReplaceable(*old, now)) return Answer(AllocationResult::kExisting, *old, addr_ports);

  EndpointTable::NewEndpoint fresh{.clients = pair, .shared = {}, .lamport_id = lamport_id + 1, .owner_tag = 0};
  for (size_t i = 0; i < 2; ++i) {
    const disco::SharedKey* const shared = keys.Get(pair[i]);
    if (shared == nullptr) return refuse(AllocationResult::kInvalid, kLowOrderError);
    fresh.shared[i] = *shared;
  }
  const std::optional<uint32_t> tag = WithRoom([&] { return callers.TagOf(caller, now); }, now);
  if (!tag) return refuse(AllocationResult::kFull, kFullError);
  if (const std::string_view error = CheckQuota(*tag, now); !error.empty()) {
    return refuse(AllocationResult::kQuota, error);
  }
  fresh.owner_tag = *tag;
  if (old != nullptr) Remove(*old, hash);
  const std::optional<uint32_t> vni = WithRoom([&] { return table.Insert(fresh, now); }, now);
  if (!vni) return refuse(AllocationResult::kFull, kFullError);

  lamport_id = fresh.lamport_id;
  pairs.Insert(hash, *vni);
  wheel.Arm(table.IndexOf(*vni), now, std::min(bind_lifetime, steady_state_lifetime));
  const AllocationResult result = old != nullptr ? AllocationResult::kReplaced : AllocationResult::kCreated;
  return Answer(result, *table.Find(*vni), addr_ports);
}

// Takes an endpoint out whose record is not in the wheel.
void Allocator::Impl::RemoveDisarmed(const Endpoint& endpoint, uint32_t hash) {
  pairs.Erase(hash, endpoint.vni());
  table.Remove(endpoint.vni());
}

void Allocator::Impl::Remove(const Endpoint& endpoint, uint32_t hash) {
  wheel.Disarm(table.IndexOf(endpoint.vni()));
  RemoveDisarmed(endpoint, hash);
}

bool Allocator::Impl::Expire(Instant now, uint32_t budget) {
  for (uint32_t looked = 0; looked < budget; ++looked) {
    const std::optional<uint32_t> index = wheel.TakeDue(now);
    if (!index) break;
    const Endpoint& endpoint = *table.Find(table.VniAt(*index));
    if (IsGone(endpoint, now)) {
      RemoveDisarmed(endpoint, pairs.Hash(endpoint.clients()));
    } else {
      wheel.Arm(*index, now, NextCheck(endpoint, now));
    }
  }
  table.Reclaim(budget);
  return wheel.HasDue(now);
}

Allocator::Allocator(EndpointTable& table, disco::PrivateKey server_key, const Options& options)
    : impl_(std::make_unique<Impl>(table, std::move(server_key), options)) {}

Allocator::~Allocator() = default;

Allocator::Outcome Allocator::Allocate(std::string_view caller, std::span<const disco::PublicKey> keys,
                                       std::span<const AddrPort> addr_ports, Instant now) {
  Outcome outcome = impl_->Allocate(caller, keys, addr_ports, now);
  Count(outcome.result);
  return outcome;
}

std::string_view Allocator::CheckKeys(std::span<const disco::PublicKey> keys) { return impl_->CheckKeys(keys); }

bool Allocator::Expire(Instant now, uint32_t budget) { return impl_->Expire(now, budget); }

const disco::PublicKey& Allocator::server_key() const { return impl_->keys.server_key(); }

size_t Allocator::memory_bytes() const {
  return impl_->pairs.memory_bytes() + impl_->wheel.memory_bytes() + impl_->callers.memory_bytes() +
         impl_->keys.memory_bytes();
}

}  // namespace relay
