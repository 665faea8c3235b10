// What a running node tells of itself: Prometheus text and JSON. Any thread.
#ifndef RELAYD_INGRESS_NODE_NODE_FIGURES_H_
#define RELAYD_INGRESS_NODE_NODE_FIGURES_H_

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "ingress/node/certificates.h"
#include "ingress/node/funnel_manager.h"
#include "ingress/node/peerapi_server.h"
#include "ingress/node/serve_config.h"
#include "relay/core/counters.h"

namespace prometheus {
struct MetricFamily;
}

namespace ingress {

class NodeFigures {
 public:
  using More = std::function<void(std::vector<prometheus::MetricFamily>&)>;

  // All outlive the figures. `more`: what the HTTPS service counts.
  NodeFigures(const FunnelManager::Stats& funnel, const PeerApiServer::Stats& peerapi, More more = {})
      : funnel_(funnel), peerapi_(peerapi), more_(std::move(more)) {}

  // What is in force from now on.
  void Set(std::shared_ptr<const ServeConfig> config, std::shared_ptr<const Certificates> certificates);

  std::string MetricsText() const;
  std::string StatusJson() const;

  // Written by the loop's thread.
  relay::Counter reloads, reloads_failed;
  std::atomic<bool> ready{false};

 private:
  using Snapshot = std::pair<std::shared_ptr<const ServeConfig>, std::shared_ptr<const Certificates>>;
  Snapshot snapshot() const;

  const FunnelManager::Stats& funnel_;
  const PeerApiServer::Stats& peerapi_;
  const More more_;
  mutable std::mutex mutex_;
  Snapshot snapshot_;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_NODE_FIGURES_H_
