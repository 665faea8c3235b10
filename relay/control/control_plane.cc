#include "relay/control/control_plane.h"

#include <pthread.h>
#include <systemd/sd-daemon.h>

#include <boost/asio/post.hpp>
#include <chrono>
#include <csignal>
#include <ctime>
#include <utility>

#include "relay/control/address_list.h"
#include "relay/control/log.h"
#include "relay/control/text.h"

namespace relay {
namespace {

namespace asio = boost::asio;

constexpr Duration kAddressStep = std::chrono::seconds(5);

sigset_t ServedSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) sigaddset(&set, signal);
  return set;
}

absl::StatusOr<std::shared_ptr<const Policy>> LoadPolicy(const std::string& path) {
  absl::StatusOr<Policy> policy = Policy::Load(path);
  if (!policy.ok()) return policy.status();
  return std::make_shared<const Policy>(*std::move(policy));
}

std::function<void(const HttpRequest&, std::shared_ptr<Exchange>)> HandlerOf(IngressService* ingress) {
  if (ingress == nullptr) return {};
  return [ingress](const HttpRequest& request, const std::shared_ptr<Exchange>& exchange) {
    ingress->Handle(request, exchange);
  };
}

// systemd's Type=notify-reload wants the time with it; Type=notify ignores it.
void NotifyReloading() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld",
             static_cast<long long>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000);
}

}  // namespace

void ControlPlane::BlockSignals() {
  const sigset_t set = ServedSignals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

absl::StatusOr<std::unique_ptr<ControlPlane>> ControlPlane::Open(const Options& options, const Relay& relay) {
  absl::StatusOr<Policy> policy =
      options.policy_file.empty() ? Policy::LoopbackOnly() : Policy::Load(options.policy_file);
  if (!policy.ok()) return policy.status();
  TlsIdentity tls;
  if (!options.tls_cert.empty()) {
    absl::StatusOr<TlsIdentity> loaded = LoadTlsIdentity(options.tls_cert, options.tls_key);
    if (!loaded.ok()) return loaded.status();
    tls = *std::move(loaded);
  }
  if (relay.funnel != nullptr) relay.funnel->SetPolicy(policy->funnel());
  std::unique_ptr<ControlPlane> plane(new ControlPlane(options, relay, *std::move(policy), std::move(tls)));
  if (absl::Status status = plane->server_.Listen(options.api_listen); !status.ok()) {
    return absl::Status(status.code(), text::Cat("API: ", std::string(status.message())));
  }
  plane->api_address_ = plane->server_.local();
  return plane;
}

ControlPlane::ControlPlane(const Options& options, const Relay& relay, Policy policy, TlsIdentity tls_identity)
    : options_(options),
      relay_(relay),
      host_names_(options.api_hosts),
      api_({.table = relay.table,
            .allocator = relay.allocator,
            .host_names = host_names_,
            .udp_port = relay.udp_port,
            .post =
                [this](std::function<void()> task) {
                  asio::post(io_, [this, task = std::move(task)] {
                    const TaskTimer timer(&tasks_);
                    task();
                  });
                },
            .funnel = relay.funnel,
            .ingress = HandlerOf(relay.ingress)},
           std::move(policy)),
      server_(tls() ? tls_io_ : io_, io_, api_, &tasks_) {
  host_names_.SetCertificateNames(std::move(tls_identity.names));
  server_.SetTls(std::move(tls_identity.context));
  // Before READY: whoever waits for it may send signals at once.
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) signals_.add(signal);
}

ControlPlane::~ControlPlane() = default;

void ControlPlane::Run() {
  options_.addr_ports.empty() ? ApplyAddresses(Discover()) : api_.SetAddrPorts(options_.addr_ports);
  Expire();
  AwaitSignal();
  server_.Start();
  if (tls()) tls_thread_ = std::thread([this] { tls_io_.run(); });
  const sigset_t set = ServedSignals();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  sd_notify(0, "READY=1");
  io_.run();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  if (tls_thread_.joinable()) tls_thread_.join();
}

void ControlPlane::After(asio::steady_timer& timer, Duration delay, std::function<void()> task) {
  timer.expires_after(delay);
  timer.async_wait([this, task = std::move(task)](boost::system::error_code cancelled) {
    if (cancelled) return;
    const TaskTimer measured(&tasks_);
    task();
  });
}

void ControlPlane::Expire() {
  const bool more = relay_.allocator.Expire(std::chrono::steady_clock::now(), Allocator::kExpiryBudget);
  if (draining_ && relay_.table.live() == 0 && FunnelConnections() == 0) {
    Log(LogLevel::kInfo, "drained");
    return Stop();
  }
  if (relay_.table.WantsMemory() && !std::exchange(populating_, true)) {
    asio::post(background_, [this] {
      relay_.table.Populate();
      asio::post(io_, [this] { populating_ = false; });
    });
  }
  // Behind whatever HTTP has waiting, if more is due.
  After(expiry_timer_, more ? Duration::zero() : Allocator::kExpiryTick, [this] { Expire(); });
}

// A machine may have thousands of addresses: but for the first time they are listed elsewhere.
void ControlPlane::RefreshAddresses() {
  asio::post(background_, [this] {
    auto found = std::make_shared<absl::StatusOr<std::vector<AddrPort>>>(Discover());
    asio::post(io_, [this, found] {
      const TaskTimer timer(&tasks_);
      ApplyAddresses(std::move(*found));
    });
  });
}

absl::StatusOr<std::vector<AddrPort>> ControlPlane::Discover() const {
  return DiscoverAddresses(relay_.udp_port, relay_.ipv6);
}

void ControlPlane::ApplyAddresses(absl::StatusOr<std::vector<AddrPort>> found) {
  if (!found.ok()) {
    Log(LogLevel::kWarning, "cannot look up addresses; the old ones stay",
        {{"error", std::string(found.status().message())}});
  } else if (*found != addr_ports_) {
    addr_ports_ = *std::move(found);
    std::string text;
    for (const AddrPort& addr : addr_ports_) text::AppendAll(text, text.empty() ? "" : ",", addr.ToString());
    Log(LogLevel::kInfo, "advertised addresses", {{"addr_ports", text}});
    api_.SetAddrPorts(addr_ports_);
  }
  After(address_timer_, kAddressStep, [this] { RefreshAddresses(); });
}

void ControlPlane::AwaitSignal() {
  signals_.async_wait([this](boost::system::error_code cancelled, int signal) {
    if (cancelled) return;
    const TaskTimer timer(&tasks_);
    if (signal == SIGHUP) {
      if (relay_.funnel != nullptr) relay_.funnel->ReopenAccessLog();  // Logs are rotated even if a file hangs.
      if (relay_.ingress != nullptr) relay_.ingress->Reload();
      Reload();
    }
    if (signal == SIGUSR1) Drain();
    if (signal == SIGTERM || signal == SIGINT) {
      Log(LogLevel::kInfo, "stopping", {{"signal", signal == SIGTERM ? "SIGTERM" : "SIGINT"}});
      return Stop();
    }
    AwaitSignal();
  });
}

// A large policy takes longer to read than a task may: files are read on a thread of their own.
void ControlPlane::Reload() {
  if (std::exchange(reloading_, true)) {
    reload_again_ = true;  // The files may have changed since they were read.
    return;
  }
  NotifyReloading();
  file_thread_.Post([this, policy_file = options_.policy_file, tls_cert = options_.tls_cert,
                     tls_key = options_.tls_key]() -> FileThread::Done {
    auto files = std::make_shared<Files>();
    if (!policy_file.empty()) files->policy = LoadPolicy(policy_file);
    if (!tls_cert.empty()) files->identity = LoadTlsIdentity(tls_cert, tls_key);
    return [this, files] {
      const TaskTimer timer(&tasks_);
      ApplyFiles(*files);
    };
  });
}

void ControlPlane::ApplyFiles(Files& files) {
  if (!options_.policy_file.empty()) ApplyPolicy(std::move(files.policy));
  if (tls()) ApplyIdentity(std::move(files.identity));
  sd_notify(0, "READY=1");
  reloading_ = false;
  if (std::exchange(reload_again_, false)) Reload();
}

void ControlPlane::ApplyPolicy(absl::StatusOr<std::shared_ptr<const Policy>> policy) {
  if (!policy.ok()) {
    return Log(LogLevel::kError, "policy refused; the old one stays",
               {{"error", std::string(policy.status().message())}});
  }
  if (relay_.funnel != nullptr) relay_.funnel->SetPolicy((*policy)->funnel());
  asio::post(background_, [old = api_.SetPolicy(*std::move(policy))]() mutable { old.reset(); });
  Log(LogLevel::kInfo, "policy reloaded", {{"file", options_.policy_file}});
}

void ControlPlane::ApplyIdentity(absl::StatusOr<TlsIdentity> identity) {
  if (!identity.ok()) {
    return Log(LogLevel::kError, "certificate refused; the old one stays",
               {{"error", std::string(identity.status().message())}});
  }
  host_names_.SetCertificateNames(std::move(identity->names));
  asio::post(tls_io_, [this, context = std::move(identity->context)] { server_.SetTls(context); });
  Log(LogLevel::kInfo, "certificate reloaded", {{"file", options_.tls_cert}});
}

uint64_t ControlPlane::FunnelConnections() const {
  return (relay_.funnel == nullptr ? 0 : relay_.funnel->connections()) +
         (relay_.ingress == nullptr ? 0 : relay_.ingress->connections());
}

void ControlPlane::Drain() {
  if (std::exchange(draining_, true)) return;
  Log(LogLevel::kInfo, "draining", {{"endpoints", relay_.table.live()}, {"funnel_connections", FunnelConnections()}});
  sd_notify(0, "STATUS=draining");
  api_.SetDraining();
  if (relay_.funnel != nullptr) relay_.funnel->Drain();
  if (relay_.ingress != nullptr) relay_.ingress->Drain();
  After(drain_timer_, options_.drain_timeout, [this] {
    Log(LogLevel::kWarning, "drain timeout",
        {{"endpoints", relay_.table.live()}, {"funnel_connections", FunnelConnections()}});
    Stop();
  });
}

void ControlPlane::Stop() {
  sd_notify(0, "STOPPING=1");
  if (tls()) {
    asio::post(tls_io_, [this] {
      server_.Stop();
      tls_io_.stop();
    });
  } else {
    server_.Stop();
  }
  io_.stop();
}

}  // namespace relay
