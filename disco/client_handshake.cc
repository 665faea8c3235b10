#include "disco/client_handshake.h"

#include "disco/packet.h"
#include "geneve/geneve.h"

namespace disco {
namespace {

// The largest payload that a relay sends us is a challenge; what is longer is not for us.
constexpr size_t kMaxClearSize = 256;

}  // namespace

ClientHandshake::ClientHandshake(const Options& options) : options_(options) {}

std::vector<uint8_t> ClientHandshake::Start(Instant now) {
  // Generations count up from the first and pass over 0, which is none.
  generation_ = state_ == State::kIdle ? options_.first_generation : generation_ + 1;
  if (generation_ == 0) generation_ = 1;
  state_ = State::kBindSent;
  binds_sent_ = 1;
  deadline_ = now + options_.retry;
  return Packet(MessageType::kBindUdpRelayEndpoint, Challenge{});
}

std::optional<std::vector<uint8_t>> ClientHandshake::HandlePacket(std::span<const uint8_t> packet) {
  if (state_ != State::kBindSent && state_ != State::kAnswered) return std::nullopt;
  const std::optional<geneve::Header> header = geneve::Parse(packet);
  if (!header || *header != geneve::Header{.vni = options_.vni, .protocol = geneve::kProtocolDisco, .control = true}) {
    return std::nullopt;
  }
  const std::optional<Wrapper> wrapper = ReadWrapper(packet.subspan(geneve::kHeaderSize));
  if (!wrapper || wrapper->sender != options_.server) return std::nullopt;
  std::array<uint8_t, kMaxClearSize> room;
  const auto clear = Open(*wrapper, options_.shared, room);
  if (!clear || clear->size() < kMessageHeaderSize) return std::nullopt;
  if ((*clear)[0] != static_cast<uint8_t>(MessageType::kBindUdpRelayEndpointChallenge)) return std::nullopt;

  const std::span<const uint8_t> payload = clear->subspan(kMessageHeaderSize);
  Challenge challenge{};
  if (options_.dialect == Dialect::kFirst) {
    if (payload.size() != kFirstDialectPayloadSize) return std::nullopt;
    std::copy(payload.begin(), payload.end(), challenge.begin());
  } else {
    if (payload.size() < kBindCommonSize) return std::nullopt;
    const BindCommon bind = ReadBindCommon(payload.first<kBindCommonSize>());
    if (bind.vni != options_.vni || bind.generation != generation_ || bind.remote_key != options_.peer) {
      return std::nullopt;
    }
    challenge = bind.challenge;
  }
  state_ = State::kAnswered;
  return Packet(MessageType::kBindUdpRelayEndpointAnswer, challenge);
}

std::optional<std::vector<uint8_t>> ClientHandshake::Tick(Instant now) {
  if (state_ != State::kBindSent || now < deadline_) return std::nullopt;
  if (binds_sent_ >= options_.max_binds) {
    state_ = State::kFailed;
    return std::nullopt;
  }
  ++binds_sent_;
  deadline_ = now + options_.retry;
  return Packet(MessageType::kBindUdpRelayEndpoint, Challenge{});
}

std::optional<ClientHandshake::Instant> ClientHandshake::deadline() const {
  if (state_ != State::kBindSent) return std::nullopt;
  return deadline_;
}

std::vector<uint8_t> ClientHandshake::Packet(MessageType type, const Challenge& challenge) const {
  std::array<uint8_t, kBindMessageSize> room;
  std::span<const uint8_t> clear = room;
  if (options_.dialect == Dialect::kFirst) {
    const auto message = std::span(room).first<kFirstDialectMessageSize>();
    WriteFirstDialectMessage(type, challenge, message);
    clear = message;
  } else {
    const BindCommon bind{
        .vni = options_.vni, .generation = generation_, .remote_key = options_.peer, .challenge = challenge};
    WriteBindMessage(type, bind, room);
  }
  std::vector<uint8_t> packet(geneve::kHeaderSize + kSealedOverhead + clear.size());
  geneve::Write({.vni = options_.vni, .protocol = geneve::kProtocolDisco, .control = true},
                std::span(packet).first<geneve::kHeaderSize>());
  Seal(options_.self, options_.shared, RandomNonce(), clear, std::span(packet).subspan(geneve::kHeaderSize));
  return packet;
}

}  // namespace disco
