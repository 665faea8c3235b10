// Builds funnel-node's metric families from counters.
#ifndef RELAYD_INGRESS_NODE_COLLECTOR_H_
#define RELAYD_INGRESS_NODE_COLLECTOR_H_

#include <prometheus/metric_family.h>

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <vector>

#include "relay/control/metrics_family.h"
#include "relay/core/counters.h"

namespace ingress {

class Collector {
 public:
  struct Named {
    const char* name;
    const relay::Counter& counter;
  };

  explicit Collector(std::vector<prometheus::MetricFamily>& out) : out_(out) {}

  void Gauge(std::string_view name, std::string_view help, uint64_t value) {
    relay::metrics::Add(Family(name, help, prometheus::MetricType::Gauge), {}, value);
  }
  void Count(std::string_view name, std::string_view help, const relay::Counter& counter) {
    relay::metrics::Add(Family(name, help, prometheus::MetricType::Counter), {}, counter.Get());
  }
  void CountEach(std::string_view name, std::string_view help, const char* label, std::initializer_list<Named> each) {
    prometheus::MetricFamily& family = Family(name, help, prometheus::MetricType::Counter);
    for (const Named& one : each) relay::metrics::Add(family, {{label, one.name}}, one.counter.Get());
  }
  // Valid until the next one.
  prometheus::MetricFamily& Family(std::string_view name, std::string_view help, prometheus::MetricType type) {
    return out_.emplace_back(relay::metrics::Family(name, help, type));
  }

 private:
  std::vector<prometheus::MetricFamily>& out_;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_COLLECTOR_H_
