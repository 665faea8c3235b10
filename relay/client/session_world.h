// A world for session_test: Sessions, a real relay core with its allocator, a network with latency and loss, and a
// clock that jumps from event to event. No sockets, threads or sleeping.
#ifndef RELAYD_RELAY_CLIENT_SESSION_WORLD_H_
#define RELAYD_RELAY_CLIENT_SESSION_WORLD_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "relay/client/session.h"
#include "relay/control/allocator.h"
#include "relay/core/relay_server.h"

namespace relay::client {

AddrPort Address(std::string_view text);

// One life of a relay: its keys and endpoints end with it.
struct Relay {
  Relay(const Allocator::Options& options, disco::PrivateKey key);
  Qsbr qsbr{1};
  EndpointTable table;
  Allocator allocator;
  RelayServer server;
  Counters counters;
  WorkerContext worker;
};

// One machine with a relay-client.
struct Node {
  disco::PrivateKey key = disco::PrivateKey::Generate();
  AddrPort address;
  disco::Dialect dialect = disco::Dialect::kCurrent;
  std::optional<Session> session;
  std::vector<std::string> lines;
  int allocations = 0;
  std::vector<std::vector<uint8_t>> data;  // What came through to WireGuard.

  bool connected() const { return session && session->connected(); }
};

class World {
 public:
  static constexpr Duration kLatency = std::chrono::milliseconds(5);

  explicit World(const Allocator::Options& options = {});

  // A relay-client's process starts; one that ran before is gone.
  void Start(Node& node, Node& peer, std::optional<disco::RelayEndpoint> endpoint = {}, bool can_allocate = true);
  void Stop(Node& node);
  // All endpoints are forgotten, and the VNIs begin anew. Without `key` the relay draws another one, as relayd does.
  void RestartRelay() { RestartRelay(disco::PrivateKey::Generate()); }
  void RestartRelay(disco::PrivateKey key) { relay = std::make_unique<Relay>(options_, std::move(key)); }
  // What the API answers.
  absl::StatusOr<disco::RelayEndpoint> Allocate(Node& node);
  // The node's WireGuard sends a packet.
  void SendData(Node& node, uint8_t content);
  // Puts a datagram on the wire; Inject does so whatever is lost.
  void Send(const AddrPort& from, const AddrPort& to, std::vector<uint8_t> bytes);
  void Inject(const AddrPort& from, const AddrPort& to, std::vector<uint8_t> bytes);

  // Runs until `done`, or for `most`; returns whether it came to be done.
  bool RunUntil(const std::function<bool()>& done, Duration most);
  void Run(Duration time) {
    RunUntil([] { return false; }, time);
  }
  bool BothConnect(Duration most) {
    return RunUntil([&] { return alice.connected() && bob.connected(); }, most);
  }

  Instant now = Instant(std::chrono::hours(1));
  std::unique_ptr<Relay> relay;                // Null: it is down.
  std::vector<AddrPort> relay_addresses;       // As advertised.
  std::vector<AddrPort> dead_addresses;        // Advertised, but nothing comes there.
  std::vector<AddrPort> unroutable_addresses;  // The clients' kernels have no way there.
  std::map<AddrPort, Duration> extra_latency;  // Towards and from an address.
  int sent = 0;                                // Datagrams, each way through the relay counted twice.
  bool api_up = true;
  Duration retry_after{};  // What an API that refuses asks for.
  // What the network loses.
  using Loss = std::function<bool(const AddrPort& from, const AddrPort& to, std::span<const uint8_t> packet)>;
  Loss lose = [](auto&&...) { return false; };
  Node alice, bob;

 private:
  void Perform(Node& node);
  void Deliver(const AddrPort& from, const AddrPort& to, const std::vector<uint8_t>& bytes);
  void DeliverToRelay(const AddrPort& from, const AddrPort& to, const std::vector<uint8_t>& bytes);
  void At(Instant when, std::function<void()> event) { events_.emplace(when, std::move(event)); }

  const Allocator::Options options_;
  std::multimap<Instant, std::function<void()>> events_;  // In time, and in the order of insertion.
  uint16_t next_port_ = 50000;
  Instant next_expiry_{};
};

// Does what either sends come to the other within a second?
bool Exchanges(World& world);
void StartBoth(World& world);

}  // namespace relay::client

#endif  // RELAYD_RELAY_CLIENT_SESSION_WORLD_H_
