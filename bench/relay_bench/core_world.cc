#include "bench/relay_bench/core_world.h"

#include <algorithm>
#include <cstring>

namespace bench {

relay::Path CoreLink::PathOf(uint32_t leg) {
  relay::Path path;
  path.remote = disco::AddrPort::FromIpv4({198, 18, static_cast<uint8_t>(leg >> 8), static_cast<uint8_t>(leg)}, 1000);
  path.local_ip = test::Addr("198.19.0.1:1").ip;
  path.local_port = 40000;
  return path;
}

std::span<Outgoing> CoreLink::Prepare(uint32_t count, Use) {
  for (size_t i = 0; i < kMaxBurst; ++i) out_[i].payload = &memory_[i * kRoom];
  return std::span(out_).first(std::min(count, kMaxBurst));
}

uint32_t CoreLink::Send(uint32_t count) {
  const uint32_t sent = std::min(count, takes);
  for (const Outgoing& out : std::span(out_).first(sent)) {
    Packet packet{out.leg, std::vector<uint8_t>(out.payload, out.payload + out.size)};
    if (!to_relay(packet)) continue;
    const relay::Path from = PathOf(packet.leg);
    const relay::Verdict verdict = relay.Handle(from, packet.bytes);
    using Action = relay::Verdict::Action;
    if (verdict.action == Action::kDrop) relay.counters.Drop(verdict.reason, 1);
    if (verdict.action == Action::kForward) Deliver(verdict.to, std::move(packet.bytes));
    if (verdict.action == Action::kReply) {
      const auto reply = relay.reply.span();
      Deliver(verdict.to, {reply.begin(), reply.end()});
    }
  }
  return sent;
}

void CoreLink::Deliver(const relay::Path& to, std::vector<uint8_t> bytes) {
  const std::array<uint8_t, 16>& ip = to.remote.ip;
  Packet packet{uint32_t{ip[14]} << 8 | ip[15], std::move(bytes)};
  if (from_relay(packet)) queue.push_back(std::move(packet));
}

std::span<const Incoming> CoreLink::Receive() {
  in_.clear();
  taken_.clear();
  while (!queue.empty() && taken_.size() < kMaxBurst / 2) {
    taken_.push_back(std::move(queue.front()));
    queue.pop_front();
  }
  for (const Packet& packet : taken_) {
    in_.push_back({packet.bytes.data(), static_cast<uint32_t>(packet.bytes.size()), packet.leg});
  }
  return in_;
}

absl::StatusOr<std::vector<Allocated>> CoreSource::Take() {
  std::vector<Allocated> out;
  for (; allowed_ > 0 && next_ < pairs_; --allowed_, ++next_) {
    const auto indices = KeysOfPair(next_);
    std::array<disco::PublicKey, 2> clients = {keys_.public_key(indices[0]), keys_.public_key(indices[1])};
    std::sort(clients.begin(), clients.end());
    relay::EndpointTable::NewEndpoint endpoint;
    endpoint.clients = clients;
    endpoint.shared = {*relay_.key.Agree(clients[0]), *relay_.key.Agree(clients[1])};
    Allocated allocated{.pair = next_, .endpoint = {}};
    allocated.endpoint.vni = relay_.table.Insert(endpoint, relay_.now).value();
    allocated.endpoint.server_disco = relay_.key.public_key();
    allocated.endpoint.addr_ports = {test::Addr("198.19.0.1:40000")};
    out.push_back(std::move(allocated));
    most_unbound = std::max(most_unbound, relay_.table.live() - relay_.table.open());
  }
  return out;
}

CoreWorld::CoreWorld() {
  options.rate_pps = 10'000;
  options.duration = std::chrono::milliseconds(200);
  options.warmup = relay::Duration::zero();
  options.burst = 1;
  options.progress = false;
}

absl::StatusOr<Result> CoreWorld::Run() {
  Keyring keys;
  const uint32_t pairs = Runner::AllPairs(options);
  for (uint32_t i = 0; i < KeysFor(pairs); ++i) keys.Add(disco::PrivateKey::Generate());
  CoreSource source(relay, keys, pairs);
  const auto sizes = SizeMix::Parse("64:1,128:1,1280:1");
  Runner runner(options, *sizes, link, &source, keys, {},
                {.clock =
                     [this] {
                       on_clock();
                       return relay.now += std::chrono::microseconds(2);
                     },
                 .show = [](std::string_view) {},
                 .terminal = false,
                 .stop = &stop,
                 .save = nullptr});
  return runner.Run();
}

}  // namespace bench
