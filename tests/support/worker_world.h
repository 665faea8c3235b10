// Poll-mode workers between ports out of rings, which the test fills and empties; one endpoint and its two clients.
#ifndef RELAYD_TESTS_SUPPORT_WORKER_WORLD_H_
#define RELAYD_TESTS_SUPPORT_WORKER_WORLD_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "disco/client_handshake.h"
#include "relay/core/endpoint_table.h"
#include "relay/dataplane/dpdk_worker.h"
#include "relay/dataplane/kernel_path.h"
#include "relay/dataplane/reassembler.h"
#include "tests/support/packet_builder.h"

namespace test {

// A frame that was sent.
struct SentFrame {
  Bytes bytes;
  unsigned segments = 0;
};

// Driver net_ring: what is put in is received, what is sent can be taken out. Lives until the process ends, because EAL
// does not open a closed port again.
class RingPort {
 public:
  // Starts EAL if need be. Sizes are powers of two; a ring holds one less.
  RingPort(const std::string& name, unsigned in_size, unsigned out_size, unsigned mbufs = 2047);

  // One frame in mbufs of these lengths; the last one has the rest.
  rte_mbuf* Make(std::span<const uint8_t> frame, std::span<const size_t> segments = {}) const;
  void Put(rte_mbuf* frame) const;
  void Put(std::span<const uint8_t> frame, std::span<const size_t> segments = {}) const { Put(Make(frame, segments)); }
  std::vector<SentFrame> Take() const;  // All that has been sent.
  unsigned InUse() const;               // mbufs of its pool that are not in it.

  rte_ring* in;
  rte_ring* out;
  relay::Port port;  // MTU 1500; a driver that sends chains.
};

// What all workers (and the kernel path) have counted, together.
struct Ledger {
  uint64_t received = 0;
  uint64_t forwarded = 0;
  uint64_t forwarded_bytes = 0;
  uint64_t answered = 0;
  uint64_t accepted = 0;
  uint64_t to_kernel = 0;
  std::array<uint64_t, relay::kDropReasonCount> drops{};
  uint64_t dropped = 0;
  uint64_t Of(relay::DropReason reason) const { return drops[static_cast<size_t>(reason)]; }
  bool Balances() const { return received == forwarded + answered + accepted + to_kernel + dropped; }
  void Add(const relay::Counters& counters);
};

class WorkerWorld {
 public:
  struct Worker {
    relay::Counters counters;
    relay::PollCounters poll;
    std::vector<std::unique_ptr<relay::PortCounters>> ports;
    relay::WorkerContext context;
    std::unique_ptr<relay::Reassembler> reassembler;
    std::unique_ptr<relay::DpdkWorker> loop;
  };

  // Port i has one queue, which worker i % workers serves; the others hand over what they have for it. VNI 1 is
  // allocated to clients 0 and 1, of the same keys in every process; nobody is bound.
  explicit WorkerWorld(std::vector<RingPort*> rings, uint32_t workers = 1);
  ~WorkerWorld();

  // To be changed before Start.
  std::vector<relay::Port> ports;  // Copies of the rings'.
  std::unique_ptr<relay::KernelPath> kernel_path;
  std::optional<relay::Duration> reassemble;  // The timeout.
  // The calling thread takes part in the Qsbr as all workers; not if they are to Run.
  void Start(bool poll_here = true);

  // ---- Clients.
  // Where a frame of `row` comes from, if it comes by port 0: its client's path.
  relay::Path PathOf(const PacketRow& row, uint16_t port_index = 0) const;
  // Binds without a handshake. The first is bound to client 0.
  void Bind(const relay::Path& first, const relay::Path& second);
  disco::ClientHandshake Handshake(size_t client, uint32_t vni = 1) const;
  // A control packet of any content, sealed by a client.
  Bytes Sealed(size_t client, std::span<const uint8_t> clear, uint32_t vni = 1) const;
  Bytes SealedBind(size_t client, disco::MessageType type, const disco::BindCommon& bind, uint32_t vni = 1) const;
  disco::BindCommon BindOf(size_t client, uint32_t generation) const;
  const relay::EndpointTable::NewEndpoint& endpoint() const { return endpoint_; }

  // ---- The relay.
  uint32_t Poll(size_t worker = 0) { return workers[worker]->loop->Poll(); }
  void Neighbours(std::vector<relay::Link> links) {
    neighbours.Publish(std::make_unique<const relay::NeighbourSet>(std::move(links)));
  }
  void Settle();  // As if the workers had been stopped.
  Ledger Count() const;

  const disco::PrivateKey key;
  relay::Qsbr qsbr;
  relay::EndpointTable table;
  relay::RelayServer server;
  relay::Published<relay::AddressSet> addresses;  // kRelay4, kRelay6, fe80::fe.
  relay::Published<relay::NeighbourSet> neighbours;
  std::vector<std::unique_ptr<Worker>> workers;

 private:
  relay::DpdkWorker::Config ConfigOf(uint32_t worker);
  void Insert();

  std::vector<RingPort*> rings_;
  std::vector<rte_ring*> handoffs_;  // By port; null with one worker.
  std::array<disco::PrivateKey, 2> keys_;
  relay::EndpointTable::NewEndpoint endpoint_;
  bool polls_here_ = false;
};

}  // namespace test

#endif  // RELAYD_TESTS_SUPPORT_WORKER_WORLD_H_
