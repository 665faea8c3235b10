// What the HTTPS service counts, as metrics.
#ifndef RELAYD_INGRESS_NODE_HTTPS_FIGURES_H_
#define RELAYD_INGRESS_NODE_HTTPS_FIGURES_H_

#include <vector>

#include "ingress/node/backend_pool.h"
#include "ingress/node/https_stats.h"

namespace prometheus {
struct MetricFamily;
}

namespace ingress {

void CollectHttps(const HttpsStats& stats, const BackendCounters& backends,
                  std::vector<prometheus::MetricFamily>& out);  // Any thread.

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_HTTPS_FIGURES_H_
