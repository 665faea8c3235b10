// The core's costs in one process: parsing, crypto, table, and HandlePacket in bursts as the workers run it.
//
//   build/release/bench/core_bench [--benchmark_filter=…]
#include <benchmark/benchmark.h>
#include <sodium.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "disco/client_handshake.h"
#include "relay/core/relay_server.h"

namespace {

using relay::Counters;
using relay::EndpointTable;
using relay::Instant;
using relay::Parsed;
using relay::Path;
using relay::Qsbr;
using relay::RelayServer;
using relay::Reply;
using relay::Verdict;

constexpr size_t kBurst = 32;
constexpr Instant kNow{std::chrono::hours(1)};

size_t ResidentBytes() {
  size_t pages = 0;
  size_t resident = 0;
  if (FILE* f = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(f, "%zu %zu", &pages, &resident) != 2) resident = 0;
    std::fclose(f);
  }
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

Path PathOf(uint16_t port) {
  Path path;
  path.remote = disco::AddrPort::FromIpv4({198, 18, 0, 1}, port);
  path.local_ip = disco::AddrPort::FromIpv4({198, 18, 255, 1}, 0).ip;
  path.local_port = 40000;
  return path;
}

// A relay with `endpoints` open endpoints.
struct Relay {
  explicit Relay(uint32_t endpoints)
      : key((disco::InitCrypto(), disco::PrivateKey::Generate())),
        qsbr(1),
        table(endpoints, qsbr),
        server(table, key.public_key(), relay::ServerCrypto::Production(), {}) {
    worker.counters = &counters;
    const size_t before = ResidentBytes();
    EndpointTable::NewEndpoint endpoint;
    for (uint32_t i = 0; i < endpoints; ++i) {
      randombytes_buf(&endpoint.clients, sizeof(endpoint.clients));
      const uint32_t vni = *table.Insert(endpoint, kNow);
      relay::Endpoint* const record = table.Find(vni);
      table.Bind(*record, 0, PathOf(1001));
      table.Bind(*record, 1, PathOf(1002));
      table.CountOpened(*record);
    }
    bytes_per_endpoint = static_cast<double>(ResidentBytes() - before) / endpoints;
    qsbr.Register(0);
    qsbr.Online(0);
  }

  disco::PrivateKey key;
  Qsbr qsbr;
  EndpointTable table;
  RelayServer server;
  Counters counters;
  relay::WorkerContext worker;
  Reply reply;
  double bytes_per_endpoint = 0;
};

void GeneveParse(benchmark::State& state) {
  std::array<uint8_t, 64> packet{};
  geneve::Write({.vni = 5, .protocol = geneve::kProtocolWireGuard, .version = 0, .control = false},
                std::span(packet).first<geneve::kHeaderSize>());
  for (auto _ : state) {
    benchmark::DoNotOptimize(packet.data());
    benchmark::DoNotOptimize(RelayServer::Parse(packet));
  }
}
BENCHMARK(GeneveParse);

void DiscoSeal(benchmark::State& state) {
  disco::InitCrypto();
  const auto a = disco::PrivateKey::Generate();
  const auto b = disco::PrivateKey::Generate();
  const auto shared = *a.Agree(b.public_key());
  const disco::Nonce nonce = disco::RandomNonce();
  std::array<uint8_t, disco::kBindMessageSize> clear{};
  std::array<uint8_t, 256> out;
  for (auto _ : state) benchmark::DoNotOptimize(disco::Seal(a.public_key(), shared, nonce, clear, out));
}
BENCHMARK(DiscoSeal);

void DiscoOpen(benchmark::State& state) {
  disco::InitCrypto();
  const auto a = disco::PrivateKey::Generate();
  const auto b = disco::PrivateKey::Generate();
  const auto shared = *a.Agree(b.public_key());
  std::array<uint8_t, disco::kBindMessageSize> clear{};
  std::array<uint8_t, 256> packet;
  const size_t size = disco::Seal(a.public_key(), shared, disco::RandomNonce(), clear, packet);
  std::array<uint8_t, 256> out;
  for (auto _ : state) {
    const auto wrapper = disco::ReadWrapper(std::span(packet).first(size));
    benchmark::DoNotOptimize(disco::Open(*wrapper, shared, out));
  }
}
BENCHMARK(DiscoOpen);

// A bind in, a challenge out: open, MAC, seal.
void Challenge(benchmark::State& state) {
  Relay relay(1);
  disco::PrivateKey a = disco::PrivateKey::Generate();
  disco::PrivateKey b = disco::PrivateKey::Generate();
  if (b.public_key() < a.public_key()) std::swap(a, b);
  relay.table.Remove(1);
  relay.qsbr.Quiescent(0);
  EndpointTable::NewEndpoint endpoint;
  endpoint.clients = {a.public_key(), b.public_key()};
  endpoint.shared = {*relay.key.Agree(a.public_key()), *relay.key.Agree(b.public_key())};
  relay.table.Reclaim(1);
  relay.qsbr.Quiescent(0);
  disco::ClientHandshake::Options options;
  options.self = a.public_key();
  options.peer = b.public_key();
  options.server = relay.key.public_key();
  options.shared = endpoint.shared[0];
  options.vni = *relay.table.Insert(endpoint, kNow);
  disco::ClientHandshake client(options);
  const std::vector<uint8_t> bind = client.Start(kNow);
  const Path from = PathOf(1001);
  Instant now = kNow;
  for (auto _ : state) {
    now += std::chrono::milliseconds(50);  // Within the leg's rate.
    const Verdict verdict = relay.server.HandlePacket(relay.worker, from, bind, now, relay.reply);
    if (verdict.action != Verdict::Action::kReply) return state.SkipWithError("not answered");
  }
}
BENCHMARK(Challenge);

void TableLookup(benchmark::State& state) {
  const auto endpoints = static_cast<uint32_t>(state.range(0));
  Relay relay(endpoints);
  std::minstd_rand random;
  std::vector<uint32_t> vnis(1 << 16);
  for (uint32_t& vni : vnis) vni = 1 + static_cast<uint32_t>(random()) % endpoints;
  size_t next = 0;
  for (auto _ : state) benchmark::DoNotOptimize(relay.table.Find(vnis[next++ % vnis.size()])->binding[0].IsBound());
}
BENCHMARK(TableLookup)->Arg(1)->Arg(1000)->Arg(100'000)->Arg(1'000'000);

// Data for endpoints chosen at random, in bursts of 32: parse all and prefetch slots, prefetch flows, decide all.
// Reports nanoseconds a packet.
void HandlePacket(benchmark::State& state) {
  const auto endpoints = static_cast<uint32_t>(state.range(0));
  Relay relay(endpoints);
  struct Packet {
    relay::Ipv4Path from;
    std::array<uint8_t, 64> bytes{};
  };
  // Packets as a ring of receive buffers that stays in the cache, of which only the VNI is written: what is measured is
  // the relay and not the generator. All endpoints have the same two clients' addresses.
  std::array<Packet, kBurst> burst;
  std::array<Parsed, kBurst> parsed;
  std::array<relay::Sender, kBurst> senders;
  for (Packet& packet : burst) {
    packet.from = relay::Ipv4Path::Of(relay::PathWords::Of(PathOf(1001)));
    geneve::Write({.vni = 0, .protocol = geneve::kProtocolWireGuard, .version = 0, .control = false},
                  std::span(packet.bytes).first<geneve::kHeaderSize>());
  }
  std::minstd_rand random;
  std::vector<std::array<uint8_t, 4>> order(1 << 20);  // The header's second word, as it stands in the packet.
  for (auto& word : order) wire::StoreBe32(word, (1 + static_cast<uint32_t>(random()) % endpoints) << 8);
  size_t next = 0;
  uint64_t forwarded = 0;
  Instant now = kNow;
  for (auto _ : state) {
    now += std::chrono::microseconds(1);
    for (Packet& packet : burst) std::memcpy(&packet.bytes[4], &order[next++ % order.size()], 4);
    for (size_t i = 0; i < kBurst; ++i) {
      parsed[i].Read(burst[i].bytes);
      relay.server.PrefetchSlot(parsed[i]);
    }
    for (size_t i = 0; i < kBurst; ++i) {
      const uint64_t source = relay::SourceWord(burst[i].from.remote_ip, burst[i].from.remote_port);
      senders[i] = relay.server.PrefetchSender(parsed[i], source);
    }
    for (size_t i = 0; i < kBurst; ++i) {
      relay::Ipv4Path to;
      bool other_mac = false;
      const bool forward = RelayServer::ForwardIpv4(relay.worker, senders[i], burst[i].from, burst[i].bytes.size(), 1,
                                                    now, to, other_mac);
      benchmark::DoNotOptimize(to);
      forwarded += forward ? 1 : 0;
    }
    relay.qsbr.Quiescent(0);
  }
  if (forwarded != static_cast<uint64_t>(state.iterations()) * kBurst) state.SkipWithError("not all was forwarded");
  state.counters["ns_per_packet"] = benchmark::Counter(static_cast<double>(state.iterations()) * kBurst * 1e-9,
                                                       benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["bytes_per_endpoint"] = relay.bytes_per_endpoint;
}
BENCHMARK(HandlePacket)->Arg(1)->Arg(1000)->Arg(100'000)->Arg(1'000'000);

}  // namespace

BENCHMARK_MAIN();
