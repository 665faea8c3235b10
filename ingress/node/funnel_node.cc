#include "ingress/node/funnel_node.h"

#include <pthread.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <string>
#include <utility>

#include "ingress/node/admin_server.h"
#include "ingress/node/funnel_figures.h"
#include "ingress/node/peerapi_server.h"
#include "relay/control/fd.h"
#include "relay/control/log.h"
#include "relay/control/text.h"

namespace ingress {
namespace {

using relay::Log;
using relay::LogLevel;

constexpr Duration kDrainLook = std::chrono::milliseconds(50);

sigset_t ServedSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) sigaddset(&set, signal);
  return set;
}

class Node : private EventLoop::Handler {
 public:
  explicit Node(const NodeParts& parts)
      : parts_(parts),
        loop_(parts.loop),
        manager_(FunnelManager::Make(loop_, parts.https, {.max_active = parts.descriptors.active})),
        server_(PeerApiServer::Make(loop_, *manager_, {.max_connections = parts.descriptors.peerapi})),
        figures_(manager_->stats(), server_->stats(), parts.more_metrics),
        drain_(loop_, [this] { EndDrain(); }),
        expiry_(loop_, [this] { WarnOfExpiry(); }) {}
  ~Node() override {
    if (signals_.get() >= 0) loop_.Remove(signals_.get(), *this);
  }

  absl::Status Start(const NodeOptions& options);

 private:
  void OnEvents(uint32_t) override;
  absl::Status Apply(const ConfigWatch::Snapshot& snapshot);
  void OnChanged(const ConfigWatch::Snapshot& snapshot);
  void OnRead(bool good);
  void Reload();
  void Drain();
  void EndDrain();
  void WarnOfExpiry();

  const NodeParts parts_;
  EventLoop& loop_;
  std::unique_ptr<FunnelManager> manager_;
  std::unique_ptr<PeerApiServer> server_;
  NodeFigures figures_;
  std::unique_ptr<AdminServer> admin_;
  relay::Fd signals_;
  Timer drain_, expiry_;
  bool draining_ = false;
  Duration drain_timeout_{};
  Instant drain_end_{};
  std::shared_ptr<const ServeConfig> applied_;
  bool listen_failed_ = false;  // Of the config that was read last.
  std::unique_ptr<ConfigWatch> watch_;
};

absl::Status Node::Start(const NodeOptions& options) {
  drain_timeout_ = options.drain_timeout;
  auto watch = ConfigWatch::Start(
      loop_, {.path = options.config, .own = options.own, .read = [this](bool good) { OnRead(good); }},
      [this](const ConfigWatch::Snapshot& snapshot) { OnChanged(snapshot); });
  if (!watch.ok()) return absl::InvalidArgumentError(std::string(watch.status().message()));
  watch_ = *std::move(watch);
  if (absl::Status status = Apply(watch_->current()); !status.ok()) return status;
  auto admin = AdminServer::Start(options.metrics_listen, figures_);
  if (!admin.ok()) return admin.status();
  admin_ = *std::move(admin);
  const sigset_t set = ServedSignals();
  signals_ = relay::Fd(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  if (signals_.get() < 0 || !loop_.Add(signals_.get(), EPOLLIN, *this)) {
    return absl::UnavailableError(relay::text::Cat("signals: ", std::strerror(errno)));
  }
  WarnOfExpiry();
  std::string listen;
  for (const AddrPort& addr : server_->local())
    relay::text::AppendAll(listen, listen.empty() ? "" : ",", addr.ToString());
  Log(LogLevel::kInfo, "ready",
      {{"peerapi", listen}, {"metrics", admin_->local().ToString()}, {"version", RELAYD_VERSION}});
  figures_.ready = true;
  sd_notify(0, "READY=1");
  return absl::OkStatus();
}

void Node::OnEvents(uint32_t) {
  signalfd_siginfo info;
  if (read(signals_.get(), &info, sizeof(info)) != sizeof(info)) return;
  const auto signal = static_cast<int>(info.ssi_signo);
  if (signal == SIGHUP) return Reload();
  if (signal == SIGUSR1) return Drain();
  Log(LogLevel::kInfo, "stopping", {{"signal", signal == SIGTERM ? "SIGTERM" : "SIGINT"}});
  sd_notify(0, "STOPPING=1");
  loop_.Stop();
}

// An address that cannot be bound refuses the whole config, as any other mistake in it does.
absl::Status Node::Apply(const ConfigWatch::Snapshot& snapshot) {
  if (!draining_) {
    if (absl::Status status = server_->SetConfig(snapshot.config); !status.ok()) return status;
  }
  manager_->SetConfig(snapshot.config);
  manager_->SetCertificates(snapshot.certificates);
  applied_ = snapshot.config;
  figures_.Set(snapshot.config, snapshot.certificates);
  return absl::OkStatus();
}

void Node::OnChanged(const ConfigWatch::Snapshot& snapshot) {
  const absl::Status applied = Apply(snapshot);
  listen_failed_ = !applied.ok();
  if (applied.ok()) return WarnOfExpiry();
  Log(LogLevel::kError, "serve config refused, the old one stays", {{"error", std::string(applied.message())}});
  // Else the certificates that are looked after would be those of a config that is not in force.
  if (applied_ != snapshot.config) watch_->Refuse(snapshot.config, applied_);
}

void Node::OnRead(bool good) {
  (good && !listen_failed_ ? figures_.reloads : figures_.reloads_failed).Add(1);
  sd_notify(0, "READY=1");
}

// systemd's Type=notify-reload wants the time with it; Type=notify ignores it.
void Node::Reload() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld",
             static_cast<long long>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000);
  watch_->Reload();
}

void Node::Drain() {
  if (std::exchange(draining_, true)) return;
  Log(LogLevel::kInfo, "draining", {{"connections", manager_->stats().active.Get()}});
  sd_notify(0, "STATUS=draining");
  figures_.ready = false;
  drain_end_ = loop_.now() + drain_timeout_;
  server_->StopListening();
  if (parts_.drain_https) parts_.drain_https();
  EndDrain();
}

void Node::EndDrain() {
  const uint64_t open = manager_->stats().active.Get() + manager_->lingering() + server_->stats().connections.Get();
  if (open > 0 && loop_.now() < drain_end_) return drain_.Set(kDrainLook);
  open == 0 ? Log(LogLevel::kInfo, "drained") : Log(LogLevel::kWarning, "drain timeout", {{"connections", open}});
  sd_notify(0, "STOPPING=1");
  loop_.Stop();
}

void Node::WarnOfExpiry() {
  ingress::WarnOfExpiry(*watch_->current().certificates);
  expiry_.Set(kExpiryLook);
}

}  // namespace

void BlockNodeSignals() {
  const sigset_t set = ServedSignals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

absl::Status RunNode(const NodeOptions& options, const NodeParts& parts) {
  Node node(parts);
  if (absl::Status status = node.Start(options); !status.ok()) return status;
  parts.loop.Run();
  return absl::OkStatus();
}

}  // namespace ingress
