// What the control plane asks of a Funnel ingress: /v0/funnel/routes, SIGHUP and drain.
#ifndef RELAYD_RELAY_CONTROL_FUNNEL_SERVICE_H_
#define RELAYD_RELAY_CONTROL_FUNNEL_SERVICE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "disco/addr_port.h"
#include "relay/control/funnel_policy.h"

namespace relay {

// Control thread.
class FunnelService {
 public:
  struct NodeStatus {
    disco::AddrPort peerapi;
    bool healthy;  // On every port that it was tried for.
  };
  struct RouteStatus {
    FunnelRoute route;
    bool from_file;  // Else by the API.
    uint64_t connections;
    std::vector<NodeStatus> nodes;
  };
  enum class Change : uint8_t { kCreated, kReplaced, kDeleted, kUnknown, kOwnedByFile, kTooMany };

  virtual ~FunnelService() = default;
  virtual std::vector<RouteStatus> Routes() const = 0;  // By name.
  virtual Change Put(FunnelRoute route) = 0;            // kCreated, kReplaced, kOwnedByFile, kTooMany.
  // `close`: its connections end too. kDeleted, kUnknown, kOwnedByFile.
  virtual Change Delete(std::string_view name, bool close) = 0;
  // The policy file was read again: its routes and limits replace those of the last one. A name that the API had put
  // becomes the file's.
  virtual void SetPolicy(const FunnelPolicy& policy) = 0;
  virtual void ReopenAccessLog() = 0;        // SIGHUP.
  virtual void Drain() = 0;                  // Accepts nothing more; open connections go on.
  virtual uint64_t connections() const = 0;  // Open now.
};

}  // namespace relay

#endif  // RELAYD_RELAY_CONTROL_FUNNEL_SERVICE_H_
