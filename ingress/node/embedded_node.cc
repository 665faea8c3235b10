#include "ingress/node/embedded_node.h"

#include <unistd.h>

#include <utility>
#include <variant>

#include "ingress/node/funnel_figures.h"
#include "ingress/node/https_figures.h"
#include "ingress/node/ingress_request.h"
#include "ingress/node/peerapi_checks.h"
#include "relay/control/fd.h"
#include "relay/control/log.h"

namespace ingress {
namespace {

constexpr IngressRefusal kQueueFull{503, "too many connections"};

// What a config leads to: a snapshot, for any thread.
class ConfigTargets : public IngressTargets {
 public:
  explicit ConfigTargets(std::shared_ptr<const ServeConfig> config) : config_(std::move(config)) {}
  bool AnythingInstalled() const override { return !config_->serves_nothing(); }
  bool IsAllowed(const HostPort& target) const override { return config_->IsAllowed(target); }
  bool Serves(const HostPort& target) const override { return config_->Serves(target); }

 private:
  std::shared_ptr<const ServeConfig> config_;
};

}  // namespace

EmbeddedNode::EmbeddedNode(const DescriptorShares& shares) : expiry_(loop_, [this] { WarnOfExpiry(); }) {
  https_ = MakeHttpsService(loop_, {.max_files = shares.files});
  FunnelManager::Options options;
  options.max_active = shares.active;
  manager_ = FunnelManager::Make(loop_, *https_, options);
}

absl::StatusOr<std::unique_ptr<EmbeddedNode>> EmbeddedNode::Start(const std::string& config, std::vector<AddrPort> own,
                                                                  const DescriptorShares& shares) {
  std::unique_ptr<EmbeddedNode> node(new EmbeddedNode(shares));
  EmbeddedNode* const raw = node.get();
  const auto count = [raw](bool good) { (good ? raw->reloads_ : raw->reloads_failed_).Add(1); };
  auto watch = ConfigWatch::Start(node->loop_, {.path = config, .own = std::move(own), .read = count},
                                  [raw](const ConfigWatch::Snapshot& snapshot) { raw->Apply(snapshot); });
  if (!watch.ok()) return absl::InvalidArgumentError(std::string(watch.status().message()));
  node->watch_ = *std::move(watch);
  node->Apply(node->watch_->current());
  node->thread_ = std::thread([raw] { raw->loop_.Run(); });
  return node;
}

EmbeddedNode::~EmbeddedNode() {
  loop_.Stop();
  if (thread_.joinable()) thread_.join();
}

void EmbeddedNode::Apply(const ConfigWatch::Snapshot& snapshot) {
  manager_->SetCertificates(snapshot.certificates);
  manager_->SetConfig(snapshot.config);
  {
    const std::lock_guard lock(mutex_);
    snapshot_ = snapshot;
  }
  WarnOfExpiry();
}

void EmbeddedNode::WarnOfExpiry() {
  ingress::WarnOfExpiry(*snapshot().certificates);
  expiry_.Set(kExpiryLook);
}

void EmbeddedNode::Reload() { watch_->Reload(); }

void EmbeddedNode::Drain() {
  loop_.Post([this] { https_->Drain(); });
}

ConfigWatch::Snapshot EmbeddedNode::snapshot() const {
  const std::lock_guard lock(mutex_);
  return snapshot_;
}

void EmbeddedNode::Handle(const relay::HttpRequest& request, const std::shared_ptr<relay::Exchange>& exchange) {
  std::variant<IngressRequest, IngressRefusal> checked = CheckIngress(request, ConfigTargets(snapshot().config));
  if (const auto* const refusal = std::get_if<IngressRefusal>(&checked)) {
    relay::HttpResponse response = relay::HttpResponse::Error(refusal->status, refusal->line);
    if (refusal->status == 405) response.allow = "POST";
    response.close = true;
    return exchange->Respond(std::move(response));
  }
  exchange->Hijack([this, wanted = std::get<IngressRequest>(std::move(checked))](int fd, std::string behind) {
    // Shared, as a function has to be copyable; and if the loop ends first, the descriptor is closed with it.
    auto owned = std::make_shared<relay::Fd>(fd);
    loop_.Post([this, owned, behind = std::move(behind), wanted] { Take(std::move(*owned), behind, wanted); });
  });
}

void EmbeddedNode::Take(relay::Fd fd, std::string behind, const IngressRequest& request) {
  if (manager_->HasRoom(request)) return manager_->Take(std::move(fd), std::move(behind), request);
  const std::string answer = FormatRefusal(kQueueFull, false);
  if (write(fd.get(), answer.data(), answer.size()) < 0) {
    // Gone already.
  }
}

uint64_t EmbeddedNode::connections() const { return manager_->stats().active.Get() + manager_->lingering(); }

void EmbeddedNode::Collect(std::vector<prometheus::MetricFamily>& out) const {
  Collector funnel(out);
  CollectFunnel(manager_->stats(), funnel);
  CollectReloads(reloads_, reloads_failed_, funnel);
  CollectCertificates(*snapshot().certificates, funnel);
  CollectHttps(https_->stats(), https_->backends(), out);
}

}  // namespace ingress
