// The relay protocol without I/O: (path, bytes, now) in, verdict out. docs/PROTOCOL.md has the bytes; the reference is
// tailscale net/udprelay Server.handlePacket.
#ifndef RELAYD_RELAY_CORE_RELAY_SERVER_H_
#define RELAYD_RELAY_CORE_RELAY_SERVER_H_

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "disco/messages.h"
#include "disco/packet.h"
#include "geneve/geneve.h"
#include "relay/core/counters.h"
#include "relay/core/endpoint_table.h"
#include "relay/core/path.h"
#include "relay/core/time.h"
#include "relay/core/token_bucket.h"

namespace relay {

// A leg's handshake messages, before the costly work: two a second is normal, a roaming client sends a handful.
inline constexpr TokenBucket kLegBucket = TokenBucket::Of(20, 40);
// The challenge's secret lives this long and then once more as the previous one.
inline constexpr Duration kMacSecretLifetime = std::chrono::minutes(2);

struct Verdict {
  enum class Action : uint8_t {
    kDrop,      // Count it under `reason`.
    kForward,   // Send the packet as it is to `to`.
    kReply,     // Send the reply to `to`, which is where the packet came from.
    kAccepted,  // A valid answer; nothing is sent.
  };
  Action action = Action::kDrop;
  DropReason reason = DropReason::kBadGeneve;
  // kForward: the sender's frame came from another MAC address than its leg is answered at; see FollowLink.
  bool other_mac = false;
  Path to;

  static Verdict Drop(DropReason reason) {
    return {.action = Action::kDrop, .reason = reason, .other_mac = false, .to = {}};
  }
  static Verdict Accepted() { return {.action = Action::kAccepted, .reason = {}, .other_mac = false, .to = {}}; }
  friend bool operator==(const Verdict& a, const Verdict& b) {
    if (a.action != b.action) return false;
    return a.action == Action::kDrop ? a.reason == b.reason : a.action == Action::kAccepted || a.to == b.to;
  }
};

// Of data, which is forwarded or dropped: the same in registers.
struct DataVerdict {
  bool forward = false;
  DropReason reason = DropReason::kBadGeneve;
  bool other_mac = false;
  PathWords to{};

  static DataVerdict Drop(DropReason reason) {
    return {.forward = false, .reason = reason, .other_mac = false, .to = {}};
  }
};

// Room for one reply: a whole UDP payload, never longer than the packet it answers.
struct Reply {
  static constexpr size_t kMaxSize = geneve::kHeaderSize + disco::kSealedOverhead + disco::kBindMessageSize;
  std::array<uint8_t, kMaxSize> bytes;
  size_t size = 0;
  std::span<const uint8_t> span() const { return std::span(bytes).first(size); }
};

// What one worker brings to every call. Owned and used by one thread.
struct WorkerContext {
  uint16_t id = 0;  // Below the Qsbr's max_workers.
  Counters* counters = nullptr;
  // This worker's budget for handshake messages that have passed the cheap checks.
  TokenBucket control_bucket = TokenBucket::Of(100'000, 10'000);
  std::atomic<int64_t> control_bucket_ns{0};
};

// The control_bucket for --control_rate: bursts of a tenth of a second.
constexpr TokenBucket WorkerControlBucket(uint64_t rate_per_s) {
  const auto rate = static_cast<int64_t>(std::clamp<uint64_t>(rate_per_s, 1, 1'000'000'000));
  return TokenBucket::Of(rate, std::max<int64_t>(rate / 10, 1));
}

// Keyed functions that tests replace, to replay packets of the reference implementation.
struct ServerCrypto {
  using Mac = std::array<uint8_t, disco::kChallengeSize>;
  using Secret = std::array<uint8_t, 32>;
  // MAC over (VNI, generation, remote key, source): keyed BLAKE2b.
  std::function<Mac(const Secret& secret, std::span<const uint8_t> message)> mac;
  // The secret of a rotation period (time / kMacSecretLifetime): unpredictable, and the same for all workers.
  std::function<Secret(int64_t period)> mac_secret;
  // First dialect: 32 bytes per endpoint and leg that cannot be guessed.
  std::function<disco::Challenge(const Endpoint& endpoint, int leg)> first_dialect_challenge;
  std::function<disco::Nonce()> nonce;

  // The production functions, keyed by randomness of this process's own.
  static ServerCrypto Production();
};

// What a burst keeps of a datagram's Geneve header, or why it has none.
struct Parsed {
  enum class Kind : uint8_t { kBad, kControl, kData };
  uint32_t vni = 0;
  Kind kind = Kind::kBad;
  DropReason reason = DropReason::kBadGeneve;  // kBad.

  // What geneve::Parse reads, as far as it is kept: by way of its header it took a dozen instructions more, and a stall
  // where a struct written in bytes is copied in words (6 ns, bench/core_bench HandlePacket/1).
  void Read(std::span<const uint8_t> packet) {
    if (packet.size() < geneve::kHeaderSize) [[unlikely]]
      return Set(Kind::kBad, DropReason::kBadGeneve);
    const uint32_t first = wire::LoadBe32(packet.first<4>());
    vni = wire::LoadBe32(packet.subspan<4, 4>()) >> 8;
    if (first >> 30 != 0) [[unlikely]]
      return Set(Kind::kBad, DropReason::kUnknownVersion);
    kind = (first & geneve::kControlBit) == 0 ? Kind::kData : Kind::kControl;
  }
  void Set(Kind the_kind, DropReason the_reason) {
    kind = the_kind;
    reason = the_reason;
  }
};

class RelayServer {
 public:
  struct Options {
    bool first_dialect = true;
  };

  // `table` outlives the server.
  RelayServer(EndpointTable& table, const disco::PublicKey& self, ServerCrypto crypto, Options options);

  // The whole of it, for one datagram. Any number of workers may call, each with its own context and online in the
  // Qsbr.
  Verdict HandlePacket(WorkerContext& worker, const Path& from, std::span<const uint8_t> packet, Instant now,
                       Reply& reply) const {
    return Decide(worker, Parse(packet), from, packet, 1, now, reply);
  }

  // The same in stages, for bursts: parse and prefetch the slot of each; prefetch its flow some packets later, and
  // decide some packets after that.
  static Parsed Parse(std::span<const uint8_t> packet) {
    Parsed parsed;
    parsed.Read(packet);
    return parsed;
  }
  void PrefetchSlot(const Parsed& p) const { table_.PrefetchSlot(p.vni); }
  // `source_word`: the packet's. What is found is for workers that are neither quiescent nor offline before they
  // decide.
  Sender PrefetchSender(const Parsed& p, uint64_t source_word) const {
    return table_.PrefetchSender(p.vni, source_word);
  }
  // `packets` > 1: `packet` is a whole GRO train of that many datagrams, each with the header `p`, O clear; it is
  // forwarded or dropped as one.
  Verdict Decide(WorkerContext& worker, const Parsed& p, const Path& from, std::span<const uint8_t> packet,
                 uint32_t packets, Instant now, Reply& reply) const;
  // Decide, of Kind::kData of which ForwardIpv4 said no: only the size counts.
  DataVerdict DecideData(const WorkerContext& worker, const Parsed& p, const Path& from, size_t bytes, uint32_t packets,
                         Instant now) const;
  // What Decide does with nearly all data, in registers: `to` is where it goes. False: it takes Decide to tell, and
  // nothing was done.
  static bool ForwardIpv4(const WorkerContext& worker, const Sender& sender, const Ipv4Path& from, size_t bytes,
                          uint32_t packets, Instant now, Ipv4Path& to, bool& other_mac);

  // For back ends that build frames themselves: the leg that is bound to from.remote is answered at from.link's MAC
  // address from now on, where port and VLAN are those that it bound by; at most once a second a leg. The caller has
  // made sure that there is such a neighbour. False: nothing changed. Any worker, online in the Qsbr.
  bool FollowLink(uint32_t vni, const Path& from, Instant now) const;

  const disco::PublicKey& public_key() const { return self_; }

 private:
  bool ForwardByFlow(const WorkerContext& worker, const Parsed& p, const Path& from, size_t bytes, uint32_t packets,
                     Instant now, Verdict& verdict) const;
  static DataVerdict DecideByBindings(const WorkerContext& worker, Endpoint& endpoint, const Path& from, size_t bytes,
                                      uint32_t packets, Instant now);
  static DataVerdict ForwardTo(const WorkerContext& worker, Endpoint& endpoint, size_t leg, bool other_mac,
                               size_t bytes, uint32_t packets, Instant now);
  static DropReason WhyNot(Binding::Match first, Binding::Match second, const AddrPort& source);
  Verdict HandleControl(WorkerContext& worker, const geneve::Header& header, const Path& from,
                        std::span<const uint8_t> body, Instant now, Reply& reply) const;
  Verdict HandleHandshake(WorkerContext& worker, Endpoint& endpoint, int leg, disco::MessageType type,
                          const disco::BindCommon& bind, const Path& from, Instant now, Reply& reply) const;
  Verdict HandleFirstDialect(WorkerContext& worker, Endpoint& endpoint, int leg, disco::MessageType type,
                             std::span<const uint8_t, disco::kFirstDialectPayloadSize> payload, const Path& from,
                             Instant now, Reply& reply) const;
  Verdict Commit(WorkerContext& worker, Endpoint& endpoint, int leg, const Path& from,
                 std::optional<uint32_t> generation, Instant now) const;
  Verdict Challenge(WorkerContext& worker, const Endpoint& endpoint, int leg, std::span<const uint8_t> clear,
                    const Path& from, Reply& reply) const;
  ServerCrypto::Mac ChallengeMac(const disco::BindCommon& bind, const AddrPort& source, int64_t period) const;

  EndpointTable& table_;
  const disco::PublicKey self_;
  const ServerCrypto crypto_;
  const Options options_;
};

// What nearly every packet comes through: here, so that the workers' loops have it inline.
[[gnu::always_inline]] inline bool RelayServer::ForwardIpv4(const WorkerContext& worker, const Sender& sender,
                                                            const Ipv4Path& from, size_t bytes, uint32_t packets,
                                                            Instant now, Ipv4Path& to, bool& other_mac) {
  Flow& flow = sender.endpoint->flow[sender.leg];
  if (!flow.Match(from, to, other_mac)) [[unlikely]]
    return false;
  sender.endpoint->CountSent(sender.leg, worker.id, packets, bytes);
  flow.Touch(ToNs(now));
  return true;
}

[[gnu::always_inline]] inline DataVerdict RelayServer::DecideData(const WorkerContext& worker, const Parsed& p,
                                                                  const Path& from, size_t bytes, uint32_t packets,
                                                                  Instant now) const {
  const Sender sender = table_.FindSender(p.vni, SourceWord(from.remote));
  if (sender.endpoint == nullptr) [[unlikely]]
    return DataVerdict::Drop(DropReason::kUnknownVni);
  Endpoint& endpoint = *sender.endpoint;
  bool other_mac = false;
  if (endpoint.flow[sender.leg].MatchSender(from, other_mac)) [[likely]]
    return ForwardTo(worker, endpoint, sender.leg, other_mac, bytes, packets, now);
  return DecideByBindings(worker, endpoint, from, bytes, packets, now);
}

[[gnu::always_inline]] inline DataVerdict RelayServer::ForwardTo(const WorkerContext& worker, Endpoint& endpoint,
                                                                 size_t leg, bool other_mac, size_t bytes,
                                                                 uint32_t packets, Instant now) {
  PathWords to = endpoint.binding[1 - leg].Load();  // Not const, nor what it becomes: g++ 12 keeps those in memory.
  if (to.remote_port() == 0) [[unlikely]]
    return DataVerdict::Drop(DropReason::kNotBound);
  endpoint.CountSent(leg, worker.id, packets, bytes);
  endpoint.flow[leg].Touch(ToNs(now));
  return {.forward = true, .reason = {}, .other_mac = other_mac, .to = to};
}

}  // namespace relay

#endif  // RELAYD_RELAY_CORE_RELAY_SERVER_H_
