// Which route serves a name and port: an immutable snapshot that frontend threads share, made anew by every change.
#ifndef RELAYD_INGRESS_FRONTEND_ROUTE_TABLE_H_
#define RELAYD_INGRESS_FRONTEND_ROUTE_TABLE_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "ingress/frontend/route.h"

namespace ingress {

class RouteTable {
 public:
  explicit RouteTable(std::vector<std::shared_ptr<Route>> routes);  // No name twice.

  // `name` is canonical. Exact beats wildcard (one label); a route that does not serve the port is not found, and then
  // the wildcard is not asked either. Nobody serves ports 0 and 80. nullptr: unknown name.
  std::shared_ptr<Route> Find(std::string_view name, uint16_t port) const;
  const std::vector<std::shared_ptr<Route>>& routes() const { return routes_; }  // By name.

 private:
  std::vector<std::shared_ptr<Route>> routes_;
  absl::flat_hash_map<std::string, std::shared_ptr<Route>> by_name_;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_FRONTEND_ROUTE_TABLE_H_
