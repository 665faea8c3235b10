// What a relay on the open internet gets beside its clients' packets.
#ifndef RELAYD_BENCH_RELAY_BENCH_HOSTILE_H_
#define RELAYD_BENCH_RELAY_BENCH_HOSTILE_H_

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "bench/measure/pacer.h"
#include "bench/relay_bench/link.h"
#include "bench/relay_bench/load.h"
#include "bench/relay_bench/options.h"
#include "bench/relay_bench/pairs.h"

namespace bench {

class Hostile {
 public:
  enum Kind : uint8_t { kBogusControl, kUnknownVni, kWrongSource, kRandom };
  static constexpr size_t kKinds = 4;
  static constexpr uint16_t kMaxRandom = 256;

  // Pairs [0, attack) are the attacker's own, bound; those behind them are the good ones. `leg`: of the address that
  // everything else comes from. `keys` outlives it, as does what `pairs` points to.
  Hostile(const HostileRates& rates, std::span<const Pair> pairs, uint32_t attack, uint32_t leg, const Keyring& keys,
          uint64_t seed);

  void Begin(relay::Instant now);
  // What is due of each kind, a burst at most.
  void Send(Link& link, relay::Instant now);
  void End(relay::Instant now);

  uint64_t sent() const;
  // "bogus_control 10000 of 10000, ...": sent, and what should have been; empty if there is none.
  std::string Describe() const;

 private:
  void Fill(Kind kind, Outgoing& room);
  void FillBogusControl(Outgoing& room);
  void FillData(Outgoing& room, uint32_t vni);

  std::array<double, kKinds> rates_;
  std::span<const Pair> pairs_;
  const uint32_t attack_;
  const uint32_t leg_;
  const Keyring& keys_;
  Random random_;
  uint32_t next_attack_leg_ = 0;
  uint32_t highest_vni_ = 0;
  std::array<std::optional<Pacer>, kKinds> pacers_;
};

}  // namespace bench

#endif  // RELAYD_BENCH_RELAY_BENCH_HOSTILE_H_
