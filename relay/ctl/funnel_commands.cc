#include "relay/ctl/funnel_commands.h"

#include <boost/json.hpp>
#include <cstdio>
#include <optional>

#include "absl/strings/str_cat.h"
#include "relay/client/program.h"
#include "relay/ctl/funnel_check.h"
#include "relay/ctl/funnel_routes.h"

namespace relay::ctl {
namespace {

using client::ApiClient;
using client::Fail;
using client::kExitFailed;
using client::kExitOk;
using client::kExitUsage;

}  // namespace

int FunnelRoutes(const ApiClient& api, bool as_json) {
  const absl::StatusOr<std::vector<RouteStatus>> routes = FetchFunnelRoutes(api);
  if (!routes.ok()) return Fail(routes.status());
  std::printf("%s", as_json ? FunnelRoutesToJson(*routes).c_str() : FunnelRouteTable(*routes).c_str());
  return kExitOk;
}

int FunnelCheck(const ApiClient& api, std::string_view target, const std::string& ca_file) {
  const std::optional<FunnelTarget> wanted = FunnelTarget::Parse(target);
  if (!wanted) return Fail(kExitUsage, absl::StrCat("\"", std::string(target), "\" is not NAME or NAME:PORT"));
  const std::string text = wanted->ToString();
  const absl::StatusOr<std::vector<RouteStatus>> routes = FetchFunnelRoutes(api);
  if (!routes.ok()) return Fail(routes.status());
  const RouteStatus* const route = FindFunnelRoute(*routes, wanted->name);
  if (route == nullptr) return Fail(kExitFailed, absl::StrCat("no route has the name ", wanted->name));
  std::printf("route      %s\n", DescribeRoute(*route).c_str());
  if (!ServesPort(*route, wanted->port)) {
    return Fail(kExitFailed, absl::StrCat("route ", route->route.name, " does not serve port ", wanted->port));
  }
  int good = 0;
  for (const FunnelService::NodeStatus& node : route->nodes) {
    const NodeReport report = CheckNode({.node = node.peerapi, .target = *wanted, .ca_file = ca_file});
    std::printf("%s", FormatNodeReport(report, node.healthy).c_str());
    std::fflush(stdout);  // The next one may take its time.
    if (report.Fault().empty()) ++good;
  }
  if (good == 0) return Fail(kExitFailed, absl::StrCat("no node serves ", text));
  std::printf("result     %d of %d nodes serve %s\n", good, static_cast<int>(route->nodes.size()), text.c_str());
  return kExitOk;
}

int FunnelClose(const ApiClient& api, std::string_view name) {
  const std::optional<std::string> canonical = CanonicalRouteName(name);
  if (!canonical) return Fail(kExitUsage, absl::StrCat("\"", std::string(name), "\" is not a route's name"));
  const auto response = api.Delete(absl::StrCat("/v0/funnel/routes?name=", *canonical, "&close=1"));
  if (!response.ok()) return Fail(response.status());
  if (response->status != 204) return Fail(kExitFailed, client::DescribeRefusal(*response));
  std::printf("route %s is gone, and its connections end\n", canonical->c_str());
  return kExitOk;
}

}  // namespace relay::ctl
