#include "relay/dataplane/telemetry.h"

#include <rte_telemetry.h>
#include <rte_version.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cstring>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace relay {
namespace {

// Telemetry calls back on a thread of its own, without a word of whose it is.
std::mutex g_mutex;
const PortFigures* g_figures = nullptr;  // Under g_mutex.

std::optional<size_t> IndexOf(const char* params, size_t count) {
  if (params == nullptr) return std::nullopt;
  size_t index = 0;
  const char* const end = params + std::strlen(params);
  const auto [rest, error] = std::from_chars(params, end, index);
  if (error != std::errc() || rest != end || index >= count) return std::nullopt;
  return index;
}

// rte_tel_data_add_dict_u64 became _uint in DPDK 23.03.
void Add(rte_tel_data* data, const char* name, uint64_t value) {
#if RTE_VERSION >= RTE_VERSION_NUM(23, 3, 0, 0)
  rte_tel_data_add_dict_uint(data, name, value);
#else
  rte_tel_data_add_dict_u64(data, name, value);
#endif
}

int Count(const char* command, const char* /*params*/, rte_tel_data* data) {
  const std::lock_guard lock(g_mutex);
  if (g_figures == nullptr) return -1;
  const bool workers = std::strcmp(command, "/relayd/workers") == 0;
  rte_tel_data_start_dict(data);
  Add(data, "count", workers ? g_figures->workers.size() : g_figures->ports.size());
  return 0;
}

int Worker(const char* /*command*/, const char* params, rte_tel_data* data) {
  const std::lock_guard lock(g_mutex);
  if (g_figures == nullptr) return -1;
  const std::optional<size_t> index = IndexOf(params, g_figures->workers.size());
  if (!index) return -1;
  const PollCounters& worker = *g_figures->workers[*index];
  rte_tel_data_start_dict(data);
  Add(data, "polls", worker.polls.Get());
  Add(data, "empty_polls", worker.empty_polls.Get());
  Add(data, "busy_cycles", worker.busy_cycles.Get());
  Add(data, "total_cycles", worker.total_cycles.Get());
  Add(data, "packets", worker.packets.Get());
  Add(data, "sleeps", worker.sleeps.Get());
  return 0;
}

int ShowPort(const char* /*command*/, const char* params, rte_tel_data* data) {
  const std::lock_guard lock(g_mutex);
  if (g_figures == nullptr) return -1;
  const std::optional<size_t> index = IndexOf(params, g_figures->ports.size());
  if (!index) return -1;
  const PortFigures::Port& port = *g_figures->ports[*index];
  const auto sum = [&](Counter PortCounters::*counter) {
    uint64_t total = 0;
    for (const auto& ports : g_figures->by_worker) total += ((*ports[*index]).*counter).Get();
    return total;
  };
  rte_tel_data_start_dict(data);
  rte_tel_data_add_dict_string(data, "name", port.name.c_str());
  rte_tel_data_add_dict_string(data, "driver", port.driver.c_str());
  Add(data, "received", sum(&PortCounters::received));
  Add(data, "sent", sum(&PortCounters::sent));
  Add(data, "tx_full", sum(&PortCounters::tx_full));
  Add(data, "from_kernel", sum(&PortCounters::from_kernel));
  Add(data, "link_up", port.gauges.link_up.Get());
  Add(data, "missed", port.gauges.missed.Get());
  Add(data, "receive_errors", port.gauges.receive_errors.Get());
  Add(data, "no_mbuf", port.gauges.no_mbuf.Get());
  Add(data, "transmit_errors", port.gauges.transmit_errors.Get());
  Add(data, "pool_in_use", port.gauges.pool_in_use.Get());
  Add(data, "pool_size", port.gauges.pool_size.Get());
  return 0;
}

}  // namespace

Telemetry::Telemetry(const PortFigures& figures) {
  {
    const std::lock_guard lock(g_mutex);
    g_figures = &figures;
  }
  // Already registered by an earlier one: fine.
  rte_telemetry_register_cmd("/relayd/workers", Count, "How many poll-mode workers relayd has.");
  rte_telemetry_register_cmd("/relayd/ports", Count, "How many ports relayd has.");
  rte_telemetry_register_cmd("/relayd/worker", Worker, "Figures of a worker. Parameter: its number.");
  rte_telemetry_register_cmd("/relayd/port", ShowPort, "Figures of a port. Parameter: its number among relayd's.");
}

Telemetry::~Telemetry() {
  const std::lock_guard lock(g_mutex);
  g_figures = nullptr;
}

}  // namespace relay
