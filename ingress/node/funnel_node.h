// A node that runs: its parts on one loop, signals, reloads, the drain.
#ifndef RELAYD_INGRESS_NODE_FUNNEL_NODE_H_
#define RELAYD_INGRESS_NODE_FUNNEL_NODE_H_

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "ingress/event_loop.h"
#include "ingress/node/config_watch.h"
#include "ingress/node/descriptor_shares.h"
#include "ingress/node/funnel_manager.h"
#include "ingress/node/funnel_node_flags.h"
#include "ingress/node/node_figures.h"

namespace ingress {

// What main brings along: the HTTPS service, and what belongs to it.
struct NodeParts {
  EventLoop& loop;
  HttpsService& https;
  NodeFigures::More more_metrics = {};
  std::function<void()> drain_https = {};  // No requests after those under way.
  DescriptorShares descriptors = DescriptorShares::Of(RaiseDescriptorLimit());
};

// Signals that RunNode answers. Blocked before any thread starts.
void BlockNodeSignals();

// Serves until SIGTERM, SIGINT or the end of a drain (SIGUSR1); the caller's thread is the loop's. An error is one
// line: InvalidArgument or NotFound if the config is wrong.
absl::Status RunNode(const NodeOptions& options, const NodeParts& parts);

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_FUNNEL_NODE_H_
