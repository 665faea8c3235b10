#include "ingress/node/funnel_manager.h"

#include <sys/socket.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "ingress/node/counted_stream.h"
#include "ingress/node/funnel_forward.h"
#include "ingress/node/funnel_handshake.h"
#include "ingress/node/funnel_listeners.h"
#include "ingress/proxy_protocol.h"
#include "ingress/tcp_socket.h"
#include "ingress/tcp_stream.h"
#include "ingress/tls_stream.h"
#include "relay/control/prefix.h"
#include "relay/control/text.h"

namespace ingress {
namespace {

using relay::Prefix;
using relay::text::Cat;
using Outcome = FunnelHandshake::Outcome;

constexpr std::string_view kSwitching = "HTTP/1.1 101 Switching Protocols\r\n\r\n";

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

// A forward that leaves TLS as it is: there is no handshake here.
bool IsRaw(const TcpPort* port) { return port != nullptr && !port->https && port->terminate_tls.empty(); }

// The backend is told who the client is, and as its own end where the ingress reached us, with the port that the client
// hit: the public address is the ingress's and not known here.
std::string ProxyHeaderOf(const TcpPort& port, const AddrPort& source, const AddrPort& local) {
  if (port.proxy_protocol == 1) return WriteProxyV1(source, local);
  if (port.proxy_protocol == 2) return WriteProxyV2(source, local);
  return {};
}

size_t MaxPerSource(const FunnelManager::Options& options) {
  if (options.max_active_per_source != 0) return options.max_active_per_source;
  return std::max(options.max_active / 2, FunnelManager::kMaxHandshakesPerSource);
}

class Manager : public FunnelManager {
 public:
  Manager(EventLoop& loop, HttpsService& https, const Options& options)
      : loop_(loop),
        https_(https),
        options_(options),
        max_per_source_(MaxPerSource(options)),
        closer_(std::make_shared<LingeringCloser>(loop)),
        without_certificate_(SSL_CTX_new(TLS_server_method())),
        forwards_(loop, options, stats_),
        queue_(loop) {}

  void SetConfig(std::shared_ptr<const ServeConfig> config) override { config_ = std::move(config); }
  void SetCertificates(std::shared_ptr<const Certificates> certificates) override {
    certificates_ = std::move(certificates);
  }

  bool AnythingInstalled() const override { return !listeners_.empty() || !config_->serves_nothing(); }
  bool IsAllowed(const HostPort& target) const override {
    return listeners_.Find(target) != nullptr || config_->IsAllowed(target);
  }
  bool Serves(const HostPort& target) const override {
    return listeners_.Find(target) != nullptr || config_->Serves(target);
  }

  bool HasRoom(const IngressRequest& request) override;
  void Take(relay::Fd fd, std::string behind, const IngressRequest& request) override;
  absl::StatusOr<std::unique_ptr<FunnelListener>> Listen(const HostPort& target, std::function<void()> ready) override;
  const Stats& stats() const override { return *stats_; }
  size_t lingering() const override { return closer_->size(); }

 private:
  // A connection in its handshake, and what it is for.
  struct Pending {
    IngressRequest request;
    std::shared_ptr<const ServeConfig> config;
    std::weak_ptr<FunnelListeners::Waiting> listener;
    bool for_listener = false;
    AddrPort local;  // Where the ingress reached us, with the target's port; for a PROXY header.
    ActiveCount active;
    Prefix source;
    std::unique_ptr<FunnelHandshake> handshake = nullptr;
  };

  // What serve config has for a target's port; nullptr: a listener has it.
  const TcpPort* FindPort(const HostPort& target) const;
  bool IsCrowded(const IngressRequest& request) const;
  void BeginHandshake(relay::Fd fd, std::string behind, std::unique_ptr<Pending> pending);
  void OnHandshake(Pending* pending, Outcome outcome);
  void Count(Outcome outcome);
  void Forget(Pending& pending);
  void Serve(Pending& pending, std::unique_ptr<TlsStream> tls);
  void PassToAcme(Pending& pending, TlsStream& tls);

  EventLoop& loop_;
  HttpsService& https_;
  const Options options_;
  const std::shared_ptr<Stats> stats_ = std::make_shared<Stats>();
  const std::shared_ptr<ActiveSources> active_sources_ = std::make_shared<ActiveSources>();
  const size_t max_per_source_;
  const std::shared_ptr<LingeringCloser> closer_;
  const std::unique_ptr<SSL_CTX, FreeContext> without_certificate_;
  std::shared_ptr<const ServeConfig> config_ = std::make_shared<ServeConfig>();
  std::shared_ptr<const Certificates> certificates_ = std::make_shared<Certificates>();
  FunnelListeners listeners_;
  FunnelForwards forwards_;
  FunnelHandshake::Queue queue_;
  absl::flat_hash_set<std::unique_ptr<Pending>> pending_;
  absl::flat_hash_map<Prefix, size_t> pending_per_source_;
};

const TcpPort* Manager::FindPort(const HostPort& target) const {
  if (listeners_.Find(target) != nullptr) return nullptr;
  const auto found = config_->tcp.find(target.port);
  return found == config_->tcp.end() ? nullptr : &found->second;
}

bool Manager::IsCrowded(const IngressRequest& request) const {
  const Prefix source = Prefix::OfSource(request.source);
  if (stats_->active.Get() >= options_.max_active || active_sources_->Of(source) >= max_per_source_) return true;
  if (IsRaw(FindPort(request.target))) return false;
  if (pending_.size() >= kMaxHandshakes) return true;
  const auto of_source = pending_per_source_.find(source);
  if (of_source != pending_per_source_.end() && of_source->second >= kMaxHandshakesPerSource) return true;
  const auto listener = listeners_.Find(request.target);
  return listener != nullptr && listener->finished.size() + listener->handshaking >= kMaxFinished;
}

bool Manager::HasRoom(const IngressRequest& request) {
  const bool crowded = IsCrowded(request);
  if (crowded) stats_->queue_full.Add(1);
  return !crowded;
}

void Manager::Take(relay::Fd fd, std::string behind, const IngressRequest& request) {
  const TcpPort* const port = FindPort(request.target);
  const std::shared_ptr<FunnelListeners::Waiting> listener = listeners_.Find(request.target);
  if (listener == nullptr && port == nullptr) return;  // CheckIngress has let nothing of that kind pass.
  // So little always has room, unless somebody has written to it before.
  if (send(fd.get(), kSwitching.data(), kSwitching.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(kSwitching.size())) {
    return;
  }
  stats_->accepted.Add(1);
  AddrPort local;
  if (port != nullptr && port->proxy_protocol != 0) {
    local = LocalAddr(fd.get());
    local.port = request.target.port;
  }
  ActiveCount active(stats_, active_sources_, Prefix::OfSource(request.source));
  if (!IsRaw(port)) {
    return BeginHandshake(std::move(fd), std::move(behind),
                          std::make_unique<Pending>(Pending{.request = request,
                                                            .config = config_,
                                                            .listener = listener,
                                                            .for_listener = listener != nullptr,
                                                            .local = local,
                                                            .active = std::move(active),
                                                            .source = Prefix::OfSource(request.source)}));
  }
  std::unique_ptr<Stream> client = TcpStream::Make(loop_, std::move(fd), std::move(behind));
  if (client == nullptr) return;
  forwards_.Start(std::make_unique<CountedStream>(std::move(client), std::move(active)), port->forward->addr,
                  ProxyHeaderOf(*port, request.source, local));
}

void Manager::BeginHandshake(relay::Fd fd, std::string behind, std::unique_ptr<Pending> pending) {
  SSL_CTX* const context = certificates_->Find(pending->request.target.host);
  TlsStream::Ssl ssl(SSL_new(context != nullptr ? context : without_certificate_.get()));
  if (ssl == nullptr) return;
  SSL_set_accept_state(ssl.get());
  std::unique_ptr<TlsStream> stream = TlsStream::Make(loop_, std::move(fd), std::move(behind), std::move(ssl), closer_);
  if (stream == nullptr) return;
  const TcpPort* const port = FindPort(pending->request.target);
  Pending* const key = pending.get();
  HelloRules rules{.name = key->request.target.host,
                   .http = port != nullptr && port->https,
                   .has_certificate = context != nullptr,
                   .acme = key->config->acme_tls.has_value()};
  key->handshake =
      std::make_unique<FunnelHandshake>(loop_, queue_, std::move(stream), std::move(rules), options_.handshake_timeout,
                                        [this, key](FunnelHandshake&, Outcome outcome) { OnHandshake(key, outcome); });
  if (const auto listener = key->listener.lock(); listener != nullptr) ++listener->handshaking;
  ++pending_per_source_[key->source];
  pending_.insert(std::move(pending));
  stats_->handshaking.Set(pending_.size());
}

void Manager::OnHandshake(Pending* pending, Outcome outcome) {
  const std::unique_ptr<Pending> ended = std::move(pending_.extract(pending_.find(pending)).value());
  Forget(*ended);
  Count(outcome);
  if (outcome == Outcome::kDone) Serve(*ended, ended->handshake->TakeStream());
  if (outcome == Outcome::kAcme) PassToAcme(*ended, ended->handshake->stream());
}

void Manager::Forget(Pending& pending) {
  if (const auto listener = pending.listener.lock(); listener != nullptr) --listener->handshaking;
  const auto of_source = pending_per_source_.find(pending.source);
  if (--of_source->second == 0) pending_per_source_.erase(of_source);
  stats_->handshaking.Set(pending_.size());
}

void Manager::Count(Outcome outcome) {
  switch (outcome) {
    case Outcome::kDone:
      return stats_->handshakes.Add(1);
    case Outcome::kFailed:
      return stats_->handshake_failed.Add(1);
    case Outcome::kTimeout:
      return stats_->handshake_timeout.Add(1);
    case Outcome::kWrongName:
      return stats_->wrong_name.Add(1);
    case Outcome::kNoCertificate:
      return stats_->no_certificate.Add(1);
    case Outcome::kAcme:
      return stats_->acme.Add(1);
  }
}

// As its target was when it came.
void Manager::Serve(Pending& pending, std::unique_ptr<TlsStream> tls) {
  const unsigned char* alpn = nullptr;
  unsigned alpn_size = 0;
  SSL_get0_alpn_selected(tls->ssl(), &alpn, &alpn_size);
  const bool h2 = std::string_view(reinterpret_cast<const char*>(alpn), alpn_size) == "h2";
  FunnelConnection connection{
      .stream = std::make_unique<CountedStream>(std::move(tls), std::move(pending.active)),
      .source = pending.request.source,
      .target = pending.request.target,
  };
  if (pending.for_listener) {
    const std::shared_ptr<FunnelListeners::Waiting> listener = pending.listener.lock();
    if (listener == nullptr || listener->finished.size() >= kMaxFinished) {
      if (listener != nullptr) stats_->finished_full.Add(1);
      return connection.stream->Abort();
    }
    listener->finished.push_back(std::move(connection));
    // A copy: it may drop the listener.
    if (const std::function<void()> ready = listener->ready; ready) ready();
    return;
  }
  const TcpPort& port = pending.config->tcp.at(pending.request.target.port);
  if (port.https) return https_.Serve(std::move(connection), h2, pending.config);
  forwards_.Start(std::move(connection.stream), port.forward->addr,
                  ProxyHeaderOf(port, pending.request.source, pending.local));
}

void Manager::PassToAcme(Pending& pending, TlsStream& tls) {
  std::string hello;
  relay::Fd fd = tls.TakeBack(hello);
  std::unique_ptr<Stream> client = TcpStream::Make(loop_, std::move(fd), std::move(hello));
  if (client == nullptr) return;
  forwards_.Start(std::make_unique<CountedStream>(std::move(client), std::move(pending.active)),
                  *pending.config->acme_tls, {});
}

absl::StatusOr<std::unique_ptr<FunnelListener>> Manager::Listen(const HostPort& target, std::function<void()> ready) {
  if (target.host.starts_with("*.")) {
    return absl::InvalidArgumentError(Cat(target.ToString(), ": a listener has one name"));
  }
  if (listeners_.Find(target) != nullptr) {
    return absl::AlreadyExistsError(Cat(target.ToString(), " has a listener already"));
  }
  if (config_->Serves(target)) return absl::AlreadyExistsError(Cat("the serve config has ", target.ToString()));
  return listeners_.Install(target, std::move(ready));
}

}  // namespace

std::unique_ptr<FunnelManager> FunnelManager::Make(EventLoop& loop, HttpsService& https, const Options& options) {
  return std::make_unique<Manager>(loop, https, options);
}

}  // namespace ingress
