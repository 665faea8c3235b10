// GET /metrics of a relayd.
#ifndef RELAYD_RELAY_CTL_METRICS_FETCH_H_
#define RELAYD_RELAY_CTL_METRICS_FETCH_H_

#include "absl/status/statusor.h"
#include "relay/client/api_client.h"
#include "relay/ctl/metrics_text.h"

namespace relay::ctl {

// Errors as ApiClient's; also kInternal where something else than relayd answers.
absl::StatusOr<Metrics> FetchMetrics(const client::ApiClient& api);

}  // namespace relay::ctl

#endif  // RELAYD_RELAY_CTL_METRICS_FETCH_H_
