#include "ingress/frontend/frontend.h"

#include <sys/resource.h>

#include <algorithm>
#include <utility>

#include "ingress/frontend/connection_home.h"
#include "ingress/frontend/descriptor_budget.h"
#include "ingress/frontend/frontend_thread.h"
#include "ingress/proxy_protocol.h"
#include "relay/control/log.h"
#include "relay/control/text.h"

namespace ingress {
namespace {

constexpr uint64_t kDefaultMaxPending = 4096;
// A hello and a PROXY header fit into what a thread reads at once.
constexpr size_t kMaxHelloCap = kCopyBytes - kMaxProxyHeaderSize;

DescriptorBudget BudgetOfProcess(uint64_t of_others) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return DescriptorBudget::Of(limit.rlim_cur - std::min<uint64_t>(limit.rlim_cur, of_others));
}

class FrontendImpl final : public Frontend {
 public:
  FrontendImpl(const FrontendOptions& options, std::unique_ptr<AccessLog> log,
               const std::shared_ptr<const PublicListeners>& listeners, std::vector<std::string> warnings)
      : budget_(BudgetOfProcess(options.descriptors_of_others)),
        warnings_(std::move(warnings)),
        shared_(options, std::move(log)),
        series_(options.threads, kMaxRouteSeries) {
    for (const PublicListener& listener : *listeners) local_.push_back(listener.local);
    for (size_t i = 0; i < options.threads; ++i) {
      threads_.push_back(std::make_unique<FrontendThread>(shared_, i, budget_.pipes / options.threads, listeners));
    }
    SetRoutes(std::make_shared<RouteTable>(std::vector<std::shared_ptr<Route>>()));
    SetLimits({});
  }

  void Start() override {
    for (const auto& thread : threads_) thread->Start();
  }

  void SetRoutes(std::shared_ptr<const RouteTable> routes) override {
    const std::shared_ptr<const Routing> routing = series_.Assign(std::move(routes));
    for (const auto& thread : threads_) thread->SetRouting(routing);
  }

  void SetLimits(const relay::FunnelPolicy& policy) override {
    shared_.sources.SetLimits(
        {.max_connections = policy.source_max_connections, .new_per_second = policy.source_new_per_second});
    if (policy.max_connections > budget_.connections) {
      relay::Log(relay::LogLevel::kWarning, "the descriptor limit allows fewer public connections than the policy",
                 {{"max_connections", policy.max_connections}, {"allowed", budget_.connections}});
    }
    auto limits = std::make_shared<FrontendLimits>();
    limits->max_connections =
        policy.max_connections != 0 ? std::min(policy.max_connections, budget_.connections) : budget_.connections;
    limits->max_pending = policy.max_pending != 0 ? policy.max_pending : kDefaultMaxPending;
    limits->proxy_protocol_from = policy.proxy_protocol_from;
    for (const auto& thread : threads_) thread->SetLimits(limits);
  }

  // By name: connections of a route that this one has replaced are its own.
  void CloseRoute(const std::shared_ptr<Route>& route) override {
    for (const auto& thread : threads_) thread->CloseRoute(route->config().name);
  }

  void ReopenAccessLog() override {
    if (const absl::Status reopened = shared_.access_log->Reopen(); !reopened.ok()) {
      relay::Log(relay::LogLevel::kError, "the access log goes on in its old file",
                 {{"error", std::string(reopened.message())}});
    }
  }

  void Drain() override {
    for (const auto& thread : threads_) thread->Drain();
  }

  uint64_t connections() const override { return shared_.connections.load(std::memory_order_relaxed); }
  std::vector<AddrPort> local() const override { return local_; }
  std::vector<std::string> warnings() const override { return warnings_; }

  void Collect(std::vector<prometheus::MetricFamily>& out) const override {
    std::vector<const ThreadStats*> stats;
    for (const auto& thread : threads_) stats.push_back(&thread->stats());
    CollectThreads(stats,
                   {.connections = connections(),
                    .pending = shared_.pending.load(std::memory_order_relaxed),
                    .lost_log_lines = shared_.access_log->lost()},
                   out);
    series_.Collect(out);
  }

 private:
  const DescriptorBudget budget_;
  const std::vector<std::string> warnings_;
  std::vector<AddrPort> local_;
  FrontendShared shared_;
  RouteSeriesSet series_;
  std::vector<std::unique_ptr<FrontendThread>> threads_;  // Destroyed first.
};

}  // namespace

absl::StatusOr<std::unique_ptr<Frontend>> Frontend::Open(const FrontendOptions& options) {
  if (options.threads == 0) return absl::InvalidArgumentError("--ingress_threads: at least 1");
  if (options.hello_cap > kMaxHelloCap) {
    return absl::InvalidArgumentError(relay::text::Cat("--hello_cap: at most ", kMaxHelloCap));
  }
  absl::StatusOr<std::unique_ptr<AccessLog>> log = AccessLog::Open(options.access_log);
  if (!log.ok()) return log.status();
  std::vector<std::string> warnings;
  absl::StatusOr<std::shared_ptr<const PublicListeners>> listeners = OpenPublicListeners(options, warnings);
  if (!listeners.ok()) return listeners.status();
  return std::make_unique<FrontendImpl>(options, std::move(*log), *listeners, std::move(warnings));
}

}  // namespace ingress
