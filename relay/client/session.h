// What relay-client decides, without I/O: packets, the API's answers and times in; packets, requests and state lines
// out.
//
// It allocates, handshakes with the first of the relay's addresses that answers, and pings the peer through the relay.
// While pongs come, nothing else happens. Without them it binds again (our address may have changed), and asks the API
// (the relay may have restarted, or forgotten us): the API gives one endpoint for a pair of keys, so both clients come
// to the same one in whatever order they start. An old path stays in use until a better one answers.
#ifndef RELAYD_RELAY_CLIENT_SESSION_H_
#define RELAYD_RELAY_CLIENT_SESSION_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "disco/client_handshake.h"
#include "disco/key.h"
#include "disco/messages.h"
#include "relay/client/peer_probe.h"

namespace relay::client {

using disco::AddrPort;

inline constexpr size_t kMaxRelayAddresses = 16;  // More are not tried.
inline constexpr Duration kNextAddressAfter =
    std::chrono::milliseconds(100);                                         // Head start of an address over the next.
inline constexpr std::chrono::milliseconds kBindRetry{500};                 // All addresses once more.
inline constexpr int kMaxBinds = 5;                                         // Then the relay does not answer.
inline constexpr Duration kPingInterval = std::chrono::seconds(2);          // While the peer answers.
inline constexpr Duration kPingRetry = std::chrono::milliseconds(500);      // While it does not.
inline constexpr Duration kPongPatience = std::chrono::milliseconds(1500);  // Without a pong: bind again.
inline constexpr Duration kPeerAbsentRebind = std::chrono::seconds(5);      // The same when two binds have not helped.
inline constexpr Duration kMinBackoff = std::chrono::milliseconds(500);  // Between questions to the API, doubled up to
inline constexpr Duration kMaxBackoff = std::chrono::seconds(5);         // this while there is no relay, or up to
inline constexpr Duration kMaxIdleBackoff = std::chrono::seconds(30);  // this while the relay answers but not the peer.

class Session {
 public:
  struct Options {
    disco::PrivateKey key;
    disco::PublicKey peer;
    disco::SharedKey peer_shared;  // Of the two above.
    disco::Dialect dialect = disco::Dialect::kCurrent;
    bool can_allocate = true;  // There is an API to ask.
    std::optional<disco::RelayEndpoint>
        endpoint;  // To begin with; without an API, the only one. Checked by the caller.
    uint32_t jitter_seed = 0;
  };

  struct Datagram {
    AddrPort to;
    std::vector<uint8_t> bytes;
  };

  // What is to be done now, in this order.
  struct Output {
    std::vector<std::string> lines;   // State changes.
    bool allocate = false;            // Ask the API; its answer goes to Allocated().
    bool new_socket = false;          // From here on send from a fresh socket, with a port of its own.
    std::vector<Datagram> datagrams;  // To the relay.
  };

  Session(Options options, Instant now);

  // Any event may fill the output; it is taken after each.
  Output Take();

  // The answer to Output::allocate. `retry_after` is what a refusing server asks for, or 0.
  void Allocated(const absl::StatusOr<disco::RelayEndpoint>& answer, Duration retry_after, Instant now);
  // Any datagram that came in on the relay socket, but for what data_path() covers. Hostile until proven otherwise.
  void HandlePacket(const AddrPort& from, std::span<const uint8_t> packet, Instant now);
  // The kernel says that there is no way there, or not now.
  void SendFailed(const AddrPort& to, Instant now);
  // Packets to the relay leave from another address than before.
  void AddressChanged(Instant now);
  // Called when deadline() has passed; earlier does no harm.
  void Tick(Instant now);
  Instant deadline() const;

  // Where WireGuard's packets go to and may come from; nullopt before the first answered handshake with this endpoint.
  struct DataPath {
    AddrPort relay;
    uint32_t vni = 0;
    friend bool operator==(const DataPath&, const DataPath&) = default;
  };
  const std::optional<DataPath>& data_path() const { return path_; }
  bool connected() const { return state_ == State::kConnected; }

 private:
  enum class State : uint8_t { kAllocating, kHandshaking, kWaiting, kConnected, kReconnecting };
  static constexpr Instant kNever = Instant::max();

  void Adopt(const disco::RelayEndpoint& endpoint, Instant now);
  void StartHandshake(Instant now);
  void TryNextAddress(Instant now);
  void TickHandshake(Instant now);
  void HandleChallenge(const AddrPort& from, std::span<const uint8_t> packet, Instant now);
  void HandlePong(Duration round_trip, Instant now);
  void RelaySilent(Instant now);
  void PingSoon(Instant now);
  void Rebind(const char* reason, Instant now);
  void SendPing(Instant now);
  void WantAllocation(Duration max_backoff, Instant now);
  Duration Backoff(Duration max_backoff);
  void Announce(State state, const std::string& detail);
  std::string PathText() const;
  void Send(const AddrPort& to, std::vector<uint8_t> bytes) { output_.datagrams.push_back({to, std::move(bytes)}); }

  Options options_;
  std::minstd_rand jitter_;
  State state_ = State::kAllocating;
  std::string last_line_;
  Output output_;

  // The endpoint, and the handshake for our leg of it.
  std::optional<disco::RelayEndpoint> endpoint_;
  std::optional<disco::ClientHandshake> handshake_;
  std::vector<AddrPort> addresses_;  // In the order in which this handshake tries them.
  size_t tried_ = 0;                 // So many of them have been sent a bind.
  bool binding_ = false;             // Binds are out and no challenge has come.
  std::vector<uint8_t> bind_;
  Instant next_address_ = kNever;
  Instant next_handshake_ = kNever;  // Without an API there is nothing to do but try again.

  // The path through the relay, and whether the peer answers on it.
  std::optional<DataPath> path_;
  PeerProbe probe_;
  Instant last_ping_{};
  Instant next_ping_ = kNever;
  Instant pong_due_ = kNever;  // Without a pong by then: bind again.
  int silent_handshakes_ = 0;  // Since the last pong.

  // Questions to the API.
  bool allocating_ = false;  // One is on its way.
  int backoffs_ = 0;         // Since the last pong.
  Instant last_allocation_{};
  Instant not_before_{};  // As a server that refused has asked for.
  Instant next_allocation_ = kNever;
};

// Whether `endpoint` is one that these two keys can use; the error says why not in one line.
absl::Status CheckEndpoint(const disco::RelayEndpoint& endpoint, const disco::PrivateKey& self,
                           const disco::PublicKey& peer);

}  // namespace relay::client

#endif  // RELAYD_RELAY_CLIENT_SESSION_H_
