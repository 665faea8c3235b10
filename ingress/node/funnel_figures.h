// What the Funnel manager counts, and how its certificates do, for Prometheus. Any thread.
#ifndef RELAYD_INGRESS_NODE_FUNNEL_FIGURES_H_
#define RELAYD_INGRESS_NODE_FUNNEL_FIGURES_H_

#include <cstdint>

#include "ingress/node/certificates.h"
#include "ingress/node/collector.h"
#include "ingress/node/funnel_manager.h"

namespace ingress {

void CollectFunnel(const FunnelManager::Stats& stats, Collector& out);
void CollectCertificates(const Certificates& certificates, Collector& out);

// Until a certificate ends; negative: it has.
double DaysLeft(int64_t not_after);

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_FUNNEL_FIGURES_H_
