// What the API's server counts.
#ifndef RELAYD_RELAY_CONTROL_HTTP_STATS_H_
#define RELAYD_RELAY_CONTROL_HTTP_STATS_H_

#include <algorithm>
#include <array>

#include "relay/core/counters.h"

namespace relay {

// Written by the server's thread; read by any.
struct HttpStats {
  static constexpr std::array<int, 11> kStatuses = {200, 201, 204, 400, 403, 404, 405, 409, 413, 431, 503};

  Counter connections;  // Open now.
  Counter accepted;
  Counter refused_limit;   // kMaxConnections are open.
  Counter refused_source;  // kMaxConnectionsPerSource of its prefix are open.
  Counter tls_failed;
  Counter timed_out;                                // Closed in the middle of a request.
  std::array<Counter, kStatuses.size()> responses;  // By status.

  void CountResponse(int status) {
    const auto* const found = std::find(kStatuses.begin(), kStatuses.end(), status);
    if (found != kStatuses.end()) responses[static_cast<size_t>(found - kStatuses.begin())].Add(1);
  }
};

}  // namespace relay

#endif  // RELAYD_RELAY_CONTROL_HTTP_STATS_H_
