// Which routes there are: those of the policy file and those that the API has put, made into tables for the frontend.
#ifndef RELAYD_INGRESS_FRONTEND_ROUTE_BOOK_H_
#define RELAYD_INGRESS_FRONTEND_ROUTE_BOOK_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ingress/frontend/frontend.h"
#include "ingress/frontend/route.h"
#include "relay/control/funnel_service.h"

namespace ingress {

// Control thread.
class RouteBook final : public relay::FunnelService {
 public:
  // Each change makes the whole table anew; this many take well under a millisecond.
  static constexpr size_t kMaxApiRoutes = 1000;

  // `frontend` outlives it, and gets an empty table at once.
  explicit RouteBook(Frontend& frontend);

  std::vector<RouteStatus> Routes() const override;
  Change Put(relay::FunnelRoute route) override;
  Change Delete(std::string_view name, bool close) override;
  void SetPolicy(const relay::FunnelPolicy& policy) override;
  void ReopenAccessLog() override { frontend_.ReopenAccessLog(); }
  void Drain() override { frontend_.Drain(); }
  uint64_t connections() const override { return frontend_.connections(); }

 private:
  struct Entry {
    std::shared_ptr<Route> route;
    bool from_file = false;
    std::vector<std::weak_ptr<Route>> before;  // Those it has replaced, which connections may hold.
  };

  // The route of that name is `config` from now on. False: it was just that already.
  bool Set(relay::FunnelRoute config, bool from_file);
  void Publish();

  Frontend& frontend_;
  std::map<std::string, Entry, std::less<>> entries_;  // By name.
  size_t api_routes_ = 0;                              // Of entries_, those not of the file.
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_FRONTEND_ROUTE_BOOK_H_
