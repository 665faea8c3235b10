// For tests: a FunnelService without a frontend, an IngressService without a node.
#ifndef RELAYD_RELAY_CONTROL_FUNNEL_FIXTURE_H_
#define RELAYD_RELAY_CONTROL_FUNNEL_FIXTURE_H_

#include <atomic>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "relay/control/funnel_service.h"
#include "relay/control/ingress_service.h"

namespace relay {

// Its first node is healthy and has all connections. Called by the control thread; the atomics may be read by any.
class FakeFunnel final : public FunnelService {
 public:
  std::vector<RouteStatus> Routes(std::string_view after, size_t limit) const override {
    std::vector<RouteStatus> all;
    for (auto at = routes.upper_bound(after); at != routes.end() && all.size() < limit; ++at) {
      const auto& entry = at->second;
      RouteStatus& status = all.emplace_back(
          RouteStatus{.route = entry.first, .from_file = entry.second, .connections = open, .nodes = {}});
      for (const disco::AddrPort& node : entry.first.peerapi) status.nodes.push_back({node, status.nodes.empty()});
    }
    return all;
  }
  Change Put(FunnelRoute route) override {
    const auto found = routes.find(route.name);
    if (found != routes.end() && found->second.second) return Change::kOwnedByFile;
    if (found == routes.end() && routes.size() >= most) return Change::kTooMany;
    const std::string name = route.name;
    return routes.insert_or_assign(name, std::pair(std::move(route), false)).second ? Change::kCreated
                                                                                    : Change::kReplaced;
  }
  Change Delete(std::string_view name, bool close) override {
    const auto found = routes.find(name);
    if (found == routes.end()) return Change::kUnknown;
    if (found->second.second) return Change::kOwnedByFile;
    routes.erase(found);
    (close ? deleted_and_closed : deleted) += std::string(name) + ' ';
    return Change::kDeleted;
  }
  void SetPolicy(const FunnelPolicy& policy) override {
    for (const FunnelRoute& route : policy.routes) routes.insert_or_assign(route.name, std::pair(route, true));
    file_routes = policy.routes.size();
    max_connections = policy.max_connections;
  }
  void ReopenAccessLog() override { ++reopened; }
  void Drain() override { draining = true; }
  uint64_t connections() const override { return open; }

  std::map<std::string, std::pair<FunnelRoute, bool>, std::less<>> routes;  // And whether it is the file's.
  std::string deleted, deleted_and_closed;
  size_t most = 1000;
  std::atomic<size_t> file_routes{99};
  std::atomic<uint64_t> max_connections{0}, open{0};
  std::atomic<int> reopened{0};
  std::atomic<bool> draining{false};
};

// An IngressService that nobody is brought to.
class FakeIngress final : public IngressService {
 public:
  void Handle(const HttpRequest&, const std::shared_ptr<Exchange>&) override {}
  void Reload() override { ++reloads; }
  void Drain() override { draining = true; }
  uint64_t connections() const override { return open; }

  std::atomic<int> reloads{0};
  std::atomic<bool> draining{false};
  std::atomic<uint64_t> open{0};
};

}  // namespace relay

#endif  // RELAYD_RELAY_CONTROL_FUNNEL_FIXTURE_H_
