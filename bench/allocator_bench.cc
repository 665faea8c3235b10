// Allocation rate without HTTP, the longest that one Expire call holds the control thread with a million endpoints, and
// what an endpoint costs in memory.
#include <benchmark/benchmark.h>
#include <sodium.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "relay/control/allocator.h"

namespace relay {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint32_t kMillion = 1'000'000;

// X25519 takes any 32 bytes of high order, so random ones serve as keys.
std::vector<disco::PublicKey> RandomKeys(size_t count) {
  disco::InitCrypto();
  std::vector<disco::PublicKey> keys(count);
  randombytes_buf(keys.data(), count * sizeof(disco::PublicKey));
  return keys;
}

struct Relay {
  explicit Relay(uint32_t max_endpoints) : table(max_endpoints, qsbr) {}

  Qsbr qsbr{1};
  EndpointTable table;
  Allocator allocator{table, disco::PrivateKey::Generate(), {.caller_unbound_limit = UINT32_MAX}};
  Instant now{std::chrono::hours(1)};

  uint32_t Allocate(const disco::PublicKey& a, const disco::PublicKey& b) {
    const std::array<disco::PublicKey, 2> keys = {a, b};
    return allocator.Allocate("bench", keys, {}, now).endpoint.vni;
  }
  // Binds both legs, which are heard of until `last_seen`.
  void Open(uint32_t vni, Instant last_seen) {
    Endpoint& endpoint = *table.Find(vni);
    for (size_t leg = 0; leg < 2; ++leg) {
      endpoint.flow[leg].last_seen_ns.store(ToNs(last_seen));
      table.Bind(endpoint, leg, Path{.remote = *AddrPort::Parse("192.0.2.1:1"), .link = {}});
    }
    table.CountOpened(endpoint);
  }
};

// Every pair of these is another one, and all of their shared keys fit the cache.
class PairsOfKnownKeys {
 public:
  explicit PairsOfKnownKeys(size_t keys) : keys_(RandomKeys(keys)) {}
  std::pair<const disco::PublicKey&, const disco::PublicKey&> Next() {
    if (++first_ == second_) {
      first_ = 0;
      second_ = second_ + 1 == keys_.size() ? 1 : second_ + 1;
    }
    return {keys_[first_], keys_[second_]};
  }

 private:
  std::vector<disco::PublicKey> keys_;
  size_t first_ = 0;
  size_t second_ = 1;
};

void AllocateFresh(benchmark::State& state) {
  Relay relay(kMillion);
  const std::vector<disco::PublicKey> keys = RandomKeys(200'000);
  size_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(relay.Allocate(keys[next], keys[next + 1]));
    next = (next + 2) % keys.size();
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(AllocateFresh)->Iterations(20'000);

void AllocateKnown(benchmark::State& state) {
  Relay relay(kMillion);
  PairsOfKnownKeys pairs(1500);
  for (int i = 0; i < 1500 * 2; ++i) {
    const auto [a, b] = pairs.Next();
    relay.Allocate(a, b);
  }
  for (auto _ : state) {
    const auto [a, b] = pairs.Next();
    benchmark::DoNotOptimize(relay.Allocate(a, b));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(AllocateKnown)->Iterations(500'000);

size_t ResidentBytes() {
  size_t pages = 0;
  size_t resident = 0;
  FILE* const file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) return 0;
  if (std::fscanf(file, "%zu %zu", &pages, &resident) != 2) resident = 0;
  std::fclose(file);
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

// A million endpoints, allocated over 20 s. Half of them are open and fall silent at random in the 60 s from then on.
std::unique_ptr<Relay> MillionEndpoints() {
  auto relay = std::make_unique<Relay>(kMillion);
  PairsOfKnownKeys pairs(1500);
  for (uint32_t i = 0; i < kMillion; ++i) {
    if (i % 100 == 0) relay->now += milliseconds(2);
    const auto [a, b] = pairs.Next();
    const uint32_t vni = relay->Allocate(a, b);
    if (i % 2 == 0) relay->Open(vni, relay->now + milliseconds(randombytes_uniform(60'000)));
  }
  return relay;
}

Duration Read(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
}

// How long each call of Expire took. Calls in which another program got the core are left out and counted.
struct Pauses {
  std::vector<Duration> wall;
  std::vector<Duration> cpu;
  int preempted = 0;
};

int64_t Preemptions() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nivcsw;
}

// Calls Expire until nothing is due.
void Sweep(Relay& relay, uint32_t budget, Pauses& pauses) {
  for (bool more = true; more;) {
    const int64_t preemptions = Preemptions();
    const Duration start = Read(CLOCK_MONOTONIC);
    const Duration start_cpu = Read(CLOCK_THREAD_CPUTIME_ID);
    more = relay.allocator.Expire(relay.now, budget);
    const Duration cpu = Read(CLOCK_THREAD_CPUTIME_ID) - start_cpu;
    const Duration wall = Read(CLOCK_MONOTONIC) - start;
    if (Preemptions() != preemptions) {
      ++pauses.preempted;
      continue;
    }
    pauses.cpu.push_back(cpu);
    pauses.wall.push_back(wall);
  }
}

double Ms(Duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

// The argument is the budget. First 500,000 endpoints that were never bound, as they come due, 100 ms a tick; the open
// ones are looked at and armed again. Then 500,000 silent ones, all due at once and anywhere in memory.
void ExpiryPause(benchmark::State& state) {
  const auto budget = static_cast<uint32_t>(state.range(0));
  for (auto _ : state) {
    state.PauseTiming();
    const std::unique_ptr<Relay> relay = MillionEndpoints();
    state.ResumeTiming();
    Pauses pauses;
    for (int tick = 0; tick < 400; ++tick) {
      relay->now += Allocator::kExpiryTick;
      Sweep(*relay, budget, pauses);
    }
    relay->now += std::chrono::minutes(10);
    Sweep(*relay, budget, pauses);
    const auto total = std::accumulate(pauses.cpu.begin(), pauses.cpu.end(), Duration{});
    std::sort(pauses.wall.begin(), pauses.wall.end());
    std::sort(pauses.cpu.begin(), pauses.cpu.end());
    state.counters["preempted"] = pauses.preempted;
    state.counters["calls"] = static_cast<double>(pauses.wall.size());
    state.counters["ns_per_endpoint"] = static_cast<double>(total.count()) / kMillion;
    state.counters["longest_ms"] = Ms(pauses.wall.back());
    state.counters["longest_cpu_ms"] = Ms(pauses.cpu.back());
    state.counters["p999_ms"] = Ms(pauses.wall[pauses.wall.size() * 999 / 1000]);
    if (relay->table.live() != 0) state.SkipWithError("something is left");
  }
}
BENCHMARK(ExpiryPause)->Arg(64)->Arg(Allocator::kExpiryBudget)->Arg(1024)->Iterations(1)->Unit(benchmark::kMillisecond);

void EndpointBytes(benchmark::State& state) {
  for (auto _ : state) {
    const size_t before = ResidentBytes();
    const std::unique_ptr<Relay> relay = MillionEndpoints();
    const auto per_endpoint = [](size_t bytes) { return static_cast<double>(bytes) / kMillion; };
    state.counters["resident"] = per_endpoint(ResidentBytes() - before);
    state.counters["table_at_most"] = per_endpoint(relay->table.memory_bytes());
    state.counters["allocator_at_most"] = per_endpoint(relay->allocator.memory_bytes());
  }
}
BENCHMARK(EndpointBytes)->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace relay

BENCHMARK_MAIN();
