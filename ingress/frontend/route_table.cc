#include "ingress/frontend/route_table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/string_view.h"

namespace ingress {
namespace {

constexpr uint16_t kHttpPort = 80;  // Is not served, whoever says it: Funnel is TLS alone.

}  // namespace

RouteTable::RouteTable(std::vector<std::shared_ptr<Route>> routes) : routes_(std::move(routes)) {
  const auto by_name = [](const auto& a, const auto& b) { return a->config().name < b->config().name; };
  std::sort(routes_.begin(), routes_.end(), by_name);
  by_name_.reserve(routes_.size());
  for (const std::shared_ptr<Route>& route : routes_) by_name_.emplace(route->config().name, route);
}

std::shared_ptr<Route> RouteTable::Find(std::string_view name, uint16_t port) const {
  if (port == 0 || port == kHttpPort) return nullptr;
  auto found = by_name_.find(absl::string_view(name.data(), name.size()));
  if (found == by_name_.end()) found = by_name_.find(relay::WildcardOf(name));
  if (found == by_name_.end()) return nullptr;
  const std::vector<uint16_t>& ports = found->second->config().ports;
  const bool served = ports.empty() || std::find(ports.begin(), ports.end(), port) != ports.end();
  return served ? found->second : nullptr;
}

}  // namespace ingress
