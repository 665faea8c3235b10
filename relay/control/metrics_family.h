// How the metrics*.cc files build what prometheus-cpp serves.
#ifndef RELAYD_RELAY_CONTROL_METRICS_FAMILY_H_
#define RELAYD_RELAY_CONTROL_METRICS_FAMILY_H_

#include <prometheus/metric_family.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "relay/core/port_counters.h"

namespace relay::metrics {

using Labels = std::vector<prometheus::ClientMetric::Label>;

inline prometheus::MetricFamily Family(std::string_view name, std::string_view help, prometheus::MetricType type) {
  return {.name = std::string(name), .help = std::string(help), .type = type, .metric = {}};
}

// One more series of a family of counters or gauges.
inline void AddValue(prometheus::MetricFamily& family, Labels labels, double value) {
  prometheus::ClientMetric& metric = family.metric.emplace_back();
  metric.label = std::move(labels);
  (family.type == prometheus::MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
}
inline void Add(prometheus::MetricFamily& family, Labels labels, uint64_t value) {
  AddValue(family, std::move(labels), static_cast<double>(value));
}

// metrics_ports.cc: poll-mode workers and their ports (--io=dpdk).
void CollectPorts(const PortFigures& figures, std::vector<prometheus::MetricFamily>& out);

}  // namespace relay::metrics

#endif  // RELAYD_RELAY_CONTROL_METRICS_FAMILY_H_
