#include "relay/client/session.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "geneve/geneve.h"
#include "relay/core/path.h"

namespace relay::client {
namespace {

constexpr Duration kAbsentPeerPingRetry = std::chrono::seconds(1);
constexpr Duration kMinPingGap = std::chrono::milliseconds(20);
constexpr Duration kShortestPingInterval = std::chrono::milliseconds(100);

bool IsUsable(const AddrPort& address) { return !IsRefusedSource(address); }

bool IsSame(const disco::RelayEndpoint& a, const disco::RelayEndpoint& b) {
  return a.server_disco == b.server_disco && a.vni == b.vni && a.lamport_id == b.lamport_id;
}

// Often enough that neither leg falls silent, however short the relay's patience is.
Duration PingInterval(const disco::RelayEndpoint& endpoint) {
  if (endpoint.steady_state_lifetime.count() <= 0) return kPingInterval;
  return std::clamp<Duration>(endpoint.steady_state_lifetime / 3, kShortestPingInterval, kPingInterval);
}

}  // namespace

absl::Status CheckEndpoint(const disco::RelayEndpoint& endpoint, const disco::PrivateKey& self,
                           const disco::PublicKey& peer) {
  const auto& clients = endpoint.client_disco;
  const bool ours = (clients[0] == self.public_key() && clients[1] == peer) ||
                    (clients[1] == self.public_key() && clients[0] == peer);
  if (!ours) return absl::InvalidArgumentError("the endpoint is for other clients");
  if (endpoint.vni == 0 || endpoint.vni > geneve::kMaxVni) return absl::InvalidArgumentError("the endpoint has no VNI");
  if (!self.Agree(endpoint.server_disco)) return absl::InvalidArgumentError("the endpoint's server key is unusable");
  if (std::none_of(endpoint.addr_ports.begin(), endpoint.addr_ports.end(), IsUsable)) {
    return absl::InvalidArgumentError("the endpoint has no usable address");
  }
  return absl::OkStatus();
}

Session::Session(Options options, Instant now)
    : options_(std::move(options)),
      jitter_(options_.jitter_seed),
      probe_(options_.key.public_key(), options_.peer, options_.peer_shared) {
  if (options_.endpoint) {
    Adopt(*options_.endpoint, now);
  } else {
    Announce(State::kAllocating, "");
    WantAllocation(kMaxBackoff, now);
  }
}

Session::Output Session::Take() {
  Output output;
  std::swap(output, output_);
  return output;
}

// ---- The endpoint.

void Session::WantAllocation(Duration max_backoff, Instant now) {
  if (!options_.can_allocate || allocating_) return;
  const Instant at = backoffs_ == 0 ? now : std::max(now, last_allocation_ + Backoff(max_backoff));
  next_allocation_ = std::min(next_allocation_, std::max(at, not_before_));
}

// Doubled with each question since the last pong; jitter keeps the clients of a relay that restarts apart.
Duration Session::Backoff(Duration max_backoff) {
  const Duration base = std::min<Duration>(kMinBackoff * (1 << std::clamp(backoffs_ - 1, 0, 10)), max_backoff);
  return base * std::uniform_int_distribution<int>(75, 125)(jitter_) / 100;
}

void Session::Allocated(const absl::StatusOr<disco::RelayEndpoint>& answer, Duration retry_after, Instant now) {
  allocating_ = false;
  last_allocation_ = now;
  ++backoffs_;
  const absl::Status status = answer.ok() ? CheckEndpoint(*answer, options_.key, options_.peer) : answer.status();
  if (!status.ok()) {
    not_before_ = now + retry_after;
    if (state_ != State::kAllocating) return;  // An old path is being tried; its failure asks again.
    Announce(State::kAllocating, absl::StrCat(" error=\"", status.message(), "\""));
    WantAllocation(kMaxBackoff, now);
    if (endpoint_ && !binding_) StartHandshake(now);  // The relay may be there though its API is not.
    return;
  }
  if (state_ == State::kConnected) return;
  if (!endpoint_ || !IsSame(*answer, *endpoint_)) return Adopt(*answer, now);
  endpoint_ = *answer;  // Its addresses may be others today.
  if (state_ != State::kAllocating) return;
  Announce(State::kHandshaking, PathText());
  if (!binding_) StartHandshake(now);
}

void Session::Adopt(const disco::RelayEndpoint& endpoint, Instant now) {
  endpoint_ = endpoint;
  handshake_.emplace(disco::ClientHandshake::Options{.self = options_.key.public_key(),
                                                     .server = endpoint.server_disco,
                                                     .peer = options_.peer,
                                                     .shared = *options_.key.Agree(endpoint.server_disco),
                                                     .vni = endpoint.vni,
                                                     .dialect = options_.dialect,
                                                     .first_generation = 1,
                                                     .retry = kBindRetry,
                                                     .max_binds = kMaxBinds});
  path_.reset();
  probe_.Forget();
  next_ping_ = pong_due_ = kNever;
  silent_handshakes_ = 0;
  StartHandshake(now);
  Announce(State::kHandshaking, PathText());
}

// ---- The handshake, over the relay's addresses.

void Session::StartHandshake(Instant now) {
  addresses_.clear();
  std::copy_if(endpoint_->addr_ports.begin(), endpoint_->addr_ports.end(), std::back_inserter(addresses_), IsUsable);
  if (path_) {  // What worked comes first, the rest in the order given.
    const auto known = std::find(addresses_.begin(), addresses_.end(), path_->relay);
    if (known != addresses_.end()) std::rotate(addresses_.begin(), known, known + 1);
  }
  if (addresses_.size() > kMaxRelayAddresses) addresses_.resize(kMaxRelayAddresses);
  tried_ = 0;
  binding_ = true;
  next_handshake_ = kNever;
  bind_ = handshake_->Start(now);
  TryNextAddress(now);
}

void Session::TryNextAddress(Instant now) {
  Send(addresses_[tried_++], bind_);
  next_address_ = tried_ < addresses_.size() ? now + kNextAddressAfter : kNever;
}

void Session::TickHandshake(Instant now) {
  if (now >= next_address_) TryNextAddress(now);
  if (now < handshake_->deadline().value_or(kNever)) return;
  if (std::optional<std::vector<uint8_t>> again = handshake_->Tick(now)) {
    bind_ = *std::move(again);
    for (size_t i = 0; i < tried_; ++i) Send(addresses_[i], bind_);
  } else {
    RelaySilent(now);
  }
}

void Session::HandleChallenge(const AddrPort& from, std::span<const uint8_t> packet, Instant now) {
  if (!binding_) {
    // The challenge to a bind that was sent twice: the relay waits for its answer again.
    if (!path_ || from != path_->relay || handshake_->state() != disco::ClientHandshake::State::kAnswered) return;
    if (auto answer = handshake_->HandlePacket(packet)) Send(from, *std::move(answer));
    return;
  }
  const auto tried_end = addresses_.begin() + static_cast<std::ptrdiff_t>(tried_);
  if (std::find(addresses_.begin(), tried_end, from) == tried_end) return;
  std::optional<std::vector<uint8_t>> answer = handshake_->HandlePacket(packet);
  if (!answer) return;
  binding_ = false;
  next_address_ = kNever;
  path_ = DataPath{.relay = from, .vni = endpoint_->vni};
  probe_.Forget();
  pong_due_ = now + (silent_handshakes_ <= 2 ? kPongPatience : kPeerAbsentRebind);
  Send(from, *std::move(answer));
  SendPing(now);  // Directly behind the answer: the relay decides in this order.
}

void Session::RelaySilent(Instant now) {
  binding_ = false;
  next_address_ = kNever;
  output_.new_socket = true;  // A firewall or NAT between may hold a dead mapping of the old port.
  if (!options_.can_allocate) {
    ++backoffs_;
    next_handshake_ = now + Backoff(kMaxBackoff);
    Announce(State::kReconnecting, " reason=relay_silent");
    return;
  }
  if (state_ != State::kAllocating) Announce(State::kAllocating, " reason=relay_silent");
  WantAllocation(kMaxBackoff, now);
}

// ---- The path and the peer at its other end.

void Session::SendPing(Instant now) {
  Send(path_->relay, probe_.Ping(path_->vni, now));
  last_ping_ = now;
  next_ping_ = now + (silent_handshakes_ <= 2 ? kPingRetry : kAbsentPeerPingRetry);
  if (state_ == State::kConnected) pong_due_ = std::min(pong_due_, now + kPongPatience);
}

void Session::PingSoon(Instant now) { next_ping_ = std::min(next_ping_, std::max(now, last_ping_ + kMinPingGap)); }

void Session::HandlePong(Duration round_trip, Instant now) {
  silent_handshakes_ = backoffs_ = 0;
  binding_ = false;  // If a handshake was on its way, this path is good without it.
  pong_due_ = next_address_ = next_allocation_ = next_handshake_ = kNever;
  next_ping_ = now + PingInterval(*endpoint_);
  if (state_ == State::kConnected) return;
  const double ms = std::chrono::duration<double, std::milli>(round_trip).count();
  Announce(State::kConnected, absl::StrCat(PathText(), absl::StrFormat(" rtt_ms=%.2f", ms)));
}

void Session::Rebind(const char* reason, Instant now) {
  if (state_ == State::kConnected) {
    Announce(State::kReconnecting, absl::StrCat(" reason=", reason));
  } else if (path_ && !binding_) {
    Announce(State::kWaiting, PathText());  // The relay answers, the peer does not.
  }
  pong_due_ = kNever;
  ++silent_handshakes_;
  StartHandshake(now);
}

void Session::HandlePacket(const AddrPort& from, std::span<const uint8_t> packet, Instant now) {
  const std::optional<geneve::Header> header = geneve::Parse(packet);
  if (!endpoint_ || !header || header->version != 0 || header->vni != endpoint_->vni) return;
  if (header->protocol != geneve::kProtocolDisco) return;
  if (header->control) return HandleChallenge(from, packet, now);
  if (!path_ || from != path_->relay) return;
  PeerProbe::Heard heard = probe_.HandlePacket(packet.subspan(geneve::kHeaderSize), path_->vni, from, now);
  if (heard.pong) {
    Send(from, *std::move(heard.pong));
    // The peer is there: do not wait for the next ping's time to learn whether it hears us too.
    if (state_ != State::kConnected) PingSoon(now);
  }
  if (heard.round_trip) HandlePong(*heard.round_trip, now);
}

void Session::SendFailed(const AddrPort& to, Instant now) {
  if (binding_ && to == addresses_[tried_ - 1] && next_address_ != kNever) next_address_ = now;
  if (state_ != State::kConnected || to != path_->relay || pong_due_ <= now + kPingRetry) return;
  pong_due_ = now + kPingRetry;
  PingSoon(now);  // Its pong says that the path is good all the same.
}

void Session::AddressChanged(Instant now) {
  output_.new_socket = true;
  probe_.Forget();
  backoffs_ = silent_handshakes_ = 0;
  if (state_ == State::kAllocating) WantAllocation(kMaxBackoff, now);
  if (endpoint_) Rebind("address_changed", now);
}

void Session::Tick(Instant now) {
  if (binding_) TickHandshake(now);
  if (now >= next_handshake_) StartHandshake(now);
  if (now >= pong_due_) {
    WantAllocation(kMaxIdleBackoff, now);  // Beside the handshake: a relay that restarted has forgotten us.
    Rebind("no_pong", now);
  }
  if (now >= next_ping_) SendPing(now);
  if (now >= next_allocation_) {
    next_allocation_ = kNever;
    allocating_ = output_.allocate = true;
  }
}

Instant Session::deadline() const {
  Instant first = std::min({next_address_, next_handshake_, pong_due_, next_ping_, next_allocation_});
  if (binding_) first = std::min(first, handshake_->deadline().value_or(kNever));
  return first;
}

// ---- Words.

std::string Session::PathText() const {
  const AddrPort& relay = path_ ? path_->relay : addresses_.front();
  return absl::StrCat(" relay=", relay.ToString(), " vni=", endpoint_->vni);
}

void Session::Announce(State state, const std::string& detail) {
  static constexpr std::array<const char*, 5> kNames = {"allocating", "handshaking", "waiting", "connected",
                                                        "reconnecting"};
  state_ = state;
  std::string line = absl::StrCat("state=", kNames[static_cast<size_t>(state)], detail);
  if (line == last_line_) return;
  last_line_ = line;
  output_.lines.push_back(std::move(line));
}

}  // namespace relay::client
