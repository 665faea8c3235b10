#include "ingress/frontend/frontend_stats.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "relay/control/metrics_family.h"
#include "relay/control/text.h"

namespace ingress {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;
using relay::metrics::Add;
using relay::metrics::Family;
using Threads = std::vector<const ThreadStats*>;

// What the routes are called that share a series. One of that very name is among them: a series that stands twice
// costs the whole scrape.
constexpr std::string_view kOthers = "other";

size_t RefusedIndex(int status) {
  const auto* const found = std::find(kRefusedStatuses.begin(), kRefusedStatuses.end(), status);
  return static_cast<size_t>(found - kRefusedStatuses.begin());
}
std::string RefusedName(size_t index) {
  return index < kRefusedStatuses.size() ? relay::text::Cat("refused_", kRefusedStatuses[index]) : "refused_other";
}

uint64_t Sum(const Threads& threads, const std::function<const Counter&(const ThreadStats&)>& counter) {
  uint64_t sum = 0;
  for (const ThreadStats* thread : threads) sum += counter(*thread).Get();
  return sum;
}

void AddBytes(MetricFamily& family, const relay::metrics::Labels& labels, uint64_t to_node, uint64_t to_client) {
  for (const auto& [direction, bytes] : {std::pair("to_node", to_node), std::pair("to_client", to_client)}) {
    relay::metrics::Labels all = labels;
    all.push_back({"direction", direction});
    Add(family, std::move(all), bytes);
  }
}

MetricFamily Closed(const Threads& threads) {
  MetricFamily family =
      Family("relayd_funnel_closed_total", "Public connections that ended, by reason.", MetricType::Counter);
  for (size_t i = 0; i < kCloseReasonNames.size(); ++i) {
    if (i == static_cast<size_t>(CloseReason::kRefused)) continue;
    Add(family, {{"reason", std::string(kCloseReasonNames[i])}},
        Sum(threads, [i](const ThreadStats& t) -> const Counter& { return t.closed[i]; }));
  }
  for (size_t i = 0; i <= kRefusedStatuses.size(); ++i) {
    Add(family, {{"reason", RefusedName(i)}},
        Sum(threads, [i](const ThreadStats& t) -> const Counter& { return t.refused[i]; }));
  }
  return family;
}

MetricFamily Latency(std::string_view name, std::string_view help, const Threads& threads,
                     LatencyHistogram ThreadStats::*which) {
  MetricFamily family = Family(name, help, MetricType::Histogram);
  prometheus::ClientMetric::Histogram& histogram = family.metric.emplace_back().histogram;
  const auto bucket = [&](size_t i) {
    return Sum(threads, [=](const ThreadStats& t) -> const Counter& { return (t.*which).buckets[i]; });
  };
  for (size_t i = 0; i < LatencyHistogram::kBoundsUs.size(); ++i) {
    histogram.sample_count += bucket(i);
    histogram.bucket.push_back({.cumulative_count = histogram.sample_count,
                                .upper_bound = static_cast<double>(LatencyHistogram::kBoundsUs[i]) / 1e6});
  }
  histogram.sample_count += bucket(LatencyHistogram::kBoundsUs.size());
  const uint64_t ns = Sum(threads, [=](const ThreadStats& t) -> const Counter& { return (t.*which).total_ns; });
  histogram.sample_sum = static_cast<double>(ns) / 1e9;
  return family;
}

void AddRoute(const std::string& name, const RouteSeries& series, std::vector<MetricFamily>& families) {
  using Share = RouteSeries::Share;
  Add(families[0], {{"route", name}}, series.Sum(&Share::connections));
  Add(families[1], {{"route", name}}, series.Sum(&Share::accepted));
  AddBytes(families[2], {{"route", name}}, series.Sum(&Share::to_node_bytes), series.Sum(&Share::to_client_bytes));
}

}  // namespace

void LatencyHistogram::Observe(Duration took) {
  const auto above = [took](int64_t bound_us) { return took > std::chrono::microseconds(bound_us); };
  const auto* const bound = std::find_if_not(kBoundsUs.begin(), kBoundsUs.end(), above);
  buckets[static_cast<size_t>(bound - kBoundsUs.begin())].Add(1);
  total_ns.Add(static_cast<uint64_t>(took.count()));
}

std::string CloseCause::ToString() const {
  if (reason == CloseReason::kRefused) return RefusedName(RefusedIndex(status));
  return std::string(kCloseReasonNames[static_cast<size_t>(reason)]);
}

void ThreadStats::Closed(const CloseCause& cause) {
  if (cause.reason == CloseReason::kRefused) {
    refused[RefusedIndex(cause.status)].Add(1);
  } else {
    closed[static_cast<size_t>(cause.reason)].Add(1);
  }
}

uint64_t RouteSeries::Sum(Counter Share::*counter) const {
  uint64_t sum = 0;
  for (const Share& share : shares_) sum += (share.*counter).Get();
  return sum;
}

RouteSeriesSet::RouteSeriesSet(size_t threads, size_t most)
    : threads_(threads), most_(most), other_(std::make_shared<RouteSeries>(threads)) {}

std::shared_ptr<const Routing> RouteSeriesSet::Assign(std::shared_ptr<const RouteTable> table) {
  auto routing = std::make_shared<Routing>();
  const std::lock_guard lock(mutex_);
  absl::flat_hash_map<std::string, std::shared_ptr<RouteSeries>> kept;
  for (const std::shared_ptr<Route>& route : table->routes()) {
    const auto found = own_.find(route->config().name);
    if (found != own_.end()) kept.insert(*found);
  }
  own_ = std::move(kept);
  for (const std::shared_ptr<Route>& route : table->routes()) {
    auto found = own_.find(route->config().name);
    if (found == own_.end() && own_.size() < most_ && route->config().name != kOthers) {
      found = own_.emplace(route->config().name, std::make_shared<RouteSeries>(threads_)).first;
    }
    routing->series[route.get()] = found == own_.end() ? other_ : found->second;
  }
  routing->table = std::move(table);
  return routing;
}

void RouteSeriesSet::Collect(std::vector<MetricFamily>& out) const {
  std::vector<MetricFamily> families = {
      Family("relayd_funnel_route_connections", "Public connections of a route, open now.", MetricType::Gauge),
      Family("relayd_funnel_route_accepted_total", "Public connections that a route took.", MetricType::Counter),
      Family("relayd_funnel_route_bytes_total", "Bytes carried for a route.", MetricType::Counter)};
  const std::lock_guard lock(mutex_);
  for (const auto& [name, series] : own_) AddRoute(name, *series, families);
  AddRoute(std::string(kOthers), *other_, families);
  for (MetricFamily& family : families) out.push_back(std::move(family));
}

void CollectThreads(const Threads& threads, const FrontendTotals& totals, std::vector<MetricFamily>& out) {
  const auto one = [&out](std::string_view name, std::string_view help, MetricType type, uint64_t value) {
    Add(out.emplace_back(Family(name, help, type)), {}, value);
  };
  one("relayd_funnel_connections", "Public connections open now.", MetricType::Gauge, totals.connections);
  one("relayd_funnel_pending", "Those of them whose TLS hello is not here yet.", MetricType::Gauge, totals.pending);
  one("relayd_funnel_accepted_total", "Public connections accepted.", MetricType::Counter,
      Sum(threads, [](const ThreadStats& t) -> const Counter& { return t.accepted; }));
  AddBytes(out.emplace_back(Family("relayd_funnel_bytes_total",
                                   "Bytes carried, counted when the receiver's socket has taken them.",
                                   MetricType::Counter)),
           {}, Sum(threads, [](const ThreadStats& t) -> const Counter& { return t.to_node_bytes; }),
           Sum(threads, [](const ThreadStats& t) -> const Counter& { return t.to_client_bytes; }));
  out.push_back(Closed(threads));
  out.push_back(Latency("relayd_funnel_hello_seconds", "From a connection's begin to its whole TLS hello.", threads,
                        &ThreadStats::hello));
  out.push_back(Latency("relayd_funnel_dial_seconds", "From the hello to a node's 101, all tries together.", threads,
                        &ThreadStats::dial));
  one("relayd_funnel_lost_log_lines_total", "Lines that the access log did not take.", MetricType::Counter,
      totals.lost_log_lines);
}

}  // namespace ingress
