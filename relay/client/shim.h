// relay-client's I/O: WireGuard's packets to the relay and back, and whatever the Session decides. One thread.
#ifndef RELAYD_RELAY_CLIENT_SHIM_H_
#define RELAYD_RELAY_CLIENT_SHIM_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "geneve/geneve.h"
#include "relay/client/allocation.h"
#include "relay/client/network_watch.h"
#include "relay/client/session.h"
#include "relay/client/udp_batch.h"
#include "relay/client/wireguard_source.h"

namespace relay::client {

class Shim {
 public:
  struct Options {
    disco::AddrPort listen;        // WireGuard's `Endpoint` for the peer.
    disco::AddrPort wireguard;     // Where packets from the relay go to.
    bool learn_wireguard = false;  // From a packet of WireGuard's at `listen` on, they go to whoever sent it.
    std::optional<ApiClient> api;
    Session::Options session;
  };

  // Opens the sockets; an error says which and why, in one line.
  static absl::StatusOr<std::unique_ptr<Shim>> Open(Options options);

  // Carries packets until `stop_fd` is readable. Prints state changes on stdout.
  void Run(int stop_fd);
  // A question to the API is still open on its own thread.
  bool allocating() const { return allocation_ && allocation_->open(); }

 private:
  Shim(Options options, std::optional<Allocation> allocation, Fd local, Fd relay);

  void Perform(const Session::Output& output);
  void SendToRelay(const disco::AddrPort& relay);
  void FollowPath();
  void FromWireGuard(Instant now);
  void FromRelay(Instant now);
  bool IsWireGuard(const disco::AddrPort& from, std::span<const uint8_t> packet) const;
  void NetworkEvent(Instant now);

  Session session_;
  std::optional<Allocation> allocation_;
  const disco::AddrPort listen_;
  const bool learn_wireguard_;
  WireGuardSource wireguard_;
  Fd local_;
  Fd relay_;
  NetworkWatch network_;

  // The path that the members below are for.
  std::optional<Session::DataPath> path_;
  std::array<uint8_t, geneve::kHeaderSize> header_{};  // Goes before WireGuard's packets.
  std::optional<disco::AddrPort> source_;              // What we send to the relay from.
  Instant last_network_retry_{};

  ReceiveBatch received_;
  SendBatch to_relay_;
  SendBatch to_wireguard_;
};

}  // namespace relay::client

#endif  // RELAYD_RELAY_CLIENT_SHIM_H_
