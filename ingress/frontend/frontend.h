// Funnel's public side: accepts TCP, reads the server name, asks the node that owns it, and splices. TLS stays closed.
#ifndef RELAYD_INGRESS_FRONTEND_FRONTEND_H_
#define RELAYD_INGRESS_FRONTEND_FRONTEND_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "disco/addr_port.h"
#include "ingress/frontend/route_table.h"
#include "prometheus/metric_family.h"
#include "relay/control/funnel_policy.h"
#include "relay/core/time.h"

namespace ingress {

struct FrontendOptions {
  struct Listener {
    AddrPort addr;
    uint16_t public_port = 0;  // What clients see; 0: addr's own.
  };
  std::vector<Listener> listen;  // --funnel_listen; empty: no frontend.
  uint32_t threads = 1;          // --ingress_threads.
  size_t hello_cap = 16'384;
  Duration hello_timeout = std::chrono::seconds(5);
  Duration dial_timeout = std::chrono::seconds(5);  // For the node's connection and for its answer, each.
  Duration idle_timeout = std::chrono::hours(1);
  Duration keepalive = std::chrono::seconds(60);
  std::string access_log;              // A file; empty: stderr.
  uint64_t descriptors_of_others = 0;  // What the process needs beside DescriptorBudget::kOthers: a node's, say.
};

// The frontend's threads, and what they share. Control thread, but for Collect (any thread).
class Frontend {
 public:
  // Takes listeners that systemd has opened (LISTEN_FDS) where their addresses match, binds the others. Fits the limits
  // to the descriptor limit, which has been raised already. An error is one line.
  static absl::StatusOr<std::unique_ptr<Frontend>> Open(const FrontendOptions& options);
  virtual ~Frontend() = default;  // Stops the threads and closes everything.

  virtual void Start() = 0;
  // For connections that come from now on.
  virtual void SetRoutes(std::shared_ptr<const RouteTable> routes) = 0;
  virtual void SetLimits(const relay::FunnelPolicy& limits) = 0;  // All but its routes.
  // Its connections end soon, and those of routes of its name that it has replaced.
  virtual void CloseRoute(const std::shared_ptr<Route>& route) = 0;
  virtual void ReopenAccessLog() = 0;
  virtual void Drain() = 0;
  virtual uint64_t connections() const = 0;
  virtual std::vector<AddrPort> local() const = 0;        // Of the listeners, as bound.
  virtual std::vector<std::string> warnings() const = 0;  // For the log, after Open.
  // relayd_funnel_*; `routes`: per-route figures of the first kMaxRouteSeries by name, the rest summed as "other".
  virtual void Collect(std::vector<prometheus::MetricFamily>& out) const = 0;

  static constexpr size_t kMaxRouteSeries = 100;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_FRONTEND_FRONTEND_H_
