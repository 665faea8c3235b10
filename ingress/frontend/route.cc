#include "ingress/frontend/route.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "relay/core/token_bucket.h"

namespace ingress {
namespace {

constexpr Duration kFirstOut = std::chrono::seconds(5);
constexpr Duration kLongestOut = std::chrono::seconds(60);
constexpr int kDoublings = 4;                // From the one to the other.
constexpr size_t kMaxFailingPorts = 64;      // Of a node: a PROXY header may name any port.
constexpr int64_t kMaxRate = 1'000'000'000;  // Of new connections: what the bucket can count.

constexpr double kLeastBurst = 65'536;
constexpr double kLeastStep = 64, kMostStep = 16'384;       // Of bytes: not a system call for every few of them.
constexpr Duration kLongestTurn = std::chrono::seconds(1);  // Those in front may have gone.

Duration TimeOut(int failures) { return std::min(kFirstOut * (1 << std::min(failures - 1, kDoublings)), kLongestOut); }

bool AnyHolds(const std::vector<relay::Prefix>& prefixes, const AddrPort& addr) {
  return std::any_of(prefixes.begin(), prefixes.end(), [&](const relay::Prefix& p) { return p.Contains(addr); });
}

// The time that `bytes` take at a rate.
Duration TimeOf(double bytes, double rate) { return Duration(static_cast<int64_t>(bytes * 1e9 / rate)); }

}  // namespace

struct Route::Node {
  // On one port.
  struct Failing {
    uint16_t port;
    int failures;  // In a row; several while it is out are one.
    bool tried;    // Its time out is over, and somebody dials.
    Instant failed_at, out_until;
  };

  std::atomic<int64_t> connections{0};
  std::vector<Failing> failing;  // Under Shared::health_mutex.

  Failing* Find(uint16_t port) {
    const auto found = std::find_if(failing.begin(), failing.end(), [&](const Failing& f) { return f.port == port; });
    return found == failing.end() ? nullptr : &*found;
  }
  // In place of the one that failed least recently, if there are too many.
  Failing& Add(uint16_t port) {
    if (failing.size() < kMaxFailingPorts) return failing.emplace_back(Failing{port, 0, false, {}, {}});
    const auto earlier = [](const Failing& a, const Failing& b) { return a.failed_at < b.failed_at; };
    return *std::min_element(failing.begin(), failing.end(), earlier) = Failing{port, 0, false, {}, {}};
  }
};

struct Route::Shared {
  std::shared_ptr<std::atomic<uint64_t>> connections = std::make_shared<std::atomic<uint64_t>>(0);
  std::atomic<int64_t> new_full_at_ns{0};  // TokenBucket's.
  std::atomic<uint32_t> turn{0};

  std::mutex health_mutex;        // Every node's.
  std::mutex bytes_mutex;         // What follows.
  uint64_t bytes_per_second = 0;  // Of the latest route: connections of the others share it.
  Instant bytes_full_at{};        // When the bucket would be full again.
  Instant last_turn{};            // What the last one who was put off is to wait for, and its step.
};

Route::Route(relay::FunnelRoute config) : Route(std::move(config), std::make_shared<Shared>(), nullptr) {}

Route::Route(relay::FunnelRoute config, const Route& before) : Route(std::move(config), before.shared_, &before) {}

Route::Route(relay::FunnelRoute config, std::shared_ptr<Shared> shared, const Route* before)
    : config_(std::move(config)), shared_(std::move(shared)) {
  for (const AddrPort& addr : config_.peerapi) {
    size_t i = 0;
    while (before != nullptr && i < before->nodes_.size() && before->config_.peerapi[i] != addr) ++i;
    const bool stays = before != nullptr && i < before->nodes_.size();
    nodes_.push_back(stays ? before->nodes_[i] : std::make_shared<Node>());
  }
  const std::lock_guard lock(shared_->bytes_mutex);
  shared_->bytes_per_second = config_.bytes_per_second;
}

bool Route::Admits(const AddrPort& client) const {
  if (AnyHolds(config_.deny, client)) return false;
  return config_.allow.empty() || AnyHolds(config_.allow, client);
}

Route::Admission Route::Admit(Instant now, Ticket& out) {
  std::atomic<uint64_t>& count = *shared_->connections;
  uint64_t seen = count.load(std::memory_order_relaxed);
  do {
    if (config_.max_connections != 0 && seen >= config_.max_connections) return Admission::kTooMany;
  } while (!count.compare_exchange_weak(seen, seen + 1, std::memory_order_relaxed));
  Ticket ticket(shared_->connections);
  if (config_.new_per_second != 0) {
    const auto rate = static_cast<int64_t>(std::min<uint64_t>(config_.new_per_second, kMaxRate));
    if (!relay::TokenBucket::Of(rate, rate).Take(shared_->new_full_at_ns, now)) return Admission::kTooFast;
  }
  out = std::move(ticket);
  return Admission::kAdmitted;
}

int Route::Pick(uint16_t port, uint64_t tried, Instant now) const {
  const size_t first = shared_->turn.fetch_add(1, std::memory_order_relaxed);
  const std::lock_guard lock(shared_->health_mutex);
  int healthy = -1, failed = -1;
  int64_t fewest = 0;
  Instant least_recent;
  for (size_t k = 0; k < nodes_.size(); ++k) {
    const size_t i = (first + k) % nodes_.size();
    if ((tried >> i & 1) != 0) continue;
    const Node::Failing* const failing = nodes_[i]->Find(port);
    if (failing != nullptr && now < failing->out_until) {
      if (failed < 0 || failing->failed_at < least_recent) {
        failed = static_cast<int>(i);
        least_recent = failing->failed_at;
      }
    } else if (const int64_t connections = nodes_[i]->connections.load(std::memory_order_relaxed);
               healthy < 0 || connections < fewest) {
      healthy = static_cast<int>(i);
      fewest = connections;
    }
  }
  if (healthy < 0) return failed;
  if (Node::Failing* const failing = nodes_[static_cast<size_t>(healthy)]->Find(port); failing != nullptr) {
    failing->tried = true;
    failing->out_until = now + TimeOut(failing->failures);
  }
  return healthy;
}

void Route::Report(uint16_t port, int node, bool failed, Instant now) {
  Node& at = *nodes_[static_cast<size_t>(node)];
  const std::lock_guard lock(shared_->health_mutex);
  Node::Failing* failing = at.Find(port);
  if (!failed) {
    if (failing != nullptr) at.failing.erase(at.failing.begin() + (failing - at.failing.data()));
    return;
  }
  const bool again = failing == nullptr || failing->tried || now >= failing->out_until;
  if (failing == nullptr) failing = &at.Add(port);
  failing->failed_at = now;
  if (!again) return;
  failing->tried = false;
  failing->out_until = now + TimeOut(++failing->failures);
}

void Route::GiveUp(uint16_t port, int node, Instant now) {
  const std::lock_guard lock(shared_->health_mutex);
  Node::Failing* const failing = nodes_[static_cast<size_t>(node)]->Find(port);
  if (failing == nullptr || !failing->tried) return;
  failing->tried = false;
  failing->out_until = now;
}

void Route::AddConnection(int node, int delta) {
  nodes_[static_cast<size_t>(node)]->connections.fetch_add(delta, std::memory_order_relaxed);
}

size_t Route::TakeBytes(size_t wanted, Instant now, Instant& again) {
  Shared& s = *shared_;
  const std::lock_guard lock(s.bytes_mutex);
  if (s.bytes_per_second == 0) return wanted;
  const auto rate = static_cast<double>(s.bytes_per_second);
  const double burst = std::max(rate / 4, kLeastBurst);
  // A bucket of a lower rate than today's may be further from full than this one can be.
  s.bytes_full_at = std::clamp(s.bytes_full_at, now, now + TimeOf(burst, rate));
  const double available = burst - static_cast<double>((s.bytes_full_at - now).count()) * rate / 1e9;
  const double step = std::min(static_cast<double>(wanted), std::clamp(rate / 50, kLeastStep, kMostStep));
  if (available < step) {
    again = std::max(now + TimeOf(step - available, rate) + Duration(1), std::min(s.last_turn, now + kLongestTurn));
    s.last_turn = again + TimeOf(step, rate);
    return 0;
  }
  const size_t taken = available < static_cast<double>(wanted) ? static_cast<size_t>(available) : wanted;
  s.bytes_full_at += TimeOf(static_cast<double>(taken), rate);
  return taken;
}

void Route::ReturnBytes(size_t unused) {
  const std::lock_guard lock(shared_->bytes_mutex);
  if (shared_->bytes_per_second == 0) return;
  shared_->bytes_full_at -= TimeOf(static_cast<double>(unused), static_cast<double>(shared_->bytes_per_second));
}

uint64_t Route::connections() const { return shared_->connections->load(std::memory_order_relaxed); }

bool Route::Healthy(int node) const {
  const std::lock_guard lock(shared_->health_mutex);
  return nodes_[static_cast<size_t>(node)]->failing.empty();
}

}  // namespace ingress
