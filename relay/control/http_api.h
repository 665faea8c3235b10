// The control API: routes, who may call them, and what they answer. The one place that turns outcomes into HTTP.
#ifndef RELAYD_RELAY_CONTROL_HTTP_API_H_
#define RELAYD_RELAY_CONTROL_HTTP_API_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "relay/control/allocator.h"
#include "relay/control/funnel_service.h"
#include "relay/control/host_names.h"
#include "relay/control/http_message.h"
#include "relay/control/log.h"
#include "relay/control/policy.h"
#include "relay/control/session_list.h"
#include "relay/core/endpoint_table.h"

namespace relay {

// Control thread only.
class HttpApi final : public HttpHandler {
 public:
  // What it stands on; all outlive it. `post` runs a function later on the control thread, after what waits already.
  struct Parts {
    EndpointTable& table;
    Allocator& allocator;
    HostNames& host_names;
    uint16_t udp_port;
    std::function<void(std::function<void()>)> post;
    FunnelService* funnel = nullptr;  // Without it its routes are unknown paths.
    // POST /v0/ingress, whatever its method and body, when Host and capability are good. Without it: an unknown path.
    std::function<void(const HttpRequest&, std::shared_ptr<Exchange>)> ingress = {};
  };

  HttpApi(Parts parts, Policy policy)
      : parts_(std::move(parts)), policy_(std::make_shared<const Policy>(std::move(policy))) {}

  // Returns the old one: freeing a large policy takes longer than a task may.
  std::shared_ptr<const Policy> SetPolicy(std::shared_ptr<const Policy> policy) {
    return std::exchange(policy_, std::move(policy));
  }
  // What allocations advertise; none: not ready.
  void SetAddrPorts(std::vector<AddrPort> addr_ports) { addr_ports_ = std::move(addr_ports); }
  void SetDraining() { draining_ = true; }

  void Handle(const HttpRequest& request, std::shared_ptr<Exchange> exchange) override;

 private:
  struct Target;
  struct Methods;
  struct Route;
  struct Call;

  const Route* FindRoute(std::string_view path) const;
  static Target SplitTarget(std::string_view target);
  // 0: its Host is ours and no browser sent it. Else the status to refuse it with.
  int CheckOrigin(const HttpRequest& request, const Target& target) const;
  Grant FindGrant(const HttpRequest& request) const;
  void Refuse(const Call& call, int status, std::string_view line, std::string_view allow = {});

  void Healthz(const Call& call);
  void Readyz(const Call& call);
  void Allocate(const Call& call);
  void Sessions(const Call& call);
  void SendSessions(std::shared_ptr<SessionList> list, std::shared_ptr<Exchange> exchange);
  void Ingress(const Call& call);
  // http_funnel.cc.
  void FunnelRoutes(const Call& call);
  void PutFunnelRoute(const Call& call);
  void DeleteFunnelRoute(const Call& call);
  // Of a list whose beginning is `json`, what stands behind the route `after`.
  void SendFunnelRoutes(std::string json, const std::string& after, std::shared_ptr<Exchange> exchange);
  std::string_view WhyNotReady() const;  // Empty: ready.

  Parts parts_;
  std::shared_ptr<const Policy> policy_;
  std::vector<AddrPort> addr_ports_;
  bool draining_ = false;
  LogLimiter log_limiter_;
};

}  // namespace relay

#endif  // RELAYD_RELAY_CONTROL_HTTP_API_H_
