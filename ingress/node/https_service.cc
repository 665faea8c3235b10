#include "ingress/node/https_service.h"

#include <list>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "ingress/lingering_close.h"
#include "ingress/node/backend_dial.h"
#include "ingress/node/backend_responder.h"
#include "ingress/node/http1_server.h"
#include "ingress/node/http2_server.h"
#include "ingress/node/site_router.h"
#include "relay/control/prefix.h"

namespace ingress {
namespace {

constexpr std::string_view kTooMany =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 21\r\n"
    "Retry-After: 1\r\nConnection: close\r\n\r\ntoo many connections\n";

class Service final : public HttpsServer {
 public:
  Service(EventLoop& loop, HttpsOptions options)
      : loop_(loop),
        pool_(loop, MakeBackendDial(std::make_shared<LingeringCloser>(loop))),
        max_connections_(options.max_connections),
        max_per_source_(options.max_per_source),
        proxy_(std::move(options.proxy)),
        bury_(loop, [this] { over_.clear(); }) {
    stats_.files.most = options.max_files;
    if (proxy_) return;
    proxy_ = [this](HttpTransaction& transaction, const RequestHead& head, const Backend& backend) {
      return MakeBackendResponder(pool_, transaction, head, backend);
    };
  }

  void Serve(FunnelConnection connection, bool h2, std::shared_ptr<const ServeConfig> config) override {
    const relay::Prefix source = relay::Prefix::OfSource(connection.source);
    if (!HasRoom(source)) {
      if (!h2) connection.stream->Write(kTooMany);
      return;
    }
    ++per_source_[source];
    RequestRouter router = MakeSiteRouter(connection.source, connection.target, std::move(config), proxy_, stats_);
    const auto place = open_.emplace(open_.end());
    // Not destroyed here: this is called by what it would destroy.
    std::function<void()> closed = [this, place, source] {
      const auto of_source = per_source_.find(source);
      if (--of_source->second == 0) per_source_.erase(of_source);
      over_.splice(over_.end(), open_, place);
      stats_.connections.Set(open_.size());
      bury_.Schedule();
    };
    *place =
        h2 ? MakeHttp2Connection(loop_, std::move(connection.stream), std::move(router), stats_, std::move(closed))
           : MakeHttp1Connection(loop_, std::move(connection.stream), std::move(router), stats_, std::move(closed));
    stats_.connections.Set(open_.size());
    if (draining_) (*place)->Drain();
  }

  void Drain() override {
    draining_ = true;
    for (const auto& connection : open_) connection->Drain();
  }
  const HttpsStats& stats() const override { return stats_; }
  const BackendCounters& backends() const override { return pool_.counters(); }

 private:
  bool HasRoom(const relay::Prefix& source) {
    const auto of_source = per_source_.find(source);
    const bool is_full = open_.size() >= max_connections_;
    const bool is_crowded = of_source != per_source_.end() && of_source->second >= max_per_source_;
    if (is_full || is_crowded) (is_full ? stats_.refused_limit : stats_.refused_source).Add(1);
    return !is_full && !is_crowded;
  }

  EventLoop& loop_;
  HttpsStats stats_;
  BackendPool pool_;
  const size_t max_connections_, max_per_source_;
  BackendFactory proxy_;
  bool draining_ = false;
  absl::flat_hash_map<relay::Prefix, size_t> per_source_;  // Of those open.
  std::list<std::unique_ptr<HttpConnection>> open_, over_;
  Deferred bury_;
};

}  // namespace

std::unique_ptr<HttpsServer> MakeHttpsService(EventLoop& loop, HttpsOptions options) {
  return std::make_unique<Service>(loop, std::move(options));
}

}  // namespace ingress
