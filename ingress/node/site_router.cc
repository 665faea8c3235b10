#include "ingress/node/site_router.h"

#include <optional>
#include <utility>
#include <variant>

#include "ingress/node/file_responder.h"
#include "ingress/node/forwarded_headers.h"
#include "ingress/node/plain_responder.h"
#include "ingress/node/request_path.h"
#include "relay/control/host_name.h"
#include "relay/control/text.h"

namespace ingress {
namespace {

namespace text = relay::text;

class SiteRouter {
 public:
  SiteRouter(const AddrPort& source, const HostPort& target, std::shared_ptr<const ServeConfig> config,
             BackendFactory proxy, HttpsStats& stats)
      : source_(source),
        target_(target),
        config_(std::move(config)),
        site_(config_->FindSite(target_)),
        proxy_(std::move(proxy)),
        stats_(stats) {}

  std::unique_ptr<HttpResponder> Route(HttpTransaction& transaction, RequestHead head) const {
    if (!IsAuthorityOf(head.authority, target_)) {
      stats_.misdirected.Add(1);
      return MakeErrorResponder(transaction, 421, "this name is not served here");
    }
    if (head.method == "TRACE" || head.method == "CONNECT") {
      return MakeErrorResponder(transaction, 405, "method not allowed", {{"Allow", "GET, HEAD, POST, PUT, DELETE"}});
    }
    MountedPath mounted;
    const int status = site_ == nullptr ? 404 : FindMount(*site_, head.target, mounted);
    if (status == 400) return MakeErrorResponder(transaction, 400, "malformed path");
    if (status != 0) return MakeErrorResponder(transaction, status, "not found");
    return std::visit([&](const auto& handler) { return Make(transaction, std::move(head), mounted, handler); },
                      *mounted.handler);
  }

 private:
  std::unique_ptr<HttpResponder> Make(HttpTransaction& transaction, RequestHead head, const MountedPath& mounted,
                                      const ProxyHandler& handler) const {
    head.target = text::Cat(handler.backend.path_prefix, mounted.path, mounted.query);
    SetForwarded(source_, head);
    return proxy_(transaction, std::move(head), handler.backend);
  }
  std::unique_ptr<HttpResponder> Make(HttpTransaction& transaction, const RequestHead&, const MountedPath&,
                                      const TextHandler& handler) const {
    return MakeTextResponder(transaction, handler.text);
  }
  // To the target as it was configured, wherever below the mount the request went.
  std::unique_ptr<HttpResponder> Make(HttpTransaction& transaction, const RequestHead&, const MountedPath&,
                                      const RedirectHandler& handler) const {
    return MakeRedirectResponder(transaction, handler.status, handler.target);
  }
  std::unique_ptr<HttpResponder> Make(HttpTransaction& transaction, const RequestHead& head, const MountedPath& mounted,
                                      const PathHandler& handler) const {
    return MakeFileResponder(transaction, head, handler.path, mounted.decoded, stats_.files);
  }

  AddrPort source_;
  HostPort target_;
  std::shared_ptr<const ServeConfig> config_;
  const WebSite* site_;
  BackendFactory proxy_;
  HttpsStats& stats_;
};

}  // namespace

bool IsAuthorityOf(std::string_view authority, const HostPort& target) {
  const size_t colon = authority.find(':');
  if (colon != authority.npos) {
    if (text::ParseNumber<uint16_t>(authority.substr(colon + 1)) != target.port) return false;
  }
  return relay::CanonicalHostName(authority.substr(0, colon)) == target.host;
}

RequestRouter MakeSiteRouter(const AddrPort& source, const HostPort& target, std::shared_ptr<const ServeConfig> config,
                             BackendFactory proxy, HttpsStats& stats) {
  auto router = std::make_shared<const SiteRouter>(source, target, std::move(config), std::move(proxy), stats);
  return [router = std::move(router)](HttpTransaction& transaction, RequestHead head) {
    return router->Route(transaction, std::move(head));
  };
}

}  // namespace ingress
