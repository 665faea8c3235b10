// What HTTPS on a node counts.
#ifndef RELAYD_INGRESS_NODE_HTTPS_STATS_H_
#define RELAYD_INGRESS_NODE_HTTPS_STATS_H_

#include <array>
#include <cstddef>

#include "relay/core/counters.h"

namespace ingress {

// Files that Path handlers have open. Each stream of h2 may ask for one and take nothing of it: without a bound, a few
// clients would have all descriptors, and a buffer for each.
struct OpenFiles {
  static constexpr size_t kMost = 1024;

  size_t most = kMost;
  relay::Counter now;
  relay::Counter refused;
};

// Written by the loop's thread; read by any.
struct HttpsStats {
  relay::Counter connections;     // Open now.
  relay::Counter refused_limit;   // HttpsServer::kMaxConnections are open.
  relay::Counter refused_source;  // kMaxPerSource of the client's.
  relay::Counter requests;        // Heads that were read whole and are HTTP.
  relay::Counter upgrades;        // To WebSocket.
  // Final heads sent, by hundreds: [2] is 2xx. [1]: 101.
  std::array<relay::Counter, 6> responses;
  relay::Counter refused_smuggling;  // Requests that some other reader of the same bytes might frame otherwise.
  relay::Counter refused_malformed;  // Other requests that are none, or are too large.
  relay::Counter misdirected;        // 421.
  // A head did not come in time; a body or the client's reading stalled. Idle connections are closed uncounted.
  relay::Counter head_timeout, body_timeout, send_timeout;
  relay::Counter aborted;    // Answers cut short, by either side.
  relay::Counter h2_errors;  // h2 connections that broke the protocol.
  relay::Counter floods;     // h2 connections closed for resets and the like.
  OpenFiles files;

  void CountResponse(int status) {
    const auto hundreds = static_cast<size_t>(status / 100);
    if (hundreds < responses.size()) responses[hundreds].Add(1);
  }
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_HTTPS_STATS_H_
