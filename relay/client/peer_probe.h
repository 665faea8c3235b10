// Disco pings between the two clients, through the relay's data path: they show that both legs are bound, measure the
// round trip and keep the endpoint from falling silent.
#ifndef RELAYD_RELAY_CLIENT_PEER_PROBE_H_
#define RELAYD_RELAY_CLIENT_PEER_PROBE_H_

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "disco/addr_port.h"
#include "disco/key.h"
#include "disco/messages.h"

namespace relay::client {

using Instant = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

class PeerProbe {
 public:
  // `shared` is our key with the peer's: what the relay never sees.
  PeerProbe(const disco::PublicKey& self, const disco::PublicKey& peer, const disco::SharedKey& shared)
      : self_(self), peer_(peer), shared_(shared) {}

  // A whole UDP payload: Geneve header with O clear, protocol Disco, a sealed ping.
  std::vector<uint8_t> Ping(uint32_t vni, Instant now);

  // No ping that was sent before is answered by a pong that comes later.
  void Forget() { sent_ = {}; }

  struct Heard {
    std::optional<std::vector<uint8_t>> pong;  // The peer pinged: send this.
    std::optional<Duration> round_trip;        // The peer answered a ping of ours.
  };
  // `body` follows the Geneve header of a packet that came `from` the relay. Whatever the peer did not seal changes
  // nothing.
  Heard HandlePacket(std::span<const uint8_t> body, uint32_t vni, const disco::AddrPort& from, Instant now);

 private:
  struct Sent {
    disco::TxId tx_id{};
    Instant at{};
    bool open = false;  // Not answered yet.
  };

  std::vector<uint8_t> Seal(uint32_t vni, const disco::Message& message) const;

  disco::PublicKey self_;
  disco::PublicKey peer_;
  disco::SharedKey shared_;
  std::array<Sent, 8> sent_;  // The latest pings, as a ring: a late pong counts too.
  size_t next_ = 0;
};

}  // namespace relay::client

#endif  // RELAYD_RELAY_CLIENT_PEER_PROBE_H_
