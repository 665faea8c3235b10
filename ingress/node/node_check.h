// `funnel-node --check` and `funnel-node status`: what a config would do, without doing it.
#ifndef RELAYD_INGRESS_NODE_NODE_CHECK_H_
#define RELAYD_INGRESS_NODE_NODE_CHECK_H_

#include <string>

#include "ingress/node/funnel_node_flags.h"

namespace ingress {

struct NodeReport {
  std::string out, err;  // For stdout and stderr.
  int status = 0;        // Of the process: 0 good, 1 something is wrong, 2 the config is refused.
};

NodeReport CheckNode(const NodeOptions& options);
NodeReport ShowStatus(const NodeOptions& options);

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_NODE_CHECK_H_
