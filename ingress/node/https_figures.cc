#include "ingress/node/https_figures.h"

#include "ingress/node/collector.h"

namespace ingress {

void CollectHttps(const HttpsStats& stats, const BackendCounters& backends,
                  std::vector<prometheus::MetricFamily>& out) {
  Collector collect(out);
  collect.Gauge("funnel_node_http_connections", "HTTPS connections.", stats.connections.Get());
  collect.Gauge("funnel_node_http_open_files", "Files that are being sent.", stats.files.now.Get());
  collect.Count("funnel_node_http_requests_total", "HTTP requests.", stats.requests);
  collect.Count("funnel_node_http_upgrades_total", "WebSockets begun.", stats.upgrades);
  collect.CountEach("funnel_node_http_responses_total", "Final HTTP responses.", "class",
                    {{"1xx", stats.responses[1]},
                     {"2xx", stats.responses[2]},
                     {"3xx", stats.responses[3]},
                     {"4xx", stats.responses[4]},
                     {"5xx", stats.responses[5]}});
  collect.CountEach("funnel_node_http_refused_total", "Requests and connections refused or cut short.", "reason",
                    {{"limit", stats.refused_limit},
                     {"source_limit", stats.refused_source},
                     {"files", stats.files.refused},
                     {"smuggling", stats.refused_smuggling},
                     {"malformed", stats.refused_malformed},
                     {"misdirected", stats.misdirected},
                     {"head_timeout", stats.head_timeout},
                     {"body_timeout", stats.body_timeout},
                     {"send_timeout", stats.send_timeout},
                     {"aborted", stats.aborted},
                     {"h2_error", stats.h2_errors},
                     {"flood", stats.floods}});
  collect.CountEach("funnel_node_http_backend_total", "What happened to requests at their backends.", "event",
                    {{"request", backends.requests},
                     {"connect", backends.connects},
                     {"reused", backends.reused},
                     {"retried", backends.retried},
                     {"failed", backends.failed},
                     {"timed_out", backends.timed_out},
                     {"bad_response", backends.bad_responses},
                     {"too_many", backends.too_many},
                     {"cut_off", backends.cut_off},
                     {"client_gone", backends.client_gone},
                     {"tunnel", backends.tunnels}});
}

}  // namespace ingress
