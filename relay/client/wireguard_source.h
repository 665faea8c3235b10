// Where the local WireGuard is, learnt from what it sends.
#ifndef RELAYD_RELAY_CLIENT_WIREGUARD_SOURCE_H_
#define RELAYD_RELAY_CLIENT_WIREGUARD_SOURCE_H_

#include <chrono>
#include <cstdint>
#include <span>

#include "disco/addr_port.h"
#include "relay/core/path.h"
#include "relay/core/time.h"

namespace relay::client {

// One of WireGuard's four messages by its header, and at least as long as the shortest, an empty data message.
inline bool LooksLikeWireGuard(std::span<const uint8_t> packet) {
  constexpr size_t kShortest = 32;
  return packet.size() >= kShortest && packet[0] >= 1 && packet[0] <= 4 && packet[1] == 0 && packet[2] == 0 &&
         packet[3] == 0;
}

class WireGuardSource {
 public:
  static constexpr Duration kSilence = std::chrono::seconds(10);  // Then another IP address may take over.

  explicit WireGuardSource(const disco::AddrPort& initial) : address_(initial) {}

  // `packet` came `from` somewhere. A WireGuard that starts anew comes from the old IP address with another port.
  void Heard(const disco::AddrPort& from, std::span<const uint8_t> packet, Instant now) {
    if (from != address_) {
      const bool taken = now < heard_until_ && from.ip != address_.ip;
      if (taken || !LooksLikeWireGuard(packet) || IsRefusedSource(from)) return;
      address_ = from;
    }
    heard_until_ = now + kSilence;
  }
  const disco::AddrPort& address() const { return address_; }

 private:
  disco::AddrPort address_;
  Instant heard_until_{};
};

}  // namespace relay::client

#endif  // RELAYD_RELAY_CLIENT_WIREGUARD_SOURCE_H_
