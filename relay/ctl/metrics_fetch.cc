#include "relay/ctl/metrics_fetch.h"

#include "absl/strings/str_cat.h"

namespace relay::ctl {

absl::StatusOr<Metrics> FetchMetrics(const client::ApiClient& api) {
  const auto response = api.Get("/metrics");
  if (!response.ok()) return response.status();
  if (response->status != 200) return absl::FailedPreconditionError(client::DescribeRefusal(*response));
  Metrics metrics = Metrics::Parse(response->body);
  if (metrics.Named("relayd_dropped_packets_total").empty()) {
    return absl::InternalError(absl::StrCat(api.url(), " has no metrics of a relayd"));
  }
  return metrics;
}

}  // namespace relay::ctl
