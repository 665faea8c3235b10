// A world for runner_test: the real relay core behind a Link, a network with faults, and a clock that runs by being
// asked. No sockets, threads or sleeping.
#ifndef RELAYD_BENCH_RELAY_BENCH_CORE_WORLD_H_
#define RELAYD_BENCH_RELAY_BENCH_CORE_WORLD_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "bench/relay_bench/endpoint_source.h"
#include "bench/relay_bench/link.h"
#include "bench/relay_bench/runner.h"
#include "tests/support/relay_harness.h"

namespace bench {

class CoreLink : public Link {
 public:
  struct Packet {
    uint32_t leg;  // Whose it is, or whose address it goes to.
    std::vector<uint8_t> bytes;
    bool control() const { return bytes.size() > 1 && (bytes[1] & 0x80) != 0; }
  };

  explicit CoreLink(test::RelayHarness& harness) : relay(harness), memory_(kMaxBurst * kRoom) {}

  absl::Status SetRelay(const disco::AddrPort&) override { return absl::OkStatus(); }
  std::span<Outgoing> Prepare(uint32_t count, Use use) override;
  uint32_t Send(uint32_t count) override;
  std::span<const Incoming> Receive() override;
  void Wait(relay::Instant until) override { relay.now = std::max(relay.now, until); }
  uint32_t max_payload() const override { return kRoom; }
  std::vector<std::string> Notes() const override { return {}; }

  test::RelayHarness& relay;
  // The network's faults, each for one packet: towards the relay, and from it. False: it is lost.
  std::function<bool(Packet&)> to_relay = [](Packet&) { return true; };
  std::function<bool(Packet&)> from_relay = [](Packet&) { return true; };
  std::deque<Packet> queue;    // What has come and nobody has taken.
  uint32_t takes = kMaxBurst;  // So many of a Send.

 private:
  static constexpr uint32_t kRoom = 2048;
  static relay::Path PathOf(uint32_t leg);
  void Deliver(const relay::Path& to, std::vector<uint8_t> bytes);

  std::vector<uint8_t> memory_;
  std::array<Outgoing, kMaxBurst> out_{};
  std::vector<Packet> taken_;
  std::vector<Incoming> in_;
};

// Allocates in the core's own table.
class CoreSource : public EndpointSource {
 public:
  CoreSource(test::RelayHarness& harness, const Keyring& keys, uint32_t pairs)
      : relay_(harness), keys_(keys), pairs_(pairs) {}
  void Allow(uint32_t count) override { allowed_ += count; }
  absl::StatusOr<std::vector<Allocated>> Take() override;
  uint64_t refused() const override { return 0; }
  uint32_t most_unbound = 0;

 private:
  test::RelayHarness& relay_;
  const Keyring& keys_;
  const uint32_t pairs_;
  uint32_t allowed_ = 0;
  uint32_t next_ = 0;
};

// A relay, a link, and a run of relay-bench against them.
struct CoreWorld {
  CoreWorld();
  absl::StatusOr<Result> Run();
  uint64_t Dropped(relay::DropReason reason) const { return relay.counters.dropped[static_cast<size_t>(reason)].Get(); }

  Options options;
  test::RelayHarness relay;
  CoreLink link{relay};
  std::atomic<bool> stop{false};
  std::function<void()> on_clock = [] {};
};

}  // namespace bench

#endif  // RELAYD_BENCH_RELAY_BENCH_CORE_WORLD_H_
