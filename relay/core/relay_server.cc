#include "relay/core/relay_server.h"

#include <sodium.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <utility>

namespace relay {
namespace {

using disco::BindCommon;
using disco::MessageType;

// The largest UDP payload: a control message with trailing bytes is opened whole, whatever its length.
constexpr size_t kMaxClear = 65536;

int64_t MacPeriod(Instant now) { return ToNs(now) / kMacSecretLifetime.count(); }

}  // namespace

RelayServer::RelayServer(EndpointTable& table, const disco::PublicKey& self, ServerCrypto crypto, Options options)
    : table_(table), self_(self), crypto_(std::move(crypto)), options_(options) {}

Verdict RelayServer::Decide(WorkerContext& worker, const Parsed& p, const Path& from, std::span<const uint8_t> packet,
                            uint32_t packets, Instant now, Reply& reply) const {
  if (p.kind == Parsed::Kind::kData) {
    Verdict verdict;
    if (ForwardByFlow(worker, p, from, packet.size(), packets, now, verdict)) return verdict;
    DataVerdict data = DecideData(worker, p, from, packet.size(), packets, now);
    if (!data.forward) return Verdict::Drop(data.reason);
    verdict.action = Verdict::Action::kForward;
    verdict.other_mac = data.other_mac;
    data.to.Store(verdict.to);
    return verdict;
  }
  if (p.kind == Parsed::Kind::kBad) return Verdict::Drop(p.reason);
  return HandleControl(worker, *geneve::Parse(packet), from, packet.subspan(geneve::kHeaderSize), now, reply);
}

bool RelayServer::ForwardByFlow(const WorkerContext& worker, const Parsed& p, const Path& from, size_t bytes,
                                uint32_t packets, Instant now, Verdict& verdict) const {
  const PathWords words = PathWords::Of(from);
  if (!Ipv4Path::Fits(words)) return false;
  const Sender sender = table_.FindSender(p.vni, SourceWord(from.remote));
  if (sender.endpoint == nullptr) return false;
  Ipv4Path to;
  if (!ForwardIpv4(worker, sender, Ipv4Path::Of(words), bytes, packets, now, to, verdict.other_mac)) return false;
  verdict.action = Verdict::Action::kForward;
  to.Store(verdict.to);
  return true;
}

// What the flows do not know: whatever is to be dropped, two legs of one address, and a binding that changes just now.
[[gnu::noinline]] DataVerdict RelayServer::DecideByBindings(const WorkerContext& worker, Endpoint& endpoint,
                                                            const Path& from, size_t bytes, uint32_t packets,
                                                            Instant now) {
  const Binding::Match first = endpoint.binding[0].Matches(from.remote);
  const Binding::Match second = endpoint.binding[1].Matches(from.remote);
  const bool is_first = first == Binding::Match::kSame;
  const bool is_second = second == Binding::Match::kSame;
  if (first == Binding::Match::kNotBound || !(is_first || is_second)) {
    return DataVerdict::Drop(WhyNot(first, second, from.remote));
  }
  const size_t leg = is_first ? 0 : 1;
  const bool other_mac = from.link.port != 0 && endpoint.binding[leg].HasOtherMac(from);
  const DataVerdict verdict = ForwardTo(worker, endpoint, leg, other_mac, bytes, packets, now);
  // Two legs that share one address cannot be told apart: what is heard from it is heard of both.
  if (verdict.forward && is_first && is_second) endpoint.flow[1].Touch(ToNs(now));
  return verdict;
}

// Neither leg is the sender's, or one that must be is not bound yet.
DropReason RelayServer::WhyNot(Binding::Match first, Binding::Match second, const AddrPort& source) {
  if (first == Binding::Match::kNotBound || second == Binding::Match::kNotBound) return DropReason::kNotBound;
  return IsRefusedSource(source) ? DropReason::kRefusedSource : DropReason::kUnknownSource;
}

bool RelayServer::FollowLink(uint32_t vni, const Path& from, Instant now) const {
  Endpoint* const endpoint = table_.Find(vni);
  if (endpoint == nullptr) return false;
  // In eighths of a second, of which nine are more than a second: 1 to 255, and round again. A change that comes 32
  // seconds after the last one may be put off for a second by that.
  constexpr int kInterval = 9;
  constexpr int kRound = 255;
  const auto eighths = static_cast<uint8_t>(1 + ToNs(now) / 125'000'000 % kRound);
  const auto may_follow = [&](size_t leg, Path& path) {
    if (!endpoint->binding[leg].Load(path) || path.remote != from.remote || path.link == from.link) return false;
    if (path.link.port != from.link.port || path.link.vlan != from.link.vlan) return false;
    const uint8_t last = endpoint->followed_[leg].load(std::memory_order_relaxed);
    return last == 0 || (eighths - last + kRound) % kRound >= kInterval;
  };
  // Without the lock first: two gateways that take turns are asked about at every packet.
  Path path;
  if (!may_follow(0, path) && !may_follow(1, path)) return false;
  bool changed = false;
  const std::lock_guard lock(endpoint->lock_);
  if (endpoint->Has(Endpoint::kClosed)) return false;
  for (size_t leg = 0; leg < 2; ++leg) {
    if (!may_follow(leg, path)) continue;
    endpoint->followed_[leg].store(eighths, std::memory_order_relaxed);
    path.link = from.link;
    table_.Bind(*endpoint, leg, path);
    changed = true;
  }
  return changed;
}

// Cheap checks first: only what passes them all spends tokens, so junk cannot starve a handshake.
[[gnu::noinline]] Verdict RelayServer::HandleControl(WorkerContext& worker, const geneve::Header& header,
                                                     const Path& from, std::span<const uint8_t> body, Instant now,
                                                     Reply& reply) const {
  if (header.protocol != geneve::kProtocolDisco) return Verdict::Drop(DropReason::kControlNotDisco);
  disco::WrapperError error{};
  const std::optional<disco::Wrapper> wrapper = disco::ReadWrapper(body, &error);
  if (!wrapper) {
    return Verdict::Drop(error == disco::WrapperError::kShort ? DropReason::kShort : DropReason::kBadMagic);
  }
  if (IsRefusedSource(from.remote)) return Verdict::Drop(DropReason::kRefusedSource);
  Endpoint* const endpoint = table_.Find(header.vni);
  if (endpoint == nullptr) return Verdict::Drop(DropReason::kUnknownVni);
  const int leg = endpoint->LegOf(wrapper->sender);
  if (leg < 0) return Verdict::Drop(DropReason::kUnknownDiscoKey);

  const auto leg_index = static_cast<size_t>(leg);
  std::atomic<int64_t>& leg_bucket_ns = endpoint->activity(leg_index).bucket_ns;
  if (!kLegBucket.Take(leg_bucket_ns, now)) return Verdict::Drop(DropReason::kControlRateLimited);
  // A flood of boxes that do not open, in the names of however many legs, leaves half of the burst to all others, and
  // so all that is refilled.
  const TokenBucket& budget = worker.control_bucket;
  const int64_t half_ns = std::min(budget.depth_ns / 2, budget.depth_ns - budget.interval_ns);
  if (!budget.Take(worker.control_bucket_ns, now, endpoint->is_suspect(leg_index) ? half_ns : 0)) {
    return Verdict::Drop(DropReason::kControlRateLimited);
  }

  std::array<uint8_t, kMaxClear> buffer;  // Not initialised: Open writes what is read.
  const auto clear = disco::Open(*wrapper, endpoint->shared(leg), buffer);
  endpoint->set_suspect(leg_index, !clear);
  if (!clear) return Verdict::Drop(DropReason::kOpenFailed);
  if (clear->size() < disco::kMessageHeaderSize) return Verdict::Drop(DropReason::kBadMessage);
  const auto type = static_cast<MessageType>((*clear)[0]);
  if (type != MessageType::kBindUdpRelayEndpoint && type != MessageType::kBindUdpRelayEndpointAnswer) {
    return Verdict::Drop(DropReason::kBadMessage);
  }
  const std::span<const uint8_t> payload = clear->subspan(disco::kMessageHeaderSize);
  if (payload.size() >= disco::kBindCommonSize) {
    const BindCommon bind = disco::ReadBindCommon(payload.first<disco::kBindCommonSize>());
    return HandleHandshake(worker, *endpoint, leg, type, bind, from, now, reply);
  }
  if (payload.size() == disco::kFirstDialectPayloadSize && options_.first_dialect) {
    return HandleFirstDialect(worker, *endpoint, leg, type, payload.first<disco::kFirstDialectPayloadSize>(), from, now,
                              reply);
  }
  return Verdict::Drop(DropReason::kBadMessage);
}

Verdict RelayServer::HandleHandshake(WorkerContext& worker, Endpoint& endpoint, int leg, MessageType type,
                                     const BindCommon& bind, const Path& from, Instant now, Reply& reply) const {
  if (bind.vni != endpoint.vni()) return Verdict::Drop(DropReason::kVniMismatch);
  if (bind.remote_key != endpoint.clients()[static_cast<size_t>(1 - leg)]) {
    return Verdict::Drop(DropReason::kRemoteKeyMismatch);
  }
  if (bind.generation == 0) return Verdict::Drop(DropReason::kGenerationZero);

  Binding& binding = endpoint.binding[static_cast<size_t>(leg)];
  if (type == MessageType::kBindUdpRelayEndpoint) {
    {
      const std::lock_guard lock(endpoint.lock_);
      binding.generation.store(bind.generation, std::memory_order_relaxed);
      if (!binding.IsBound()) binding.Pin({});
    }
    BindCommon challenge = bind;
    challenge.challenge = ChallengeMac(bind, from.remote, MacPeriod(now));
    std::array<uint8_t, disco::kBindMessageSize> clear;
    disco::WriteBindMessage(MessageType::kBindUdpRelayEndpointChallenge, challenge, clear);
    return Challenge(worker, endpoint, leg, clear, from, reply);
  }

  if (binding.generation.load(std::memory_order_relaxed) != bind.generation) {
    return Verdict::Drop(DropReason::kStaleGeneration);
  }
  for (const int64_t period : {MacPeriod(now), MacPeriod(now) - 1}) {
    const ServerCrypto::Mac mac = ChallengeMac(bind, from.remote, period);
    if (sodium_memcmp(mac.data(), bind.challenge.data(), mac.size()) == 0) {
      return Commit(worker, endpoint, leg, from, bind.generation, now);
    }
  }
  return Verdict::Drop(DropReason::kMacMismatch);
}

// The 2025-03 dialect: no generation; a leg's first bind pins its source, and a bound leg ignores all of it.
Verdict RelayServer::HandleFirstDialect(WorkerContext& worker, Endpoint& endpoint, int leg, MessageType type,
                                        std::span<const uint8_t, disco::kFirstDialectPayloadSize> payload,
                                        const Path& from, Instant now, Reply& reply) const {
  const auto index = static_cast<size_t>(leg);
  if (type == MessageType::kBindUdpRelayEndpoint) {
    {
      const std::lock_guard lock(endpoint.lock_);
      Binding& binding = endpoint.binding[index];
      if (binding.IsBound()) return Verdict::Drop(DropReason::kStaleGeneration);
      if (binding.pin().port != 0 && binding.pin() != from.remote) return Verdict::Drop(DropReason::kUnknownSource);
      binding.Pin(from.remote);
    }
    std::array<uint8_t, disco::kFirstDialectMessageSize> clear;
    disco::WriteFirstDialectMessage(MessageType::kBindUdpRelayEndpointChallenge,
                                    crypto_.first_dialect_challenge(endpoint, leg), clear);
    return Challenge(worker, endpoint, leg, clear, from, reply);
  }

  {
    const std::lock_guard lock(endpoint.lock_);
    if (endpoint.binding[index].IsBound() || endpoint.binding[index].pin() != from.remote) {
      return Verdict::Drop(DropReason::kStaleGeneration);
    }
  }
  const disco::Challenge challenge = crypto_.first_dialect_challenge(endpoint, leg);
  if (sodium_memcmp(challenge.data(), payload.data(), challenge.size()) != 0) {
    return Verdict::Drop(DropReason::kMacMismatch);
  }
  return Commit(worker, endpoint, leg, from, std::nullopt, now);
}

// `generation`: the handshake that this ends; nullopt in the first dialect, which has the pin instead.
Verdict RelayServer::Commit(WorkerContext& worker, Endpoint& endpoint, int leg, const Path& from,
                            std::optional<uint32_t> generation, Instant now) const {
  const auto index = static_cast<size_t>(leg);
  Binding& binding = endpoint.binding[index];
  Flow& flow = endpoint.flow[index];
  const std::lock_guard lock(endpoint.lock_);
  if (endpoint.Has(Endpoint::kClosed)) return Verdict::Drop(DropReason::kUnknownVni);
  const bool bound_before = binding.IsBound();
  const bool open_before = endpoint.IsOpen();
  if (generation) {
    // Another worker may have taken this handshake's answer, or a newer bind, since the check.
    if (binding.generation.load(std::memory_order_relaxed) != *generation) {
      return Verdict::Drop(DropReason::kStaleGeneration);
    }
    binding.generation.store(0, std::memory_order_relaxed);
  } else if (bound_before || binding.pin() != from.remote) {
    return Verdict::Drop(DropReason::kStaleGeneration);
  }
  if (!bound_before) flow.owner.store(worker.id, std::memory_order_relaxed);
  endpoint.set_first_dialect(index, !generation.has_value());
  flow.Touch(ToNs(now));
  table_.Bind(endpoint, index, from);
  if (!open_before && endpoint.IsOpen()) table_.CountOpened(endpoint);
  worker.counters->Handshake(bound_before ? HandshakeResult::kRebound : HandshakeResult::kBound);
  return Verdict::Accepted();
}

Verdict RelayServer::Challenge(WorkerContext& worker, const Endpoint& endpoint, int leg, std::span<const uint8_t> clear,
                               const Path& from, Reply& reply) const {
  const std::span<uint8_t> out(reply.bytes);
  geneve::Write({.vni = endpoint.vni(), .protocol = geneve::kProtocolDisco, .version = 0, .control = true},
                out.first<geneve::kHeaderSize>());
  reply.size = geneve::kHeaderSize +
               disco::Seal(self_, endpoint.shared(leg), crypto_.nonce(), clear, out.subspan(geneve::kHeaderSize));
  worker.counters->Handshake(HandshakeResult::kChallenged);
  return {.action = Verdict::Action::kReply, .reason = {}, .other_mac = false, .to = from};
}

// The input is the reference's (tailscale net/udprelay blakeMACFromBindMsg) with the scope as a number and not a name:
// VNI, generation, remote key, address (4 or 16 bytes), scope (4, link-local only), port (little-endian, as Go's
// netip.AddrPort.AppendBinary has it).
ServerCrypto::Mac RelayServer::ChallengeMac(const BindCommon& bind, const AddrPort& source, int64_t period) const {
  std::array<uint8_t, 4 + 4 + disco::kKeySize + 16 + 4 + 2> message;
  wire::Writer writer(message);
  writer.U32(bind.vni);
  writer.U32(bind.generation);
  writer.Bytes(bind.remote_key.bytes);
  const std::span<const uint8_t> ip(source.ip);
  writer.Bytes(source.IsIpv4() ? ip.last(4) : ip);
  if (source.scope != 0) writer.U32(source.scope);
  writer.U8(static_cast<uint8_t>(source.port));
  writer.U8(static_cast<uint8_t>(source.port >> 8));
  return crypto_.mac(crypto_.mac_secret(period), writer.written());
}

}  // namespace relay
