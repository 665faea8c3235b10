// The node's peerAPI: an HTTP/1.1 server of one route, POST /v0/ingress. What passes goes to the Funnel manager with
// its connection; everything else gets one answer, and the connection closes.
#ifndef RELAYD_INGRESS_NODE_PEERAPI_SERVER_H_
#define RELAYD_INGRESS_NODE_PEERAPI_SERVER_H_

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "ingress/event_loop.h"
#include "ingress/node/funnel_manager.h"
#include "ingress/node/serve_config.h"
#include "relay/core/counters.h"

namespace ingress {

// On the loop's thread; loop and manager outlive it.
class PeerApiServer {
 public:
  struct Options {                                    // Tests shorten the times.
    Duration request_time = std::chrono::seconds(5);  // From a request's first byte to its last.
    Duration idle_time = std::chrono::seconds(60);    // Before the first byte.
    size_t max_connections = 1024;                    // Whose request is still to come.
    // Of a /32 or /64 without the ingress capability. One with it is a frontend, whose clients are many: the limits
    // per client are the manager's. All of the others have half of max_connections: however many of an overlay's nodes
    // go wrong, frontends get in.
    size_t max_per_source = 64;
  };

  struct Stats {  // Written by the loop's thread; read by any.
    static constexpr std::array<int, 6> kStatuses = {400, 403, 404, 405, 431, 503};

    relay::Counter connections;  // Now, before they have asked.
    relay::Counter accepted;
    relay::Counter refused_limit;   // max_connections.
    relay::Counter refused_source;  // max_per_source, or all of those without the capability.
    relay::Counter accept_failed;   // No descriptors, say.
    relay::Counter timed_out;       // Closed within a request.
    std::array<relay::Counter, kStatuses.size()> refused;

    void CountRefusal(int status) {
      const auto* const found = std::find(kStatuses.begin(), kStatuses.end(), status);
      if (found != kStatuses.end()) refused[static_cast<size_t>(found - kStatuses.begin())].Add(1);
    }
  };

  static std::unique_ptr<PeerApiServer> Make(EventLoop& loop, FunnelManager& manager, const Options& options);
  virtual ~PeerApiServer() = default;

  // Binds what is new in `listen` and closes what is gone; open connections live. An error names an address, and
  // nothing has changed.
  virtual absl::Status SetConfig(std::shared_ptr<const ServeConfig> config) = 0;
  virtual std::vector<AddrPort> local() const = 0;  // In the order of the addresses that were asked for.
  virtual void StopListening() = 0;                 // Open connections live.
  virtual const Stats& stats() const = 0;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_PEERAPI_SERVER_H_
