#include "ingress/node/funnel_figures.h"

#include <chrono>

#include "ingress/node/collector.h"
#include "relay/control/log.h"

namespace ingress {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;
using relay::metrics::Add;
using relay::metrics::AddValue;

constexpr double kDayS = 86'400;
constexpr double kWarnDays = 14;  // An ACME client renews at 30.

}  // namespace

void CollectFunnel(const FunnelManager::Stats& stats, Collector& out) {
  out.Gauge("funnel_node_connections", "Connections between the 101 and their end.", stats.active.Get());
  out.Gauge("funnel_node_handshaking", "Connections in their TLS handshake.", stats.handshaking.Get());
  out.Count("funnel_node_accepted_total", "Connections taken over from an ingress (101).", stats.accepted);
  out.Count("funnel_node_no_room_total", "Connections refused with 503: too many, in all or of their client.",
            stats.queue_full);
  out.CountEach("funnel_node_handshakes_total", "TLS handshakes by what became of them.", "result",
                {{"done", stats.handshakes},
                 {"failed", stats.handshake_failed},
                 {"timeout", stats.handshake_timeout},
                 {"wrong_name", stats.wrong_name},
                 {"no_certificate", stats.no_certificate},
                 {"acme", stats.acme}});
  out.Count("funnel_node_listener_full_total", "Connections that no listener had room for.", stats.finished_full);
  out.Count("funnel_node_backend_failed_total", "TCPForward backends that did not answer.", stats.backend_failed);
  out.CountEach("funnel_node_bytes_total", "Bytes of clients, decrypted.", "direction",
                {{"in", stats.bytes_in}, {"out", stats.bytes_out}});
}

void CollectCertificates(const Certificates& certificates, Collector& out) {
  MetricFamily& good =
      out.Family("funnel_node_certificate_good", "1: the name's handshakes may succeed.", MetricType::Gauge);
  for (const Certificates::Status& status : certificates.status()) {
    Add(good, {{"name", status.name}}, status.error.empty() ? 1U : 0U);
  }
  MetricFamily& days = out.Family("funnel_node_certificate_days_left", "Until a certificate ends.", MetricType::Gauge);
  for (const Certificates::Status& status : certificates.status()) {
    if (status.not_after) AddValue(days, {{"name", status.name}}, DaysLeft(*status.not_after));
  }
}

void CollectReloads(const relay::Counter& reloads, const relay::Counter& failed, Collector& out) {
  out.CountEach("funnel_node_config_reloads_total", "Serve configs read again.", "result",
                {{"ok", reloads}, {"failed", failed}});
}

void WarnOfExpiry(const Certificates& certificates) {
  for (const Certificates::Status& status : certificates.status()) {
    if (!status.not_after || DaysLeft(*status.not_after) > kWarnDays) continue;
    relay::Log(relay::LogLevel::kWarning, "a certificate ends soon",
               {{"name", status.name}, {"days_left", static_cast<int64_t>(DaysLeft(*status.not_after))}});
  }
}

double DaysLeft(int64_t not_after) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return (static_cast<double>(not_after) - std::chrono::duration<double>(now).count()) / kDayS;
}

}  // namespace ingress
