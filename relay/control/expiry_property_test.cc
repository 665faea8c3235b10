// Expiry against a model that says DESIGN's rule in three lines: never early, never late, whatever the lifetimes and
// whatever the clients do.
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>
#include <vector>

#include "relay/control/allocator.h"

namespace relay {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// An endpoint as its clients know it.
struct Model {
  size_t pair = 0;
  Instant created;
  std::array<std::optional<Instant>, 2> heard;  // Of bound legs.

  // When it is past its time, if nothing more happens: gone later than this.
  Instant Deadline(Duration bind, Duration steady) const {
    if (!heard[0] || !heard[1]) return created + bind;
    return std::min(*heard[0], *heard[1]) + steady;
  }
};

class Simulation {
 public:
  Simulation(Duration bind, Duration steady, uint32_t seed) : bind_(bind), steady_(steady), random_(seed) {
    for (int i = 0; i < 24; ++i) keys_.push_back(disco::PrivateKey::Generate().public_key());
  }

  void Run() {
    const Instant end = now_ + 20 * std::max(bind_, steady_);
    // Some thousand steps, and never coarser than the sweep.
    while (now_ < end && !testing::Test::HasFatalFailure()) {
      now_ += milliseconds(random_() % 100);
      for (size_t i = random_() % 3; i > 0; --i) Act();
      if (now_ - swept_ >= Allocator::kExpiryTick) {
        swept_ = now_;
        while (allocator_.Expire(now_, 1 + random_() % 8)) {
        }
      }
      Check();
    }
    EXPECT_GT(gone_, 10u) << "the test was of nothing";
  }

 private:
  void Act() {
    const uint32_t what = random_() % 8;
    if (what == 0) return Allocate();
    if (live_.empty()) return;
    auto& [vni, model] = *std::next(live_.begin(), static_cast<std::ptrdiff_t>(random_() % live_.size()));
    Endpoint* const endpoint = table_.Find(vni);
    if (endpoint == nullptr) return;
    // Pairs differ: some never bind, some bind one leg, some fall silent.
    const size_t leg = random_() % 2;
    if (model.pair % 4 == 0 || (model.pair % 4 == 1 && leg == 1)) return;
    const bool was_open = endpoint->IsOpen();
    if (model.heard[leg] ? !was_open : random_() % 4 != 0) return;
    model.heard[leg] = now_;
    endpoint->flow[leg].last_seen_ns.store(ToNs(now_));
    table_.Bind(*endpoint, leg, Path{.remote = *AddrPort::Parse("192.0.2.1:1"), .link = {}});
    if (!was_open && endpoint->IsOpen()) table_.CountOpened(*endpoint);
  }

  void Allocate() {
    const size_t pair = random_() % (keys_.size() / 2);
    const std::array<disco::PublicKey, 2> keys = {keys_[2 * pair], keys_[2 * pair + 1]};
    const Allocator::Outcome outcome = allocator_.Allocate("caller", keys, {}, now_);
    const auto old = std::find_if(live_.begin(), live_.end(), [&](const auto& e) { return e.second.pair == pair; });
    const bool exists = old != live_.end() && now_ <= old->second.Deadline(bind_, steady_);
    ASSERT_EQ(outcome.result, exists ? AllocationResult::kExisting : AllocationResult::kCreated);
    if (exists) return;
    if (old != live_.end()) live_.erase(old);
    live_[outcome.endpoint.vni] = {.pair = pair, .created = now_, .heard = {}};
  }

  void Check() {
    for (auto entry = live_.begin(); entry != live_.end();) {
      const auto& [vni, model] = *entry;
      const Instant deadline = model.Deadline(bind_, steady_);
      if (table_.Find(vni) == nullptr) {
        ASSERT_GT(now_, deadline) << "gone early";
        ++gone_;
        entry = live_.erase(entry);
        continue;
      }
      // Lateness counts from when it was known: a leg that binds late may find its partner silent for long already.
      Instant known = deadline;
      if (model.heard[0] && model.heard[1]) known = std::max({deadline, *model.heard[0], *model.heard[1]});
      const Duration lifetime = model.heard[0] && model.heard[1] ? steady_ : bind_;
      ASSERT_LE(now_, known + seconds(1) + lifetime / 10) << "gone late";
      ++entry;
    }
  }

  const Duration bind_;
  const Duration steady_;
  std::mt19937 random_;
  std::vector<disco::PublicKey> keys_;
  Qsbr qsbr_{1};
  EndpointTable table_{16, qsbr_};
  Allocator allocator_{
      table_, disco::PrivateKey::Generate(), {.bind_lifetime = bind_, .steady_state_lifetime = steady_}};
  Instant now_{minutes(3)};
  Instant swept_{};
  std::map<uint32_t, Model> live_;  // By VNI.
  size_t gone_ = 0;
};

TEST(ExpiryPropertyTest, NeverEarlyNeverLate) {
  disco::InitCrypto();
  const std::vector<std::array<Duration, 2>> lifetimes = {
      {seconds(30), minutes(5)},      {seconds(30), seconds(2)}, {seconds(1), seconds(1)},
      {milliseconds(50), seconds(3)}, {seconds(5), minutes(9)},  // Beyond the wheel's span.
  };
  uint32_t seed = 0;
  for (const auto& [bind, steady] : lifetimes) {
    SCOPED_TRACE(testing::Message() << "bind " << bind.count() << " ns, steady state " << steady.count() << " ns");
    Simulation(bind, steady, ++seed).Run();
    if (HasFatalFailure()) return;
  }
  std::mt19937 random(9);
  for (int i = 0; i < 10; ++i) {
    const Duration bind = milliseconds(1 + random() % 20'000);
    const Duration steady = milliseconds(1 + random() % 20'000);
    SCOPED_TRACE(testing::Message() << "bind " << bind.count() << " ns, steady state " << steady.count() << " ns");
    Simulation(bind, steady, ++seed).Run();
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace relay
