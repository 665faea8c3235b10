// What the Funnel manager counts, and how its certificates do, for Prometheus. Any thread.
#ifndef RELAYD_INGRESS_NODE_FUNNEL_FIGURES_H_
#define RELAYD_INGRESS_NODE_FUNNEL_FIGURES_H_

#include <chrono>
#include <cstdint>

#include "ingress/node/certificates.h"
#include "ingress/node/collector.h"
#include "ingress/node/funnel_manager.h"

namespace ingress {

void CollectFunnel(const FunnelManager::Stats& stats, Collector& out);
void CollectCertificates(const Certificates& certificates, Collector& out);

void CollectReloads(const relay::Counter& reloads, const relay::Counter& failed, Collector& out);

// A line in the log for each that ends soon: when they are read, and then once a day (kExpiryLook).
void WarnOfExpiry(const Certificates& certificates);
inline constexpr Duration kExpiryLook = std::chrono::hours(24);

// Until a certificate ends; negative: it has.
double DaysLeft(int64_t not_after);

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_FUNNEL_FIGURES_H_
