#include "bench/relay_bench/hostile.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "disco/messages.h"
#include "disco/packet.h"
#include "geneve/geneve.h"

namespace bench {
namespace {

constexpr std::array<const char*, Hostile::kKinds> kNames = {"bogus_control", "unknown_vni", "wrong_source", "random"};
constexpr uint32_t kDataSize = 72;
constexpr size_t kBindSize = geneve::kHeaderSize + disco::kSealedOverhead + disco::kBindMessageSize;

}  // namespace

Hostile::Hostile(const HostileRates& rates, std::span<const Pair> pairs, uint32_t attack, uint32_t leg,
                 const Keyring& keys, uint64_t seed)
    : rates_{rates.bogus_control, rates.unknown_vni, rates.wrong_source, rates.random},
      pairs_(pairs),
      attack_(attack),
      leg_(leg),
      keys_(keys),
      random_(seed) {}

void Hostile::Begin(relay::Instant now) {
  for (const Pair& pair : pairs_) highest_vni_ = std::max(highest_vni_, pair.vni);
  for (size_t kind = 0; kind < kKinds; ++kind) {
    if (rates_[kind] > 0) pacers_[kind].emplace(Pacer::Options{.per_second = rates_[kind]}, relay::ToNs(now));
  }
}

void Hostile::Send(Link& link, relay::Instant now) {
  for (size_t kind = 0; kind < kKinds; ++kind) {
    if (!pacers_[kind]) continue;
    const Pacer::Due due = pacers_[kind]->Look(relay::ToNs(now), kMaxBurst / 2);
    if (due.count == 0) continue;
    const std::span<Outgoing> rooms = link.Prepare(due.count, Link::Use::kAny);
    for (Outgoing& room : rooms) Fill(static_cast<Kind>(kind), room);
    pacers_[kind]->Sent(link.Send(static_cast<uint32_t>(rooms.size())));
  }
}

void Hostile::Fill(Kind kind, Outgoing& room) {
  room.leg = leg_;
  switch (kind) {
    case kBogusControl:
      return FillBogusControl(room);
    case kUnknownVni: {
      // VNIs are given out in rising order: those above all of ours are nobody's, if the relay is ours alone.
      const uint32_t above = geneve::kMaxVni - highest_vni_;
      return FillData(room, above > 0 ? geneve::kMaxVni - random_.Below(above) : 0);
    }
    case kWrongSource: {
      const auto good = static_cast<uint32_t>(pairs_.size()) - attack_;
      return FillData(room, pairs_[attack_ + random_.Below(good)].vni);
    }
    case kRandom:
      room.size = random_.Below(kMaxRandom);
      for (uint32_t at = 0; at < room.size; at += 8) {
        const uint64_t bytes = random_.Next();
        std::memcpy(room.payload + at, &bytes, std::min<size_t>(sizeof(bytes), room.size - at));
      }
      return;
  }
}

// A bind as its client would send it, but for the box, which holds noise.
void Hostile::FillBogusControl(Outgoing& room) {
  const uint32_t leg = next_attack_leg_;
  next_attack_leg_ = (next_attack_leg_ + 1) % (attack_ * 2);
  const Pair& pair = pairs_[PairOf(leg)];
  const std::span<uint8_t> packet(room.payload, kBindSize);
  geneve::Write({.vni = pair.vni, .protocol = geneve::kProtocolDisco, .control = true},
                packet.first<geneve::kHeaderSize>());
  wire::Writer writer(packet.subspan(geneve::kHeaderSize));
  writer.Bytes(disco::kMagic);
  writer.Bytes(keys_.public_key(pair.keys[DirectionOf(leg)]).bytes);
  for (size_t at = geneve::kHeaderSize + writer.size(); at < kBindSize; at += 8) {
    const uint64_t noise = random_.Next();
    std::memcpy(&packet[at], &noise, std::min<size_t>(sizeof(noise), kBindSize - at));
  }
  room.size = kBindSize;
  room.leg = leg;
}

void Hostile::FillData(Outgoing& room, uint32_t vni) {
  room.size = kDataSize;
  std::memset(room.payload, 0, kDataSize);
  geneve::Write({.vni = vni, .protocol = geneve::kProtocolWireGuard},
                std::span<uint8_t, geneve::kHeaderSize>(room.payload, geneve::kHeaderSize));
}

void Hostile::End(relay::Instant now) {
  for (auto& pacer : pacers_) {
    if (pacer) pacer->Finish(relay::ToNs(now));
  }
}

uint64_t Hostile::sent() const {
  uint64_t sent = 0;
  for (const auto& pacer : pacers_) sent += pacer ? pacer->sent() : 0;
  return sent;
}

std::string Hostile::Describe() const {
  std::string text;
  for (size_t kind = 0; kind < kKinds; ++kind) {
    if (!pacers_[kind]) continue;
    const uint64_t sent = pacers_[kind]->sent();
    absl::StrAppend(&text, text.empty() ? "" : ", ", kNames[kind], " ", sent, " of ",
                    sent + pacers_[kind]->generator_lost());
  }
  return text;
}

}  // namespace bench
