// relayd's figures as Prometheus reads them: DESIGN.md's metrics, every series there from the start.
#ifndef RELAYD_RELAY_CONTROL_METRICS_H_
#define RELAYD_RELAY_CONTROL_METRICS_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "disco/addr_port.h"
#include "relay/control/allocator.h"
#include "relay/control/http_stats.h"
#include "relay/control/task_histogram.h"
#include "relay/core/counters.h"
#include "relay/core/endpoint_table.h"
#include "relay/core/port_counters.h"

namespace prometheus {
class Exposer;
struct MetricFamily;
}  // namespace prometheus

namespace relay {

// What is counted, and by whom it is written is said there. All of it may be read from any thread.
struct WorkerSource {
  std::string name;  // The label `worker`.
  const Counters* counters;
};
struct MetricSources {
  std::vector<WorkerSource> workers;
  const PortFigures* ports = nullptr;  // DPDK only.
  const EndpointTable* table;
  const Allocator* allocator;
  const TaskHistogram* tasks;
  const HttpStats* api;
  // Further families, by parts that this folder does not know. Called on the server's threads.
  std::vector<std::function<void(std::vector<prometheus::MetricFamily>&)>> extra = {};
};

std::vector<prometheus::MetricFamily> CollectMetrics(const MetricSources& sources);

// Serves /metrics on threads of its own.
class MetricsServer {
 public:
  // `sources` outlive the server. An error says which address and why, in one line.
  static absl::StatusOr<std::unique_ptr<MetricsServer>> Open(const disco::AddrPort& listen, MetricSources sources);
  ~MetricsServer();

  const disco::AddrPort& local() const { return local_; }

 private:
  class Source;
  MetricsServer(const disco::AddrPort& local, MetricSources sources);

  disco::AddrPort local_;
  std::shared_ptr<Source> source_;
  std::unique_ptr<prometheus::Exposer> exposer_;
};

}  // namespace relay

#endif  // RELAYD_RELAY_CONTROL_METRICS_H_
