// The whole loop of a DPDK worker in one process: receive, decide, rewrite, send, over net_ring. What fills the ring
// and empties it is not timed.
//
//   build/release/bench/ring_bench [--benchmark_filter=…] [EAL arguments; default: hugepages where there are any]
#include <benchmark/benchmark.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ring.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "relay/core/endpoint_table.h"
#include "relay/dataplane/dpdk_worker.h"
#include "relay/dataplane/mbuf.h"

namespace {

using disco::AddrPort;

constexpr size_t kBurst = 32;
constexpr uint16_t kRelayPort = 40000;
const AddrPort kRelay = AddrPort::FromIpv4({198, 18, 255, 1}, kRelayPort);
const AddrPort kAlice = AddrPort::FromIpv4({198, 18, 0, 1}, 1001);
const AddrPort kBob = AddrPort::FromIpv4({198, 18, 0, 2}, 1002);
const AddrPort kAlice6 = *AddrPort::Parse("[2001:db8::3]:1001");
const AddrPort kBob6 = *AddrPort::Parse("[2001:db8::2]:1002");
const AddrPort kRelay6 = *AddrPort::Parse("[2001:db8::1]:40000");

void Check(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "ring_bench: %s\n", what);
  std::abort();
}

// One port out of two rings, made once.
struct RingPort {
  RingPort() {
    in = rte_ring_create("in", 1024, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
    out = rte_ring_create("out", 1024, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
    Check(in != nullptr && out != nullptr, "no memory for rings");
    const int id = rte_eth_from_rings("rings", &in, 1, &out, 1, 0);
    Check(id >= 0, "no ring port");
    port.id = static_cast<uint16_t>(id);
    port.mtu = 1500;
    port.pool = relay::MakePool("frames", 4095, 2048, 0);
    Check(port.pool != nullptr, "no memory for a pool");
    rte_eth_conf conf{};
    Check(rte_eth_dev_configure(port.id, 1, 1, &conf) == 0 &&
              rte_eth_rx_queue_setup(port.id, 0, 256, 0, nullptr, port.pool) == 0 &&
              rte_eth_tx_queue_setup(port.id, 0, 256, 0, nullptr) == 0 && rte_eth_dev_start(port.id) == 0,
          "the ring port does not start");
  }
  rte_ring* in;
  rte_ring* out;
  relay::Port port;
};

RingPort& Rings() {
  static RingPort rings;
  return rings;
}

relay::Path PathOf(const AddrPort& remote, const AddrPort& local) {
  relay::Path path;
  path.remote = remote;
  path.local_ip = local.ip;
  path.local_port = local.port;
  path.link = {.port = static_cast<uint16_t>(Rings().port.id + 1), .vlan = 0, .mac = {2, 0, 0, 0, 0, 9}};
  return path;
}

// Who sends to whom, each by an address of the relay's of the same family.
struct Clients {
  AddrPort alice;
  AddrPort bob;
};
AddrPort RelayOf(const AddrPort& client) { return client.IsIpv4() ? kRelay : kRelay6; }

// A worker, and `endpoints` open endpoints, all of the same two clients' addresses.
struct Relay {
  Relay(uint32_t endpoints, const Clients& clients)
      : key((disco::InitCrypto(), disco::PrivateKey::Generate())),
        qsbr(2),
        table(endpoints, qsbr),
        server(table, key.public_key(), relay::ServerCrypto::Production(), {}),
        addresses(qsbr),
        neighbours(qsbr) {
    relay::EndpointTable::NewEndpoint endpoint;
    for (uint32_t i = 0; i < endpoints; ++i) {
      randombytes_buf(&endpoint.clients, sizeof(endpoint.clients));
      relay::Endpoint* const record = table.Find(*table.Insert(endpoint, std::chrono::steady_clock::now()));
      table.Bind(*record, 0, PathOf(clients.alice, RelayOf(clients.alice)));
      table.Bind(*record, 1, PathOf(clients.bob, RelayOf(clients.bob)));
      table.CountOpened(*record);
    }
    const std::array<relay::IpBytes, 2> ours = {kRelay.ip, kRelay6.ip};
    addresses.Publish(std::make_unique<const relay::AddressSet>(ours));
    context.counters = &counters;
    relay::DpdkWorker::Config config;
    config.ports = {
        {.port = &Rings().port, .rx_queue = 0, .tx_queue = 0, .handoff = nullptr, .counters = &port_counters}};
    config.udp_port = kRelayPort;
    config.addresses = &addresses;
    config.neighbours = &neighbours;
    config.poll_counters = &poll_counters;
    worker = std::make_unique<relay::DpdkWorker>(config, server, qsbr, context);
    qsbr.Register(0);
    qsbr.Online(0);
  }

  disco::PrivateKey key;
  relay::Qsbr qsbr;
  relay::EndpointTable table;
  relay::RelayServer server;
  relay::Counters counters;
  relay::PortCounters port_counters;
  relay::PollCounters poll_counters;
  relay::WorkerContext context;
  relay::Published<relay::AddressSet> addresses;
  relay::Published<relay::NeighbourSet> neighbours;
  std::unique_ptr<relay::DpdkWorker> worker;
};

// A frame from alice, of which only the VNI is written later.
std::vector<uint8_t> FrameOf(const AddrPort& alice, size_t bytes) {
  std::vector<uint8_t> frame(bytes);
  const relay::Path path = PathOf(RelayOf(alice), alice);  // As alice sends it.
  const size_t outer = relay::OuterBytes(path);
  const size_t payload = bytes - outer - relay::kUdpBytes;
  relay::WriteOwnOuter(path, {2, 0, 0, 0, 0, 9}, payload, frame.data());
  geneve::Write({.vni = 1, .protocol = geneve::kProtocolWireGuard, .version = 0, .control = false},
                std::span(frame).subspan(outer + relay::kUdpBytes).first<geneve::kHeaderSize>());
  frame[outer + 6] = 0x12;  // Some checksum, which is right or wrong alike.
  return frame;
}

void WorkerLoop(benchmark::State& state, const Clients& clients) {
  const auto endpoints = static_cast<uint32_t>(state.range(0));
  const auto bytes = static_cast<size_t>(state.range(1));
  Relay relay(endpoints, clients);
  const std::vector<uint8_t> frame = FrameOf(clients.alice, bytes);
  const size_t vni_offset = relay::OuterBytes(PathOf(clients.alice, kRelay)) + relay::kUdpBytes + 4;
  std::minstd_rand random;
  std::vector<std::array<uint8_t, 4>> order(1 << 20);
  for (auto& word : order) wire::StoreBe32(word, (1 + static_cast<uint32_t>(random()) % endpoints) << 8);
  size_t next = 0;
  std::array<rte_mbuf*, kBurst> mbufs;
  const double ns_per_cycle = 1e9 / static_cast<double>(rte_get_tsc_hz());
  std::vector<uint32_t> cycles_by_turn;
  for (auto _ : state) {
    Check(rte_pktmbuf_alloc_bulk(Rings().port.pool, mbufs.data(), kBurst) == 0, "no mbufs");
    for (rte_mbuf* const m : mbufs) {
      auto* const data = reinterpret_cast<uint8_t*>(rte_pktmbuf_append(m, static_cast<uint16_t>(bytes)));
      std::memcpy(data, frame.data(), std::min<size_t>(bytes, 80));
      std::memcpy(data + vni_offset, &order[next++ % order.size()], 4);
    }
    rte_ring_enqueue_bulk(Rings().in, reinterpret_cast<void**>(mbufs.data()), kBurst, nullptr);
    const uint64_t begin = rte_rdtsc();
    const uint32_t received = relay.worker->Poll();
    const uint64_t cycles = rte_rdtsc() - begin;
    cycles_by_turn.push_back(static_cast<uint32_t>(std::min<uint64_t>(cycles, UINT32_MAX)));
    state.SetIterationTime(static_cast<double>(cycles) * ns_per_cycle * 1e-9);
    const unsigned sent = rte_ring_dequeue_burst(Rings().out, reinterpret_cast<void**>(mbufs.data()), kBurst, nullptr);
    if (received != kBurst || sent != kBurst) return state.SkipWithError("not all was forwarded");
    rte_pktmbuf_free_bulk(mbufs.data(), kBurst);
  }
  // The median turn: a turn in which the machine did something else says nothing about the loop.
  const auto median = cycles_by_turn.begin() + static_cast<ptrdiff_t>(cycles_by_turn.size() / 2);
  std::nth_element(cycles_by_turn.begin(), median, cycles_by_turn.end());
  const double cycles_per_packet = static_cast<double>(*median) / kBurst;
  state.counters["ns_per_packet"] = cycles_per_packet * ns_per_cycle;
  state.counters["cycles_per_packet"] = cycles_per_packet;
}

void Ring(benchmark::State& state) { WorkerLoop(state, {kAlice, kBob}); }
void Ring4To6(benchmark::State& state) { WorkerLoop(state, {kAlice, kBob6}); }
void Ring6(benchmark::State& state) { WorkerLoop(state, {kAlice6, kBob6}); }
BENCHMARK(Ring)
    ->Args({1, 114})
    ->Args({1, 1330})
    ->Args({1000, 114})
    ->Args({100'000, 114})
    ->Args({1'000'000, 114})
    ->UseManualTime();
BENCHMARK(Ring4To6)->Args({1, 114})->UseManualTime();
BENCHMARK(Ring6)->Args({1, 134})->Args({1'000'000, 134})->UseManualTime();

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  std::vector<const char*> eal(argv, argv + argc);
  if (argc == 1) {  // Hugepages if there are any free ones.
    long free_pages = 0;
    if (FILE* f = std::fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "r")) {
      if (std::fscanf(f, "%ld", &free_pages) != 1) free_pages = 0;
      std::fclose(f);
    }
    if (free_pages >= 64) {
      eal.push_back("--in-memory");
    } else {
      eal.insert(eal.end(), {"--no-huge", "-m", "256", "--no-shconf"});
    }
    benchmark::AddCustomContext("hugepages", free_pages >= 64 ? "yes" : "no");
  }
  eal.insert(eal.end(), {"--no-pci", "--no-telemetry", "--log-level=error"});
  const int status = rte_eal_init(static_cast<int>(eal.size()), const_cast<char**>(eal.data()));
  Check(status >= 0, "EAL does not start");
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
