#include "bench/relay_bench/handshakes.h"

#include <algorithm>
#include <cstring>

#include "bench/measure/stamp.h"
#include "geneve/geneve.h"

namespace bench {

absl::Status Handshakes::BindPair(uint32_t pair, Instant now) {
  const uint32_t vni = pairs_[pair].vni;
  const auto [it, fresh] = flights_.try_emplace(vni);
  if (!fresh) return absl::UnavailableError("two endpoints have the VNI " + std::to_string(vni));
  it->second = {.serial = ++serial_, .flight = std::make_unique<Flight>()};
  Flight& flight = *it->second.flight;
  flight.pair = pair;
  flight.binds = true;
  for (int side = 0; side < 2; ++side) {
    if (absl::Status started = Start(flight, side, now); !started.ok()) return started;
    ++result_.started;
  }
  Schedule(vni, serial_, flight, now + options_.retry);
  return absl::OkStatus();
}

bool Handshakes::Rebind(uint32_t leg, Instant now) {
  const uint32_t vni = pairs_[PairOf(leg)].vni;
  const auto [it, fresh] = flights_.try_emplace(vni);
  if (!fresh) return false;
  it->second = {.serial = ++serial_, .flight = std::make_unique<Flight>()};
  it->second.flight->pair = PairOf(leg);
  if (!Start(*it->second.flight, static_cast<int>(DirectionOf(leg)), now).ok()) {
    flights_.erase(vni);
    return false;
  }
  ++result_.started;
  Schedule(vni, serial_, *it->second.flight, now + options_.retry);
  return true;
}

// The first handshake of a leg, or once more with the next generation.
absl::Status Handshakes::Start(Flight& flight, int side, Instant now) {
  const Pair& pair = pairs_[flight.pair];
  const auto index = static_cast<size_t>(side);
  Leg& leg = flight.legs[index];
  if (!leg.handshake) {
    auto shared = keys_.Shared(pair.keys[index], pair.server);
    if (!shared.ok()) return shared.status();
    leg.handshake.emplace(
        disco::ClientHandshake::Options{.self = keys_.public_key(pair.keys[index]),
                                        .server = keys_.server(pair.server),
                                        .peer = keys_.public_key(pair.keys[1 - index]),
                                        .shared = *shared,
                                        .vni = pair.vni,
                                        .first_generation = static_cast<uint32_t>(serial_ % UINT32_MAX + 1),
                                        .retry = std::chrono::duration_cast<std::chrono::milliseconds>(options_.retry),
                                        .max_binds = options_.tries});
    leg.began = now;
  }
  leg.answered = false;
  outbox_.push_back({FlowOf(flight.pair, static_cast<uint32_t>(side)), leg.handshake->Start(now)});
  return absl::OkStatus();
}

bool Handshakes::HandleControl(uint32_t to, uint32_t vni, std::span<const uint8_t> packet, Instant now) {
  const auto it = flights_.find(vni);
  if (it == flights_.end()) return false;
  Flight& flight = *it->second.flight;
  for (uint32_t side = 0; side < 2; ++side) {
    Leg& leg = flight.legs[side];
    const uint32_t number = FlowOf(flight.pair, side);
    if (!leg.handshake || (to != kUnknownLeg && to != number)) continue;
    auto answer = leg.handshake->HandlePacket(packet);
    if (!answer) continue;
    ++challenges_;
    outbox_.push_back({number, *std::move(answer)});
    if (leg.answered) return true;  // The challenge of a bind that was sent twice.
    leg.answered = true;
    if (!flight.binds) {
      Complete(leg, now);
      flights_.erase(vni);
    } else if (flight.legs[0].answered && flight.legs[1].answered) {
      flight.probes = 1;
      SendProbe(flight);
      Schedule(vni, it->second.serial, flight, now + kProbeRetry);
    }
    return true;
  }
  return false;
}

void Handshakes::SendProbe(Flight& flight) {
  std::vector<uint8_t> packet(kMinPayload);
  geneve::Write({.vni = pairs_[flight.pair].vni, .protocol = geneve::kProtocolWireGuard},
                std::span(packet).first<geneve::kHeaderSize>());
  const uint32_t flow = FlowOf(flight.pair, 0);
  WriteStamp(std::span(packet).subspan(geneve::kHeaderSize),
             {.run = options_.probe_run, .flow = flow, .sequence = probe_sequence_++}, Coverage::kAll);
  outbox_.push_back({flow, std::move(packet)});
}

void Handshakes::HandleProbe(uint32_t flow, Instant now) {
  if (PairOf(flow) >= pairs_.size()) return;
  const uint32_t vni = pairs_[PairOf(flow)].vni;
  const auto it = flights_.find(vni);
  if (it == flights_.end() || !it->second.flight->binds || it->second.flight->probes == 0) return;
  for (Leg& leg : it->second.flight->legs) Complete(leg, now);
  Finish(vni, true);
}

void Handshakes::Complete(Leg& leg, Instant now) {
  ++result_.completed;
  if (leg.first_attempt) ++result_.first_attempt;
  latency_.Record((now - leg.began).count());
}

void Handshakes::Finish(uint32_t vni, bool bound) {
  const auto it = flights_.find(vni);
  if (it->second.flight->binds) (bound ? bound_ : failed_).push_back(it->second.flight->pair);
  flights_.erase(it);
}

// Sends again what has had no answer; `next` is when to look again. False: given up.
bool Handshakes::Retry(Flight& flight, Instant now, Instant& next) {
  next = now + options_.retry;
  bool all_answered = true;
  for (uint32_t side = 0; side < 2; ++side) {
    Leg& leg = flight.legs[side];
    if (!leg.handshake || leg.answered) continue;
    all_answered = false;
    if (const auto deadline = leg.handshake->deadline(); deadline && now < *deadline) {
      next = std::min(next, *deadline);
      continue;
    }
    leg.first_attempt = false;
    auto bind = leg.handshake->Tick(now);
    if (!bind) return false;
    outbox_.push_back({FlowOf(flight.pair, side), *std::move(bind)});
  }
  if (!all_answered) return true;
  if (flight.probes < kProbes) {
    ++flight.probes;
    SendProbe(flight);
    next = now + kProbeRetry;
    return true;
  }
  // An answer was lost: nothing but a new handshake makes the relay take another.
  if (++flight.restarts >= options_.tries) return false;
  flight.probes = 0;
  for (int side = 0; side < 2; ++side) {
    flight.legs[static_cast<size_t>(side)].first_attempt = false;
    if (!Start(flight, side, now).ok()) return false;
  }
  return true;
}

void Handshakes::Tick(Instant now) {
  while (!due_.empty() && due_.top().at <= now) {
    const Due due = due_.top();
    due_.pop();
    const auto it = flights_.find(due.vni);
    if (it == flights_.end() || it->second.serial != due.serial || it->second.flight->due != due.at) continue;
    Flight& flight = *it->second.flight;
    Instant next;
    if (Retry(flight, now, next)) {
      Schedule(due.vni, due.serial, flight, next);
    } else {
      Finish(due.vni, false);
    }
  }
}

void Handshakes::Flush(Link& link) {
  while (!outbox_.empty()) {
    const auto wanted = static_cast<uint32_t>(std::min<size_t>(outbox_.size(), kMaxBurst));
    const std::span<Outgoing> rooms = link.Prepare(wanted, Link::Use::kAny);
    for (size_t i = 0; i < rooms.size(); ++i) {
      const Packet& packet = outbox_[i];
      std::memcpy(rooms[i].payload, packet.bytes.data(), packet.bytes.size());
      rooms[i].size = static_cast<uint32_t>(packet.bytes.size());
      rooms[i].leg = packet.leg;
    }
    const uint32_t sent = link.Send(static_cast<uint32_t>(rooms.size()));
    outbox_.erase(outbox_.begin(), outbox_.begin() + sent);
    if (sent < wanted) return;  // Later.
  }
}

HandshakeResult Handshakes::result() const {
  HandshakeResult result = result_;
  result.latency = latency_.Summary();
  return result;
}

void Handshakes::ResetResult() {
  result_ = {};
  latency_.Clear();
}

}  // namespace bench
