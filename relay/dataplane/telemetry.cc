#include "relay/dataplane/telemetry.h"

#include <rte_mempool.h>
#include <rte_telemetry.h>
#include <rte_version.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace relay {
namespace {

// Telemetry calls back on a thread of its own, without a word of whose it is.
std::mutex g_mutex;
const Telemetry* g_telemetry = nullptr;  // Under g_mutex.

// "N" or "N,W": as many numbers as there are in `params`, or none if they are not all below their limit.
std::vector<size_t> Indices(const char* params, std::span<const size_t> limits) {
  if (params == nullptr) return {};
  std::vector<size_t> indices;
  const char* const end = params + std::strlen(params);
  for (const size_t limit : limits) {
    size_t index = 0;
    const auto [rest, error] = std::from_chars(params, end, index);
    if (error != std::errc() || index >= limit) return {};
    indices.push_back(index);
    if (rest == end) return indices;
    if (*rest != ',') return {};
    params = rest + 1;
  }
  return {};
}

// rte_tel_data_add_dict_u64 and its like became _uint in DPDK 23.03.
#if RTE_VERSION >= RTE_VERSION_NUM(23, 3, 0, 0)
constexpr auto kUint = RTE_TEL_UINT_VAL;
constexpr auto AddToArray = rte_tel_data_add_array_uint;
constexpr auto AddToDict = rte_tel_data_add_dict_uint;
#else
constexpr auto kUint = RTE_TEL_U64_VAL;
constexpr auto AddToArray = rte_tel_data_add_array_u64;
constexpr auto AddToDict = rte_tel_data_add_dict_u64;
#endif

void Add(rte_tel_data* data, const std::string& name, uint64_t value) { AddToDict(data, name.c_str(), value); }

// A dictionary or an array within `data`, which frees it once it is sent. Out of memory, it is left out.
template <typename Fill>
void AddContainer(rte_tel_data* data, const char* name, Fill fill) {
  rte_tel_data* const inner = rte_tel_data_alloc();
  if (inner == nullptr) return;
  fill(inner);
  if (rte_tel_data_add_dict_container(data, name, inner, /*keep=*/0) != 0) rte_tel_data_free(inner);
}

int Count(const char* command, const char* /*params*/, rte_tel_data* data) {
  const std::lock_guard lock(g_mutex);
  if (g_telemetry == nullptr) return -1;
  const PortFigures& figures = g_telemetry->figures();
  const bool workers = std::strcmp(command, "/relayd/workers") == 0;
  rte_tel_data_start_dict(data);
  Add(data, "count", workers ? figures.workers.size() : figures.ports.size());
  return 0;
}

void AddPolls(rte_tel_data* data, const PollCounters& polls, double cycles_per_second) {
  const uint64_t busy = polls.busy_cycles.Get();
  const uint64_t total = polls.total_cycles.Get();
  const uint64_t packets = polls.packets.Get();
  Add(data, "polls", polls.polls.Get());
  Add(data, "empty_polls", polls.empty_polls.Get());
  Add(data, "sleeps", polls.sleeps.Get());
  Add(data, "packets", packets);
  Add(data, "busy_cycles", busy);
  Add(data, "total_cycles", total);
  Add(data, "cycles_per_second", static_cast<uint64_t>(cycles_per_second));
  const double share = total == 0 ? 0 : static_cast<double>(busy) / static_cast<double>(total);
  Add(data, "busy_permille", static_cast<uint64_t>(std::llround(share * 1000)));
  Add(data, "cycles_per_packet", packets == 0 ? 0 : busy / packets);
}

// Each datagram's fate.
void AddDatagrams(rte_tel_data* data, const Counters& counters) {
  uint64_t forwarded = 0;
  for (const auto& out : counters.forwarded_packets) {
    for (const Counter& packets : out) forwarded += packets.Get();
  }
  Add(data, "received", counters.received.Get());
  Add(data, "forwarded", forwarded);
  Add(data, "answered", counters.answered.Get());
  Add(data, "accepted", counters.accepted.Get());
  Add(data, "to_kernel", counters.to_kernel.Get());
  AddContainer(data, "dropped", [&](rte_tel_data* dropped) {
    rte_tel_data_start_dict(dropped);
    for (size_t i = 0; i < kDropReasonCount; ++i) {
      Add(dropped, std::string(DropReasonName(static_cast<DropReason>(i))), counters.dropped[i].Get());
    }
  });
}

int Worker(const char* /*command*/, const char* params, rte_tel_data* data) {
  const std::lock_guard lock(g_mutex);
  if (g_telemetry == nullptr) return -1;
  const PortFigures& figures = g_telemetry->figures();
  const size_t limits[] = {figures.workers.size()};
  const std::vector<size_t> indices = Indices(params, limits);
  if (indices.empty()) return -1;
  rte_tel_data_start_dict(data);
  AddPolls(data, *figures.workers[indices[0]], figures.cycles_per_second);
  AddDatagrams(data, g_telemetry->worker(indices[0]));
  return 0;
}

void AddPool(rte_mempool* pool, void* data) {
  AddContainer(static_cast<rte_tel_data*>(data), pool->name, [pool](rte_tel_data* level) {
    rte_tel_data_start_dict(level);
    Add(level, "in_use", rte_mempool_in_use_count(pool));
    Add(level, "size", pool->size);
  });
}

// DPDK's own /mempool/info has no level in 22.11.
int Pools(const char* /*command*/, const char* /*params*/, rte_tel_data* data) {
  const std::lock_guard lock(g_mutex);
  if (g_telemetry == nullptr) return -1;
  rte_tel_data_start_dict(data);
  rte_mempool_walk(AddPool, data);
  return 0;
}

using Shares = std::vector<const PortCounters*>;  // Of one port, by worker.

template <typename Read>
uint64_t Sum(const Shares& shares, Read read) {
  uint64_t sum = 0;
  for (const PortCounters* share : shares) sum += read(*share).Get();
  return sum;
}

void AddShares(rte_tel_data* data, const Shares& shares) {
  const auto add = [&](const char* name, Counter PortCounters::*counter) {
    Add(data, name, Sum(shares, [=](const PortCounters& share) -> const Counter& { return share.*counter; }));
  };
  add("received", &PortCounters::received);
  add("sent", &PortCounters::sent);
  add("tx_full", &PortCounters::tx_full);
  add("from_kernel", &PortCounters::from_kernel);
  // By the packets that one receive returned.
  static constexpr std::array<const char*, kBurstBuckets> kNames = {"1", "2", "3_4", "5_8", "9_16", "17_32", "33_up"};
  AddContainer(data, "bursts", [&](rte_tel_data* bursts) {
    rte_tel_data_start_dict(bursts);
    for (size_t i = 0; i < kBurstBuckets; ++i) {
      Add(bursts, kNames[i], Sum(shares, [i](const PortCounters& share) -> const Counter& { return share.bursts[i]; }));
    }
  });
}

void AddByWorker(rte_tel_data* data, const char* name, const Shares& shares, Counter PortCounters::*counter) {
  AddContainer(data, name, [&](rte_tel_data* array) {
    rte_tel_data_start_array(array, kUint);
    for (const PortCounters* share : shares) AddToArray(array, (share->*counter).Get());
  });
}

void AddPort(rte_tel_data* data, const PortFigures::Port& port) {
  rte_tel_data_add_dict_string(data, "name", port.name.c_str());
  rte_tel_data_add_dict_string(data, "driver", port.driver.c_str());
  Add(data, "link_up", port.gauges.link_up.Get());
  Add(data, "missed", port.gauges.missed.Get());
  Add(data, "receive_errors", port.gauges.receive_errors.Get());
  Add(data, "no_mbuf", port.gauges.no_mbuf.Get());
  Add(data, "transmit_errors", port.gauges.transmit_errors.Get());
  Add(data, "pool_in_use", port.gauges.pool_in_use.Get());
  Add(data, "pool_size", port.gauges.pool_size.Get());
}

int ShowPort(const char* /*command*/, const char* params, rte_tel_data* data) {
  const std::lock_guard lock(g_mutex);
  if (g_telemetry == nullptr) return -1;
  const PortFigures& figures = g_telemetry->figures();
  const size_t limits[] = {figures.ports.size(), figures.by_worker.size()};
  const std::vector<size_t> indices = Indices(params, limits);
  if (indices.empty()) return -1;
  Shares shares;
  for (const auto& by_port : figures.by_worker) shares.push_back(by_port[indices[0]].get());
  rte_tel_data_start_dict(data);
  if (indices.size() == 2) {
    AddShares(data, {shares[indices[1]]});
    return 0;
  }
  AddPort(data, *figures.ports[indices[0]]);
  AddShares(data, shares);
  AddByWorker(data, "received_by_worker", shares, &PortCounters::received);
  AddByWorker(data, "sent_by_worker", shares, &PortCounters::sent);
  return 0;
}

}  // namespace

Telemetry::Telemetry(const PortFigures& figures, std::vector<const Counters*> workers)
    : figures_(figures), workers_(std::move(workers)) {
  {
    const std::lock_guard lock(g_mutex);
    g_telemetry = this;
  }
  // Already registered by an earlier one: fine.
  rte_telemetry_register_cmd("/relayd/workers", Count, "How many poll-mode workers relayd has.");
  rte_telemetry_register_cmd("/relayd/ports", Count, "How many ports relayd has.");
  rte_telemetry_register_cmd("/relayd/pools", Pools, "Packet buffers of each pool, at this moment.");
  rte_telemetry_register_cmd("/relayd/worker", Worker, "Figures of a worker. Parameter: its number.");
  rte_telemetry_register_cmd(
      "/relayd/port", ShowPort,
      "Figures of a port. Parameters: its number among relayd's; a worker's number for its share.");
}

Telemetry::~Telemetry() {
  const std::lock_guard lock(g_mutex);
  g_telemetry = nullptr;
}

}  // namespace relay
