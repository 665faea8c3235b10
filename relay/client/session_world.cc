#include "relay/client/session_world.h"

#include <algorithm>

#include "geneve/geneve.h"

namespace relay::client {

AddrPort Address(std::string_view text) { return *AddrPort::Parse(text); }

namespace {

bool Contains(const std::vector<AddrPort>& list, const AddrPort& address) {
  return std::find(list.begin(), list.end(), address) != list.end();
}

}  // namespace

Relay::Relay(const Allocator::Options& options, disco::PrivateKey key)
    : table(64, qsbr),
      allocator(table, std::move(key), options),
      server(table, allocator.server_key(), ServerCrypto::Production(), {}) {
  worker.counters = &counters;
  qsbr.Register(0);
}

World::World(const Allocator::Options& options) : options_(options) {
  disco::InitCrypto();
  RestartRelay();
  relay_addresses = {Address("198.18.0.1:40000")};
  alice.address = Address("198.18.1.1:50000");
  bob.address = Address("[2001:db8::b]:50000");
}

void World::Start(Node& node, Node& peer, std::optional<disco::RelayEndpoint> endpoint, bool can_allocate) {
  node.address.port = ++next_port_;
  node.lines.clear();
  node.session.emplace(Session::Options{.key = disco::PrivateKey::Parse(node.key.ToString()).value(),
                                        .peer = peer.key.public_key(),
                                        .peer_shared = *node.key.Agree(peer.key.public_key()),
                                        .dialect = node.dialect,
                                        .can_allocate = can_allocate,
                                        .endpoint = std::move(endpoint),
                                        .jitter_seed = next_port_},
                       now);
  Perform(node);
}

void World::Stop(Node& node) { node.session.reset(); }

absl::StatusOr<disco::RelayEndpoint> World::Allocate(Node& node) {
  if (!api_up || relay == nullptr) return absl::UnavailableError("cannot connect");
  const std::array<disco::PublicKey, 2> keys = {alice.key.public_key(), bob.key.public_key()};
  const auto outcome = relay->allocator.Allocate(node.address.IpToString(), keys, relay_addresses, now);
  if (!outcome.error.empty()) return absl::FailedPreconditionError(std::string(outcome.error));
  return outcome.endpoint;
}

void World::SendData(Node& node, uint8_t content) {
  if (!node.session->data_path()) return;
  std::vector<uint8_t> packet(geneve::kHeaderSize + 1, content);
  geneve::Write({.vni = node.session->data_path()->vni, .protocol = geneve::kProtocolWireGuard},
                std::span(packet).first<geneve::kHeaderSize>());
  Send(node.address, node.session->data_path()->relay, std::move(packet));
}

void World::Perform(Node& node) {
  Session::Output output = node.session->Take();
  for (std::string& line : output.lines) node.lines.push_back(std::move(line));
  if (output.new_socket) node.address.port = ++next_port_;
  if (output.allocate) {
    ++node.allocations;
    At(now + 4 * kLatency, [this, &node] {
      if (node.session) node.session->Allocated(Allocate(node), retry_after, now);
    });
  }
  for (Session::Datagram& datagram : output.datagrams) {
    if (Contains(unroutable_addresses, datagram.to)) {
      node.session->SendFailed(datagram.to, now);
    } else {
      Send(node.address, datagram.to, std::move(datagram.bytes));
    }
  }
}

void World::Send(const AddrPort& from, const AddrPort& to, std::vector<uint8_t> bytes) {
  ++sent;
  if (!lose(from, to, bytes)) Inject(from, to, std::move(bytes));
}

void World::Inject(const AddrPort& from, const AddrPort& to, std::vector<uint8_t> bytes) {
  const Duration latency = kLatency + extra_latency[from] + extra_latency[to];
  At(now + latency, [=, this, bytes = std::move(bytes)] { Deliver(from, to, bytes); });
}

void World::Deliver(const AddrPort& from, const AddrPort& to, const std::vector<uint8_t>& bytes) {
  if (Contains(relay_addresses, to)) return DeliverToRelay(from, to, bytes);
  for (Node* node : {&alice, &bob}) {
    if (!node->session || to != node->address) continue;
    const std::optional<geneve::Header> header = geneve::Parse(bytes);
    const auto& path = node->session->data_path();
    if (path && header == geneve::Header{.vni = path->vni, .protocol = geneve::kProtocolWireGuard}) {
      node->data.push_back({bytes.begin() + geneve::kHeaderSize, bytes.end()});
    } else {
      node->session->HandlePacket(from, bytes, now);
    }
  }
}

void World::DeliverToRelay(const AddrPort& from, const AddrPort& to, const std::vector<uint8_t>& bytes) {
  if (relay == nullptr || Contains(dead_addresses, to)) return;
  const Path path{.remote = from, .local_ip = to.ip, .local_port = to.port, .link = {}, .interface = 0};
  Reply reply;
  relay->qsbr.Online(0);
  const Verdict verdict = relay->server.HandlePacket(relay->worker, path, bytes, now, reply);
  relay->qsbr.Offline(0);
  const AddrPort self{.ip = verdict.to.local_ip, .scope = 0, .port = verdict.to.local_port, .zero = 0};
  if (verdict.action == Verdict::Action::kForward) Send(self, verdict.to.remote, bytes);
  if (verdict.action == Verdict::Action::kReply) {
    Send(self, verdict.to.remote, {reply.span().begin(), reply.span().end()});
  }
}

bool World::RunUntil(const std::function<bool()>& done, Duration most) {
  const Instant end = now + most;
  while (!done()) {
    Instant next = std::min(end, next_expiry_);
    for (Node* node : {&alice, &bob}) {
      if (!node->session) continue;
      Perform(*node);  // What the test itself has caused.
      next = std::min(next, node->session->deadline());
    }
    if (!events_.empty()) next = std::min(next, events_.begin()->first);
    now = std::max(now, next);
    if (now >= end) return done();
    if (now >= next_expiry_) {
      if (relay != nullptr) relay->allocator.Expire(now, 1000);
      next_expiry_ = now + Allocator::kExpiryTick;
    }
    while (!events_.empty() && events_.begin()->first <= now) events_.extract(events_.begin()).mapped()();
    for (Node* node : {&alice, &bob}) {
      if (!node->session) continue;
      if (now >= node->session->deadline()) node->session->Tick(now);
      Perform(*node);
    }
  }
  return true;
}

bool Exchanges(World& world) {
  world.alice.data.clear();
  world.bob.data.clear();
  world.SendData(world.alice, 1);
  world.SendData(world.bob, 2);
  return world.RunUntil([&] { return !world.alice.data.empty() && !world.bob.data.empty(); }, std::chrono::seconds(1));
}

void StartBoth(World& world) {
  world.Start(world.alice, world.bob);
  world.Start(world.bob, world.alice);
}

}  // namespace relay::client
