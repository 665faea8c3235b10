// Handshakes under way: those that bind new pairs, and those that bound legs do again. Without I/O: packets to send
// pile up in an outbox.
#ifndef RELAYD_BENCH_RELAY_BENCH_HANDSHAKES_H_
#define RELAYD_BENCH_RELAY_BENCH_HANDSHAKES_H_

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <queue>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "bench/measure/latency_histogram.h"
#include "bench/measure/result.h"
#include "bench/relay_bench/link.h"
#include "bench/relay_bench/pairs.h"
#include "disco/client_handshake.h"

namespace bench {

// A new pair counts as bound when a stamped packet of its first client has come to its second one: a relay does not say
// that it took an answer, and this proves both. A bound leg's new handshake counts as complete when the relay's
// challenge is answered: whether the answer was taken does not show.
class Handshakes {
 public:
  using Instant = relay::Instant;
  static constexpr relay::Duration kProbeRetry = std::chrono::milliseconds(250);
  static constexpr int kProbes = 4;  // Then the handshakes begin anew.

  struct Options {
    relay::Duration retry = std::chrono::milliseconds(500);
    int tries = 10;
    uint32_t probe_run = 0;  // Of the stamps of probes.
  };
  struct Packet {
    uint32_t leg;
    std::vector<uint8_t> bytes;
  };

  // `pairs` and `keys` outlive it.
  Handshakes(const Options& options, std::span<const Pair> pairs, Keyring& keys)
      : options_(options), pairs_(pairs), keys_(keys) {}

  // Begins to bind both legs of a pair whose endpoint is known.
  absl::Status BindPair(uint32_t pair, Instant now);
  // A bound leg's new handshake. False: one of its pair's is under way.
  bool Rebind(uint32_t leg, Instant now);

  // A control packet that came to `leg` (kUnknownLeg: to one of the two). False: nobody was waiting for it.
  bool HandleControl(uint32_t leg, uint32_t vni, std::span<const uint8_t> packet, Instant now);
  // A probe of this flow came through.
  void HandleProbe(uint32_t flow, Instant now);
  // What is due is sent again or given up.
  void Tick(Instant now);

  // Sends what there is to send, as far as the link takes it.
  void Flush(Link& link);

  bool idle() const { return flights_.empty(); }
  size_t in_flight() const { return flights_.size(); }
  // Pairs that came to be bound, or were given up, since the last call.
  std::vector<uint32_t> TakeBound() { return std::exchange(bound_, {}); }
  std::vector<uint32_t> TakeFailed() { return std::exchange(failed_, {}); }
  uint64_t challenges() const { return challenges_; }  // Ever: 0 is a relay that is not there.

  // Packets sent through the relay to prove a pair: 0 if never both clients of one had an answer.
  uint64_t probes() const { return probe_sequence_; }

  // Legs, since the last Reset; `seconds` is the caller's.
  HandshakeResult result() const;
  void ResetResult();

 private:
  struct Leg {
    std::optional<disco::ClientHandshake> handshake;  // Absent: not under way.
    Instant began{};
    bool answered = false;
    bool first_attempt = true;
  };
  struct Flight {
    uint32_t pair = 0;
    std::array<Leg, 2> legs;
    bool binds = false;  // A new pair's, that ends with a probe.
    int probes = 0;
    int restarts = 0;
    Instant due{};  // The one entry of due_ that counts.
  };
  struct Due {
    Instant at;
    uint32_t vni;
    uint64_t serial;  // Of the flight: a later one of the same VNI has another.
    bool operator>(const Due& other) const { return at > other.at; }
  };
  struct Entry {
    uint64_t serial;
    std::unique_ptr<Flight> flight;
  };

  absl::Status Start(Flight& flight, int side, Instant now);
  void Answered(Flight& flight, Leg& leg, Instant now);
  void SendProbe(Flight& flight);
  void Complete(Leg& leg, Instant now);
  void Finish(uint32_t vni, bool bound);
  bool Retry(Flight& flight, Instant now, Instant& next);
  void Schedule(uint32_t vni, uint64_t serial, Flight& flight, Instant at) {
    flight.due = at;
    due_.push({at, vni, serial});
  }

  const Options options_;
  std::span<const Pair> pairs_;
  Keyring& keys_;
  absl::flat_hash_map<uint32_t, Entry> flights_;  // By VNI.
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
  std::deque<Packet> outbox_;
  std::vector<uint32_t> bound_;
  std::vector<uint32_t> failed_;
  uint64_t serial_ = 0;
  uint64_t probe_sequence_ = 0;
  uint64_t challenges_ = 0;
  HandshakeResult result_;
  LatencyHistogram latency_;
};

}  // namespace bench

#endif  // RELAYD_BENCH_RELAY_BENCH_HANDSHAKES_H_
