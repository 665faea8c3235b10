#include "ingress/node/node_figures.h"

#include <prometheus/text_serializer.h>

#include <boost/json.hpp>
#include <cmath>
#include <sstream>
#include <string_view>

#include "ingress/node/collector.h"
#include "ingress/node/funnel_figures.h"

namespace ingress {
namespace {

namespace json = boost::json;
using prometheus::MetricFamily;
using prometheus::MetricType;
using relay::metrics::Add;

void CollectPeerApi(const PeerApiServer::Stats& stats, Collector& out) {
  out.Gauge("funnel_node_peerapi_connections", "peerAPI connections that have not asked yet.", stats.connections.Get());
  out.Count("funnel_node_peerapi_accepted_total", "peerAPI connections.", stats.accepted);
  out.CountEach("funnel_node_peerapi_closed_total", "peerAPI connections closed without an answer.", "reason",
                {{"limit", stats.refused_limit}, {"source_limit", stats.refused_source}, {"timeout", stats.timed_out}});
  out.Count("funnel_node_accept_failed_total", "Pauses because no connection could be accepted.", stats.accept_failed);
  MetricFamily& refused = out.Family("funnel_node_refused_total", "peerAPI refusals by status.", MetricType::Counter);
  for (size_t i = 0; i < stats.kStatuses.size(); ++i) {
    Add(refused, {{"status", std::to_string(stats.kStatuses[i])}}, stats.refused[i].Get());
  }
}

json::array CertificatesJson(const Certificates& certificates) {
  json::array list;
  for (const Certificates::Status& status : certificates.status()) {
    json::object one = {{"Name", status.name}};
    if (!status.error.empty()) one["Error"] = status.error;
    if (!status.warning.empty()) one["Warning"] = status.warning;
    if (status.not_after) one["DaysLeft"] = static_cast<int64_t>(std::floor(DaysLeft(*status.not_after)));
    list.push_back(std::move(one));
  }
  return list;
}

}  // namespace

void NodeFigures::Set(std::shared_ptr<const ServeConfig> config, std::shared_ptr<const Certificates> certificates) {
  Snapshot snapshot{std::move(config), std::move(certificates)};
  const std::lock_guard lock(mutex_);
  snapshot_.swap(snapshot);
}

NodeFigures::Snapshot NodeFigures::snapshot() const {
  const std::lock_guard lock(mutex_);
  return snapshot_;
}

std::string NodeFigures::MetricsText() const {
  std::vector<MetricFamily> families;
  Collector out(families);
  CollectFunnel(funnel_, out);
  CollectPeerApi(peerapi_, out);
  CollectReloads(reloads, reloads_failed, out);
  if (const Snapshot now = snapshot(); now.second != nullptr) CollectCertificates(*now.second, out);
  if (more_) more_(families);
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, families);
  return text.str();
}

std::string NodeFigures::StatusJson() const {
  const Snapshot now = snapshot();
  if (now.first == nullptr) return "{}\n";
  json::array listen;
  for (const AddrPort& addr : now.first->listen) listen.emplace_back(addr.ToString());
  const json::object status = {
      {"Ready", ready.load()},
      {"Listen", std::move(listen)},
      {"Config", json::parse(FormatStatusJson(*now.first))},
      {"Certificates", CertificatesJson(*now.second)},
      {"Connections", funnel_.active.Get()},
      {"Accepted", funnel_.accepted.Get()},
      {"Handshakes", funnel_.handshakes.Get()},
      {"ConfigReloads", reloads.Get()},
      {"ConfigReloadsFailed", reloads_failed.Get()},
  };
  return json::serialize(status) + '\n';
}

}  // namespace ingress
