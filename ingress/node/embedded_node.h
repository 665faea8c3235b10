// The node's side within another program: what comes by that program's API to POST /v0/ingress is served on a loop and
// thread of its own, as funnel-node serves it.
#ifndef RELAYD_INGRESS_NODE_EMBEDDED_NODE_H_
#define RELAYD_INGRESS_NODE_EMBEDDED_NODE_H_

#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "ingress/event_loop.h"
#include "ingress/node/config_watch.h"
#include "ingress/node/descriptor_shares.h"
#include "ingress/node/funnel_manager.h"
#include "ingress/node/https_service.h"
#include "prometheus/metric_family.h"
#include "relay/control/ingress_service.h"
#include "relay/core/counters.h"

namespace ingress {

class EmbeddedNode final : public relay::IngressService {
 public:
  // Reads the serve config, whose Listen and Peers are the other program's business here; its thread is told of changes
  // of the files from then on. `own`: that program's listeners; `shares`: of its descriptors, which are raised already.
  // An error is one line.
  static absl::StatusOr<std::unique_ptr<EmbeddedNode>> Start(const std::string& config, std::vector<AddrPort> own,
                                                             const DescriptorShares& shares);
  ~EmbeddedNode() override;  // Ends all connections.

  void Handle(const relay::HttpRequest& request, const std::shared_ptr<relay::Exchange>& exchange) override;
  void Reload() override;
  void Drain() override;
  uint64_t connections() const override;                           // Any thread.
  void Collect(std::vector<prometheus::MetricFamily>& out) const;  // Any thread.

 private:
  explicit EmbeddedNode(const DescriptorShares& shares);
  void Take(relay::Fd fd, std::string behind, const IngressRequest& request);
  void Apply(const ConfigWatch::Snapshot& snapshot);
  void WarnOfExpiry();
  ConfigWatch::Snapshot snapshot() const;

  EventLoop loop_;
  std::unique_ptr<HttpsServer> https_;
  std::unique_ptr<FunnelManager> manager_;
  relay::Counter reloads_, reloads_failed_;  // Written by the loop's thread.
  Timer expiry_;
  std::unique_ptr<ConfigWatch> watch_;
  mutable std::mutex mutex_;  // Of snapshot_, which the loop's thread writes.
  ConfigWatch::Snapshot snapshot_;
  std::thread thread_;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_EMBEDDED_NODE_H_
