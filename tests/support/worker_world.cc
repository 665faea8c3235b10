#include "tests/support/worker_world.h"

#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ring.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "disco/packet.h"
#include "geneve/geneve.h"
#include "tests/support/test_eal.h"

namespace test {
namespace {

void Check(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "worker world: %s\n", what);
  std::abort();
}

disco::PrivateKey KeyOf(uint8_t seed) {
  disco::InitCrypto();
  std::array<uint8_t, disco::kKeySize> bytes;
  bytes.fill(seed);
  return disco::PrivateKey::FromBytes(bytes);
}

std::array<disco::PrivateKey, 2> ClientKeys() {
  std::array<disco::PrivateKey, 2> keys = {KeyOf(2), KeyOf(3)};
  if (keys[1].public_key() < keys[0].public_key()) std::swap(keys[0], keys[1]);
  return keys;
}

}  // namespace

RingPort::RingPort(const std::string& name, unsigned in_size, unsigned out_size, unsigned mbufs) {
  StartEal();
  // Several producers and consumers may meet here: a worker and the test.
  in = rte_ring_create((name + "_in").c_str(), in_size, 0, 0);
  out = rte_ring_create((name + "_out").c_str(), out_size, 0, 0);
  Check(in != nullptr && out != nullptr, "no memory for rings");
  const int id = rte_eth_from_rings(name.c_str(), &in, 1, &out, 1, 0);
  Check(id >= 0, "no ring port");
  port.id = static_cast<uint16_t>(id);
  port.name = name;
  port.driver = "net_ring";
  port.mac = kRelayMac;
  port.mac[4] = static_cast<uint8_t>(id);
  port.tx_multi_segment = true;
  port.pool = relay::MakePool(name + "_pool", mbufs, 2048, 0);
  Check(port.pool != nullptr, "no memory for a pool");
  rte_eth_conf conf{};
  Check(rte_eth_dev_configure(port.id, 1, 1, &conf) == 0 &&
            rte_eth_rx_queue_setup(port.id, 0, 256, 0, nullptr, port.pool) == 0 &&
            rte_eth_tx_queue_setup(port.id, 0, 256, 0, nullptr) == 0 && rte_eth_dev_start(port.id) == 0,
        "the ring port does not start");
}

rte_mbuf* RingPort::Make(std::span<const uint8_t> frame, std::span<const size_t> segments) const {
  rte_mbuf* head = nullptr;
  for (size_t i = 0; i <= segments.size(); ++i) {
    const size_t size = i < segments.size() ? std::min(segments[i], frame.size()) : frame.size();
    rte_mbuf* const m = rte_pktmbuf_alloc(port.pool);
    Check(m != nullptr && rte_pktmbuf_tailroom(m) >= size, "no mbuf for that frame");
    std::copy_n(frame.begin(), size, rte_pktmbuf_mtod(m, uint8_t*));
    m->data_len = static_cast<uint16_t>(size);
    m->pkt_len = static_cast<uint32_t>(size);
    frame = frame.subspan(size);
    if (head == nullptr) {
      head = m;
    } else {
      Check(rte_pktmbuf_chain(head, m) == 0, "too many segments");
    }
  }
  return head;
}

void RingPort::Put(rte_mbuf* frame) const {
  frame->port = port.id;
  Check(rte_ring_enqueue(in, frame) == 0, "the ring is full");
}

std::vector<SentFrame> RingPort::Take() const {
  std::vector<SentFrame> frames;
  void* object = nullptr;
  while (rte_ring_dequeue(out, &object) == 0) {
    auto* const frame = static_cast<rte_mbuf*>(object);
    Check(rte_mbuf_check(frame, 1, nullptr) == 0, "what was sent is an mbuf");
    SentFrame& sent = frames.emplace_back();
    sent.segments = frame->nb_segs;
    for (const rte_mbuf* m = frame; m != nullptr; m = m->next) {
      const auto* const data = rte_pktmbuf_mtod(m, const uint8_t*);
      sent.bytes.insert(sent.bytes.end(), data, data + m->data_len);
    }
    Check(sent.bytes.size() == frame->pkt_len, "a frame is as long as its segments");
    rte_pktmbuf_free(frame);
  }
  return frames;
}

unsigned RingPort::InUse() const { return rte_mempool_in_use_count(port.pool); }

void Ledger::Add(const relay::Counters& counters) {
  received += counters.received.Get();
  for (size_t i = 0; i < 4; ++i) {
    forwarded += counters.forwarded_packets[i / 2][i % 2].Get();
    forwarded_bytes += counters.forwarded_bytes[i / 2][i % 2].Get();
  }
  answered += counters.answered.Get();
  accepted += counters.accepted.Get();
  to_kernel += counters.to_kernel.Get();
  for (size_t i = 0; i < drops.size(); ++i) {
    drops[i] += counters.dropped[i].Get();
    dropped += counters.dropped[i].Get();
  }
}

WorkerWorld::WorkerWorld(std::vector<RingPort*> rings, uint32_t worker_count)
    : key(KeyOf(1)),
      qsbr(worker_count),
      table(64, qsbr),
      server(table, key.public_key(), relay::ServerCrypto::Production(), {}),
      addresses(qsbr),
      neighbours(qsbr),
      rings_(std::move(rings)),
      keys_(ClientKeys()) {
  for (const RingPort* ring : rings_) ports.push_back(ring->port);
  for (uint32_t i = 0; i < worker_count; ++i) workers.push_back(std::make_unique<Worker>());
  const std::array<relay::IpBytes, 3> ours = {AddrOf(kRelay4).ip, AddrOf(kRelay6).ip, AddrOf("[fe80::fe]:1").ip};
  addresses.Publish(std::make_unique<const relay::AddressSet>(ours));
  Insert();
}

void WorkerWorld::Insert() {
  endpoint_.clients = {keys_[0].public_key(), keys_[1].public_key()};
  endpoint_.shared = {*key.Agree(endpoint_.clients[0]), *key.Agree(endpoint_.clients[1])};
  Check(*table.Insert(endpoint_, std::chrono::steady_clock::now()) == 1, "the first VNI is 1");
}

relay::DpdkWorker::Config WorkerWorld::ConfigOf(uint32_t worker) {
  relay::DpdkWorker::Config config;
  for (size_t i = 0; i < ports.size(); ++i) {
    const bool owns = i % workers.size() == worker;
    workers[worker]->ports.push_back(std::make_unique<relay::PortCounters>());
    config.ports.push_back({.port = &ports[i],
                            .rx_queue = owns ? std::optional<uint16_t>(0) : std::nullopt,
                            .tx_queue = owns ? std::optional<uint16_t>(0) : std::nullopt,
                            .handoff = handoffs_[i],
                            .counters = workers[worker]->ports.back().get()});
  }
  config.index = worker;
  config.udp_port = kRelayPort;
  config.kernel_path = kernel_path.get();
  config.addresses = &addresses;
  config.neighbours = &neighbours;
  config.poll_counters = &workers[worker]->poll;
  config.reassembler = workers[worker]->reassembler.get();
  return config;
}

void WorkerWorld::Start(bool poll_here) {
  polls_here_ = poll_here;
  for (size_t i = 0; i < ports.size(); ++i) {
    handoffs_.push_back(
        workers.size() == 1 ? nullptr : rte_ring_create(absl::StrCat("handoff_", i).c_str(), 64, 0, RING_F_SC_DEQ));
    Check(workers.size() == 1 || handoffs_.back() != nullptr, "no memory for a ring");
  }
  for (uint16_t i = 0; i < workers.size(); ++i) {
    Worker& worker = *workers[i];
    worker.context.id = i;
    worker.context.counters = &worker.counters;
    if (reassemble) worker.reassembler = *relay::Reassembler::Create(SOCKET_ID_ANY, 64, *reassemble);
    worker.loop = std::make_unique<relay::DpdkWorker>(ConfigOf(i), server, qsbr, worker.context);
    if (!polls_here_) continue;
    qsbr.Register(i);
    qsbr.Online(i);
  }
}

WorkerWorld::~WorkerWorld() {
  for (uint16_t i = 0; i < workers.size(); ++i) {
    if (polls_here_) {
      qsbr.Offline(i);
      qsbr.Unregister(i);
    }
    workers[i]->loop.reset();
    workers[i]->reassembler.reset();
  }
  for (rte_ring* const ring : handoffs_) rte_ring_free(ring);
}

void WorkerWorld::Settle() {
  for (const auto& worker : workers) worker->loop->Settle();
}

relay::Path WorkerWorld::PathOf(const PacketRow& row, uint16_t port_index) const {
  relay::Path path;
  path.remote = AddrOf(row.from);
  path.local_ip = AddrOf(row.to).ip;
  path.local_port = kRelayPort;
  path.link = {.port = static_cast<uint16_t>(ports[port_index].id + 1),
               .vlan = static_cast<uint16_t>(row.vlan.value_or(0) & 0xfff),
               .mac = row.from_mac};
  path.interface = path.remote.IsIpv4() ? 0 : ports[port_index].kernel_interface.Get();
  return path;
}

void WorkerWorld::Bind(const relay::Path& first, const relay::Path& second) {
  relay::Endpoint& record = *table.Find(1);
  const bool was_open = record.IsOpen();
  table.Bind(record, 0, first);
  table.Bind(record, 1, second);
  if (!was_open) table.CountOpened(record);
}

disco::ClientHandshake WorkerWorld::Handshake(size_t client, uint32_t vni) const {
  disco::ClientHandshake::Options options;
  options.self = endpoint_.clients[client];
  options.peer = endpoint_.clients[1 - client];
  options.server = key.public_key();
  options.shared = endpoint_.shared[client];
  options.vni = vni;
  return disco::ClientHandshake(options);
}

Bytes WorkerWorld::Sealed(size_t client, std::span<const uint8_t> clear, uint32_t vni) const {
  Bytes packet(geneve::kHeaderSize + disco::kSealedOverhead + clear.size());
  geneve::Write({.vni = vni, .protocol = geneve::kProtocolDisco, .version = 0, .control = true},
                std::span(packet).first<geneve::kHeaderSize>());
  disco::Seal(endpoint_.clients[client], endpoint_.shared[client], disco::RandomNonce(), clear,
              std::span(packet).subspan(geneve::kHeaderSize));
  return packet;
}

Bytes WorkerWorld::SealedBind(size_t client, disco::MessageType type, const disco::BindCommon& bind,
                              uint32_t vni) const {
  std::array<uint8_t, disco::kBindMessageSize> clear;
  disco::WriteBindMessage(type, bind, clear);
  return Sealed(client, clear, vni);
}

disco::BindCommon WorkerWorld::BindOf(size_t client, uint32_t generation) const {
  return {.vni = 1, .generation = generation, .remote_key = endpoint_.clients[1 - client], .challenge = {}};
}

Ledger WorkerWorld::Count() const {
  Ledger sum;
  for (const auto& worker : workers) sum.Add(worker->counters);
  if (kernel_path) sum.Add(kernel_path->counters());
  return sum;
}

}  // namespace test
