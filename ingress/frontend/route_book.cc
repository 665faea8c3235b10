#include "ingress/frontend/route_book.h"

#include <set>
#include <utility>

namespace ingress {

RouteBook::RouteBook(Frontend& frontend) : frontend_(frontend) { Publish(); }

std::vector<RouteBook::RouteStatus> RouteBook::Routes() const {
  std::vector<RouteStatus> routes;
  routes.reserve(entries_.size());
  for (const auto& [name, entry] : entries_) {
    const Route& route = *entry.route;
    RouteStatus& status = routes.emplace_back(RouteStatus{
        .route = route.config(), .from_file = entry.from_file, .connections = route.connections(), .nodes = {}});
    for (size_t i = 0; i < route.config().peerapi.size(); ++i) {
      status.nodes.push_back({.peerapi = route.config().peerapi[i], .healthy = route.Healthy(static_cast<int>(i))});
    }
  }
  return routes;
}

RouteBook::Change RouteBook::Put(relay::FunnelRoute route) {
  const auto found = entries_.find(route.name);
  const bool is_new = found == entries_.end();
  if (!is_new && found->second.from_file) return Change::kOwnedByFile;
  if (is_new && api_routes_ >= kMaxApiRoutes) return Change::kTooMany;
  if (is_new) ++api_routes_;
  if (Set(std::move(route), false)) Publish();
  return is_new ? Change::kCreated : Change::kReplaced;
}

RouteBook::Change RouteBook::Delete(std::string_view name, bool close) {
  const auto found = entries_.find(name);
  if (found == entries_.end()) return Change::kUnknown;
  if (found->second.from_file) return Change::kOwnedByFile;
  const Entry entry = std::move(found->second);
  entries_.erase(found);
  --api_routes_;
  Publish();  // First: no connection comes after those that are closed.
  if (!close) return Change::kDeleted;
  frontend_.CloseRoute(entry.route);
  for (const std::weak_ptr<Route>& before : entry.before) {
    if (const std::shared_ptr<Route> route = before.lock()) frontend_.CloseRoute(route);
  }
  return Change::kDeleted;
}

void RouteBook::SetPolicy(const relay::FunnelPolicy& policy) {
  std::set<std::string_view> of_file;
  for (const relay::FunnelRoute& route : policy.routes) of_file.insert(route.name);
  bool changed = std::erase_if(entries_, [&](const auto& named) {
                   return named.second.from_file && !of_file.contains(named.first);
                 }) > 0;
  for (const relay::FunnelRoute& route : policy.routes) {
    const auto found = entries_.find(route.name);
    if (found != entries_.end() && !found->second.from_file) --api_routes_;
    changed = Set(route, true) || changed;
  }
  frontend_.SetLimits(policy);
  if (changed) Publish();
}

bool RouteBook::Set(relay::FunnelRoute config, bool from_file) {
  Entry& entry = entries_[config.name];
  entry.from_file = from_file;
  if (entry.route == nullptr) {
    entry.route = std::make_shared<Route>(std::move(config));
    return true;
  }
  if (entry.route->config() == config) return false;
  std::erase_if(entry.before, [](const std::weak_ptr<Route>& route) { return route.expired(); });
  entry.before.push_back(entry.route);
  entry.route = std::make_shared<Route>(std::move(config), *entry.route);
  return true;
}

void RouteBook::Publish() {
  std::vector<std::shared_ptr<Route>> routes;
  routes.reserve(entries_.size());
  for (const auto& [name, entry] : entries_) routes.push_back(entry.route);
  frontend_.SetRoutes(std::make_shared<const RouteTable>(std::move(routes)));
}

}  // namespace ingress
