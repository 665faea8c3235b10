#include "relay/control/metrics.h"

#include <prometheus/metric_family.h>

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "relay/control/metrics_family.h"

namespace relay {
namespace {

using metrics::Add;
using metrics::Family;
using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

const double kStartTime = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();

// Everything that is counted a worker, added up by `read`.
class WorkerMetrics {
 public:
  explicit WorkerMetrics(const std::vector<WorkerSource>& workers) : workers_(workers) {}

  uint64_t Sum(const std::function<uint64_t(const Counters&)>& read) const {
    uint64_t sum = 0;
    for (const WorkerSource& worker : workers_) sum += read(*worker.counters);
    return sum;
  }
  MetricFamily Total(std::string_view name, std::string_view help, Counter Counters::*counter) const {
    MetricFamily family = Family(name, help, MetricType::Counter);
    Add(family, {}, Sum([counter](const Counters& c) { return (c.*counter).Get(); }));
    return family;
  }
  MetricFamily PerWorker(std::string_view name, std::string_view help, Counter Counters::*counter) const {
    MetricFamily family = Family(name, help, MetricType::Counter);
    for (const WorkerSource& worker : workers_) {
      Add(family, {{"worker", worker.name}}, ((*worker.counters).*counter).Get());
    }
    return family;
  }
  // Reasons are few, and workers too: a machine's cores.
  MetricFamily DroppedPerWorker() const {
    MetricFamily family = Family("relayd_worker_dropped_packets_total",
                                 "Datagrams dropped, by worker and by the check that failed.", MetricType::Counter);
    for (const WorkerSource& worker : workers_) {
      for (size_t i = 0; i < kDropReasonCount; ++i) {
        Add(family, {{"worker", worker.name}, {"reason", std::string(DropReasonName(static_cast<DropReason>(i)))}},
            worker.counters->dropped[i].Get());
      }
    }
    return family;
  }
  MetricFamily Forwarded(std::string_view name, std::string_view help,
                         std::array<std::array<Counter, 2>, 2> Counters::*counters) const {
    static constexpr const char* kTransports[] = {"udp4", "udp6"};
    MetricFamily family = Family(name, help, MetricType::Counter);
    for (size_t in = 0; in < 2; ++in) {
      for (size_t out = 0; out < 2; ++out) {
        Add(family, {{"transport_in", kTransports[in]}, {"transport_out", kTransports[out]}},
            Sum([=](const Counters& c) { return (c.*counters)[in][out].Get(); }));
      }
    }
    return family;
  }

 private:
  const std::vector<WorkerSource>& workers_;
};

void CollectPackets(const WorkerMetrics& workers, std::vector<MetricFamily>& out) {
  out.push_back(workers.Total("relayd_received_packets_total",
                              "Datagrams received: forwarded, answered, accepted, to the kernel and dropped together.",
                              &Counters::received));
  out.push_back(workers.Forwarded("relayd_forwarded_packets_total", "Datagrams relayed, after a successful send.",
                                  &Counters::forwarded_packets));
  out.push_back(workers.Forwarded("relayd_forwarded_bytes_total", "UDP payload bytes relayed, after a successful send.",
                                  &Counters::forwarded_bytes));
  out.push_back(
      workers.Total("relayd_answered_packets_total", "Datagrams answered with a challenge.", &Counters::answered));
  out.push_back(workers.Total("relayd_accepted_packets_total", "Valid handshake answers; nothing is sent for them.",
                              &Counters::accepted));
  out.push_back(workers.Total("relayd_to_kernel_packets_total", "Packets passed to the kernel (DPDK only).",
                              &Counters::to_kernel));
  out.push_back(workers.Total("relayd_socket_overflow_packets_total",
                              "Lost before they were received: what the sockets dropped for want of room (the "
                              "counter that SO_RXQ_OVFL reports). A GRO train counts once, whatever its segments.",
                              &Counters::socket_overflow));

  MetricFamily& dropped = out.emplace_back(
      Family("relayd_dropped_packets_total", "Datagrams dropped, by the check that failed.", MetricType::Counter));
  for (size_t i = 0; i < kDropReasonCount; ++i) {
    Add(dropped, {{"reason", std::string(DropReasonName(static_cast<DropReason>(i)))}},
        workers.Sum([i](const Counters& c) { return c.dropped[i].Get(); }));
  }

  static constexpr const char* kResults[] = {"challenged", "bound", "rebound"};  // As HandshakeResult.
  MetricFamily& handshakes =
      out.emplace_back(Family("relayd_handshakes_total", "Handshake steps of legs, by result.", MetricType::Counter));
  for (size_t i = 0; i < std::size(kResults); ++i) {
    Add(handshakes, {{"result", kResults[i]}}, workers.Sum([i](const Counters& c) { return c.handshakes[i].Get(); }));
  }
}

// Beside the identity: what the DPDK back end does with frames that are special.
void CollectFrames(const WorkerMetrics& workers, std::vector<MetricFamily>& out) {
  out.push_back(workers.Total("relayd_fragments_total",
                              "IP fragments for the relay's addresses, wherever they went (DPDK only).",
                              &Counters::fragments));
  out.push_back(workers.Total("relayd_reassembled_packets_total",
                              "Datagrams made whole of fragments by a worker (DPDK only).", &Counters::reassembled));
  out.push_back(workers.Total("relayd_icmp_too_big_total",
                              "ICMP answers to datagrams that are too big for their way out (DPDK only).",
                              &Counters::icmp_too_big));
  out.push_back(workers.Total("relayd_link_followed_total",
                              "Next hops that followed data packets to another MAC address (DPDK only).",
                              &Counters::link_followed));
  out.push_back(workers.Total("relayd_link_refused_total",
                              "Data packets from another MAC address than the next hop's that the kernel does not hold "
                              "as a neighbour; the next hop stayed (DPDK only).",
                              &Counters::link_refused));
}

void CollectWorkers(const WorkerMetrics& workers, std::vector<MetricFamily>& out) {
  out.push_back(
      workers.PerWorker("relayd_worker_received_packets_total", "Datagrams received, by worker.", &Counters::received));
  out.push_back(workers.DroppedPerWorker());
  out.push_back(workers.PerWorker("relayd_worker_receive_calls_total",
                                  "Receive calls that returned something, by worker.", &Counters::receive_calls));
  out.push_back(workers.PerWorker("relayd_worker_send_calls_total", "Send calls, by worker.", &Counters::send_calls));
  out.push_back(workers.PerWorker("relayd_worker_gso_trains_total",
                                  "Sends of several datagrams as one segmented message, by worker.",
                                  &Counters::gso_trains));
  out.push_back(workers.PerWorker("relayd_worker_gso_fallbacks_total",
                                  "Segmented messages that were refused and repeated as single datagrams, by worker.",
                                  &Counters::gso_fallbacks));
}

void CollectEndpoints(const MetricSources& sources, std::vector<MetricFamily>& out) {
  MetricFamily& endpoints = out.emplace_back(
      Family("relayd_endpoints", "Live endpoints: open ones have both legs bound.", MetricType::Gauge));
  const uint32_t open = sources.table->open();
  const uint32_t live = sources.table->live();
  Add(endpoints, {{"state", "connecting"}}, live > open ? live - open : 0);
  Add(endpoints, {{"state", "open"}}, open);

  MetricFamily& limit = out.emplace_back(
      Family("relayd_endpoints_limit", "Most endpoints at once (--max_endpoints).", MetricType::Gauge));
  Add(limit, {}, sources.table->max_endpoints());

  MetricFamily& allocations =
      out.emplace_back(Family("relayd_allocations_total", "Allocation requests, by result.", MetricType::Counter));
  for (size_t i = 0; i < kAllocationResultCount; ++i) {
    const auto result = static_cast<AllocationResult>(i);
    Add(allocations, {{"result", std::string(AllocationResultName(result))}}, sources.allocator->results(result));
  }
}

void CollectApi(const HttpStats& api, std::vector<MetricFamily>& out) {
  Add(out.emplace_back(Family("relayd_api_connections", "Open connections to the control API.", MetricType::Gauge)), {},
      api.connections.Get());
  Add(out.emplace_back(Family("relayd_api_accepted_connections_total",
                              "Connections to the control API, refused ones too.", MetricType::Counter)),
      {}, api.accepted.Get());
  MetricFamily& refused =
      out.emplace_back(Family("relayd_api_refused_connections_total",
                              "Connections to the control API ended early, by reason.", MetricType::Counter));
  Add(refused, {{"reason", "limit"}}, api.refused_limit.Get());
  Add(refused, {{"reason", "source_limit"}}, api.refused_source.Get());
  Add(refused, {{"reason", "tls_failed"}}, api.tls_failed.Get());
  Add(refused, {{"reason", "timed_out"}}, api.timed_out.Get());
  MetricFamily& responses = out.emplace_back(
      Family("relayd_api_responses_total", "Answers of the control API, by status code.", MetricType::Counter));
  for (size_t i = 0; i < HttpStats::kStatuses.size(); ++i) {
    Add(responses, {{"code", std::to_string(HttpStats::kStatuses[i])}}, api.responses[i].Get());
  }
}

MetricFamily CollectTasks(const TaskHistogram& tasks) {
  MetricFamily family =
      Family("relayd_control_task_seconds", "How long tasks of the control thread took.", MetricType::Histogram);
  ClientMetric::Histogram& histogram = family.metric.emplace_back().histogram;
  uint64_t count = 0;
  for (size_t i = 0; i < TaskHistogram::kBoundsUs.size(); ++i) {
    count += tasks.buckets[i].Get();
    histogram.bucket.push_back(
        {.cumulative_count = count, .upper_bound = static_cast<double>(TaskHistogram::kBoundsUs[i]) / 1e6});
  }
  histogram.sample_count = count + tasks.buckets.back().Get();
  histogram.sample_sum = static_cast<double>(tasks.total_ns.Get()) / 1e9;
  return family;
}

}  // namespace

std::vector<MetricFamily> CollectMetrics(const MetricSources& sources) {
  std::vector<MetricFamily> out;
  const WorkerMetrics workers(sources.workers);
  CollectPackets(workers, out);
  CollectFrames(workers, out);
  CollectWorkers(workers, out);
  if (sources.ports != nullptr) metrics::CollectPorts(*sources.ports, out);
  CollectEndpoints(sources, out);
  CollectApi(*sources.api, out);
  out.push_back(CollectTasks(*sources.tasks));
  for (const auto& collect : sources.extra) collect(out);

  Add(out.emplace_back(Family("relayd_build_info", "Always 1; the version is in its label.", MetricType::Gauge)),
      {{"version", RELAYD_VERSION}}, 1);
  MetricFamily& started = out.emplace_back(
      Family("process_start_time_seconds", "When the process started, in seconds since 1970.", MetricType::Gauge));
  started.metric.emplace_back().gauge.value = kStartTime;
  return out;
}

}  // namespace relay
