// What the frontend counts: one set a thread, and one a route and thread.
#ifndef RELAYD_INGRESS_FRONTEND_FRONTEND_STATS_H_
#define RELAYD_INGRESS_FRONTEND_FRONTEND_STATS_H_

#include <prometheus/metric_family.h>

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "ingress/frontend/close_reason.h"
#include "ingress/frontend/route_table.h"
#include "relay/core/counters.h"
#include "relay/core/time.h"

namespace ingress {

using relay::Counter;
using relay::Duration;

// Written by one thread; read by any.
struct LatencyHistogram {
  static constexpr std::array<int64_t, 15> kBoundsUs = {100,     200,     500,       1'000,     2'000,
                                                        5'000,   10'000,  20'000,    50'000,    100'000,
                                                        200'000, 500'000, 1'000'000, 2'000'000, 5'000'000};
  std::array<Counter, kBoundsUs.size() + 1> buckets;  // Not cumulative; the last one is what was longer still.
  Counter total_ns;

  void Observe(Duration took);
};

// How a connection ended; a node's refusal by its status.
struct CloseCause {
  CloseReason reason = CloseReason::kDone;
  int status = 0;  // Of kRefused.

  std::string ToString() const;  // refused_503; refused_other is what is not among kRefusedStatuses.
};

// Written by one thread; read by any.
struct alignas(64) ThreadStats {
  Counter accepted;
  Counter to_node_bytes, to_client_bytes;
  std::array<Counter, kCloseReasonNames.size()> closed;      // That of kRefused is unused.
  std::array<Counter, kRefusedStatuses.size() + 1> refused;  // By status; the last one is any other.
  LatencyHistogram hello, dial;

  void Closed(const CloseCause& cause);
};

// A route's, by name: connections keep counting here when the route is replaced.
class RouteSeries {
 public:
  // Written by one thread; read by any.
  struct alignas(64) Share {
    Counter connections, accepted, to_node_bytes, to_client_bytes;
  };

  explicit RouteSeries(size_t threads) : shares_(threads) {}
  Share& of(size_t thread) { return shares_[thread]; }
  uint64_t Sum(Counter Share::*counter) const;

 private:
  std::vector<Share> shares_;
};

// What a frontend thread routes by: a snapshot of the table, and where each route is counted.
struct Routing {
  std::shared_ptr<const RouteTable> table;
  absl::flat_hash_map<const Route*, std::shared_ptr<RouteSeries>> series;
};

// Gives the first names series of their own, which they keep while they have a route; all others share one.
class RouteSeriesSet {
 public:
  RouteSeriesSet(size_t threads, size_t most);

  std::shared_ptr<const Routing> Assign(std::shared_ptr<const RouteTable> table);  // Control thread.
  void Collect(std::vector<prometheus::MetricFamily>& out) const;                  // Any thread.

 private:
  const size_t threads_, most_;
  const std::shared_ptr<RouteSeries> other_;
  mutable std::mutex mutex_;
  absl::flat_hash_map<std::string, std::shared_ptr<RouteSeries>> own_;  // Under the mutex.
};

// relayd_funnel_* but for the routes'.
struct FrontendTotals {
  uint64_t connections = 0;
  uint64_t pending = 0;
  uint64_t lost_log_lines = 0;
};
void CollectThreads(const std::vector<const ThreadStats*>& threads, const FrontendTotals& totals,
                    std::vector<prometheus::MetricFamily>& out);

}  // namespace ingress

#endif  // RELAYD_INGRESS_FRONTEND_FRONTEND_STATS_H_
