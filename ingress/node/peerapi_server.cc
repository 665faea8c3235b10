#include "ingress/node/peerapi_server.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <utility>
#include <variant>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "ingress/lingering_close.h"
#include "ingress/node/peerapi_checks.h"
#include "ingress/node/peerapi_connection.h"
#include "ingress/tcp_socket.h"
#include "relay/control/log.h"

namespace ingress {
namespace {

using relay::Prefix;
using End = PeerApiConnection::End;

constexpr int kBacklog = 1024;
constexpr Duration kAcceptRetry = std::chrono::milliseconds(100);  // When descriptors have run out, say.

constexpr IngressRefusal kMalformed{400, "malformed request"};
constexpr IngressRefusal kHeadTooBig{431, "request head over 8192 bytes"};
constexpr IngressRefusal kQueueFull{503, "too many connections"};

class Server : public PeerApiServer {
 public:
  Server(EventLoop& loop, FunnelManager& manager, const Options& options)
      : loop_(loop), manager_(manager), options_(options), closer_(loop) {}

  absl::Status SetConfig(std::shared_ptr<const ServeConfig> config) override;
  std::vector<AddrPort> local() const override;
  void StopListening() override { listeners_.clear(); }
  const Stats& stats() const override { return stats_; }

 private:
  // One address.
  class Listener : public EventLoop::Handler {
   public:
    Listener(Server& server, relay::Fd fd)
        : server_(server), fd_(std::move(fd)), retry_(server.loop_, [this] { Watch(); }) {}
    ~Listener() override { server_.loop_.Remove(fd_.get(), *this); }
    bool Watch() { return server_.loop_.Add(fd_.get(), EPOLLIN, *this); }
    int fd() const { return fd_.get(); }

   private:
    void OnEvents(uint32_t) override;

    Server& server_;
    relay::Fd fd_;
    Timer retry_;
  };

  struct Connection {
    std::unique_ptr<PeerApiConnection> io;
    bool limited = false;  // Counted in per_source_.
  };

  void Admit(relay::Fd fd, const AddrPort& remote);
  bool CountSource(const AddrPort& remote, bool& limited);
  void OnEnd(PeerApiConnection& connection, End end);
  void Answer(PeerApiConnection& connection);
  void Refuse(PeerApiConnection& connection, const IngressRefusal& refusal);

  EventLoop& loop_;
  FunnelManager& manager_;
  const Options options_;
  Stats stats_;
  LingeringCloser closer_;
  std::shared_ptr<const ServeConfig> config_ = std::make_shared<ServeConfig>();
  std::map<AddrPort, std::unique_ptr<Listener>> listeners_;  // By the address that was asked for.
  absl::flat_hash_map<PeerApiConnection*, Connection> connections_;
  absl::flat_hash_map<Prefix, size_t> per_source_;
  size_t strangers_ = 0;  // All of per_source_.
  relay::LogLimiter log_limiter_;
};

absl::Status Server::SetConfig(std::shared_ptr<const ServeConfig> config) {
  std::map<AddrPort, std::unique_ptr<Listener>> added;
  for (const AddrPort& addr : config->listen) {
    if (listeners_.contains(addr) || added.contains(addr)) continue;
    absl::StatusOr<relay::Fd> fd = ListenTcp(addr, kBacklog);
    if (!fd.ok()) return fd.status();
    auto listener = std::make_unique<Listener>(*this, *std::move(fd));
    if (!listener->Watch()) return absl::UnavailableError(std::strerror(errno));
    added.emplace(addr, std::move(listener));
  }
  for (const AddrPort& addr : config->listen) {
    if (const auto kept = listeners_.extract(addr); !kept.empty()) added.emplace(addr, std::move(kept.mapped()));
  }
  listeners_ = std::move(added);
  config_ = std::move(config);
  return absl::OkStatus();
}

std::vector<AddrPort> Server::local() const {
  std::vector<AddrPort> all;
  for (const AddrPort& addr : config_->listen) {
    if (const auto found = listeners_.find(addr); found != listeners_.end()) {
      all.push_back(LocalAddr(found->second->fd()));
    }
  }
  return all;
}

void Server::Listener::OnEvents(uint32_t) {
  // One a visit: the next turn tells of the next one, and asking for it in vain would cost more.
  AddrPort remote;
  relay::Fd fd = AcceptTcp(fd_.get(), remote);
  if (fd.get() >= 0) return server_.Admit(std::move(fd), remote);
  if (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR) return;
  // It stays readable: without a pause the loop would spin.
  server_.stats_.accept_failed.Add(1);
  server_.loop_.Remove(fd_.get(), *this);
  retry_.Set(kAcceptRetry);
}

// False: too many of its source. `limited`: it was counted.
bool Server::CountSource(const AddrPort& remote, bool& limited) {
  limited = !config_->peers.Find(remote, {}).Has(relay::Capability::kIngress);
  if (!limited) return true;
  if (strangers_ >= std::max<size_t>(options_.max_connections / 2, 1)) return false;
  size_t& of_source = per_source_[Prefix::OfSource(remote)];
  if (of_source >= options_.max_per_source) return false;
  ++of_source;
  ++strangers_;
  return true;
}

void Server::Admit(relay::Fd fd, const AddrPort& remote) {
  stats_.accepted.Add(1);
  if (connections_.size() >= options_.max_connections) return stats_.refused_limit.Add(1);
  Connection connection;
  if (!CountSource(remote, connection.limited)) return stats_.refused_source.Add(1);
  connection.io = std::make_unique<PeerApiConnection>(loop_, std::move(fd), remote, options_,
                                                      [this](PeerApiConnection& io, End end) { OnEnd(io, end); });
  PeerApiConnection& io = *connection.io;
  connections_.emplace(&io, std::move(connection));
  stats_.connections.Set(connections_.size());
  if (!io.Watch()) OnEnd(io, End::kGone);
}

void Server::OnEnd(PeerApiConnection& connection, End end) {
  switch (end) {
    case End::kRequest:
      Answer(connection);
      break;
    case End::kMalformed:
      Refuse(connection, kMalformed);
      break;
    case End::kHeadTooBig:
      Refuse(connection, kHeadTooBig);
      break;
    case End::kTimeout:
      stats_.timed_out.Add(1);
      break;
    case End::kGone:
      break;
  }
  const auto found = connections_.find(&connection);
  if (found->second.limited) {
    --strangers_;
    const auto of_source = per_source_.find(Prefix::OfSource(connection.remote()));
    if (--of_source->second == 0) per_source_.erase(of_source);
  }
  const Connection ended = std::move(found->second);
  connections_.erase(found);
  stats_.connections.Set(connections_.size());
}

void Server::Answer(PeerApiConnection& connection) {
  if (const auto refusal = CheckPeer(connection.request(), config_->peers)) return Refuse(connection, *refusal);
  const auto checked = CheckIngress(connection.request(), manager_);
  if (const auto* const refusal = std::get_if<IngressRefusal>(&checked)) return Refuse(connection, *refusal);
  const auto& request = std::get<IngressRequest>(checked);
  if (!manager_.HasRoom(request)) return Refuse(connection, kQueueFull);
  std::string behind = connection.TakeBehind();
  manager_.Take(connection.Release(), std::move(behind), request);
}

void Server::Refuse(PeerApiConnection& connection, const IngressRefusal& refusal) {
  stats_.CountRefusal(refusal.status);
  uint64_t suppressed = 0;
  if (log_limiter_.Allow(loop_.now(), suppressed)) {
    relay::Log(relay::LogLevel::kWarning, "ingress refused",
               {{"peer", connection.remote().ToString()},
                {"status", refusal.status},
                {"reason", refusal.line},
                {"suppressed", suppressed}});
  }
  const bool head_only = connection.request().method == "HEAD";
  closer_.Close(connection.Release(), FormatRefusal(refusal, head_only));
}

}  // namespace

std::unique_ptr<PeerApiServer> PeerApiServer::Make(EventLoop& loop, FunnelManager& manager, const Options& options) {
  return std::make_unique<Server>(loop, manager, options);
}

}  // namespace ingress
