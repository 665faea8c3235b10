#include "relay/client/peer_probe.h"

#include <algorithm>
#include <variant>

#include "disco/packet.h"
#include "geneve/geneve.h"

namespace relay::client {
namespace {

// A ping may be padded up to the path's MTU; what is longer was not sent by a client.
constexpr size_t kMaxClearSize = 2048;

}  // namespace

std::vector<uint8_t> PeerProbe::Seal(uint32_t vni, const disco::Message& message) const {
  const std::vector<uint8_t> clear = disco::Marshal(message);
  std::vector<uint8_t> packet(geneve::kHeaderSize + disco::kSealedOverhead + clear.size());
  const std::span<uint8_t> out(packet);
  geneve::Write({.vni = vni, .protocol = geneve::kProtocolDisco}, out.first<geneve::kHeaderSize>());
  disco::Seal(self_, shared_, disco::RandomNonce(), clear, out.subspan(geneve::kHeaderSize));
  return packet;
}

std::vector<uint8_t> PeerProbe::Ping(uint32_t vni, Instant now) {
  const disco::Nonce random = disco::RandomNonce();
  disco::Ping ping;
  std::copy_n(random.begin(), ping.tx_id.size(), ping.tx_id.begin());
  sent_[next_++ % sent_.size()] = {.tx_id = ping.tx_id, .at = now, .open = true};
  return Seal(vni, ping);
}

PeerProbe::Heard PeerProbe::HandlePacket(std::span<const uint8_t> body, uint32_t vni, const disco::AddrPort& from,
                                         Instant now) {
  const std::optional<disco::Wrapper> wrapper = disco::ReadWrapper(body);
  if (!wrapper || wrapper->sender != peer_) return {};
  std::array<uint8_t, kMaxClearSize> room;
  const auto clear = disco::Open(*wrapper, shared_, room);
  if (!clear) return {};
  const auto parsed = disco::Parse(*clear);
  const auto* message = std::get_if<disco::Message>(&parsed);
  if (message == nullptr) return {};
  const auto sent = [&](const disco::TxId& tx_id) {
    return std::find_if(sent_.begin(), sent_.end(), [&](const Sent& s) { return s.open && s.tx_id == tx_id; });
  };
  if (const auto* ping = std::get_if<disco::Ping>(message)) {
    // The box key is the same both ways, so whoever is between may show us our own ping as the peer's.
    if (sent(ping->tx_id) != sent_.end()) return {};
    return {.pong = Seal(vni, disco::Pong{.tx_id = ping->tx_id, .source = from}), .round_trip = std::nullopt};
  }
  const auto* pong = std::get_if<disco::Pong>(message);
  if (pong == nullptr) return {};
  const auto answered = sent(pong->tx_id);
  if (answered == sent_.end()) return {};
  answered->open = false;
  return {.pong = std::nullopt, .round_trip = now - answered->at};
}

}  // namespace relay::client
