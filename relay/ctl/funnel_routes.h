// GET /v0/funnel/routes: its answer, the route that serves a name, and what a terminal shows.
#ifndef RELAYD_RELAY_CTL_FUNNEL_ROUTES_H_
#define RELAYD_RELAY_CTL_FUNNEL_ROUTES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "relay/client/api_client.h"
#include "relay/control/funnel_service.h"

namespace relay::ctl {

using RouteStatus = FunnelService::RouteStatus;

// What a public client asks for.
struct FunnelTarget {
  std::string name;  // Canonical, and no wildcard.
  uint16_t port = 443;

  // `NAME` or `NAME:PORT`.
  static std::optional<FunnelTarget> Parse(std::string_view text);
  std::string ToString() const;
};

// Everything in it is well-formed, and so safe to print.
absl::StatusOr<std::vector<RouteStatus>> ParseFunnelRoutes(std::string_view json);
absl::StatusOr<std::vector<RouteStatus>> FetchFunnelRoutes(const client::ApiClient& api);

// As relayd finds it: an exact name, else a wildcard of one label. nullptr: none.
const RouteStatus* FindFunnelRoute(const std::vector<RouteStatus>& routes, std::string_view name);
bool ServesPort(const RouteStatus& route, uint16_t port);

std::string FunnelRoutesToJson(const std::vector<RouteStatus>& routes);  // As the API writes them.
std::string FunnelRouteTable(const std::vector<RouteStatus>& routes);    // A row for each node.
std::string DescribeRoute(const RouteStatus& route);                     // One line.

}  // namespace relay::ctl

#endif  // RELAYD_RELAY_CTL_FUNNEL_ROUTES_H_
