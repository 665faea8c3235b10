// Two workers on threads of their own, whose clients are each on the other's port, while the control side inserts and
// removes endpoints and publishes addresses and neighbours. For ThreadSanitizer, above all.
//
// ThreadSanitizer sees rte_ring where it is compiled here (RTE_USE_C11_MEM_MODEL): the handoff rings, that is. It sees
// nothing of DPDK's own shared objects: neither net_ring's ends of the rings nor the ring within a pool. For the first,
// callbacks of the port order what the test and the worker do with a frame. For the second, no buffer is allocated
// twice while workers run: the test takes all it needs before, and uses again what it gets back by the port; what a
// worker drops stays in the pool.
#include <rte_ethdev.h>
#include <rte_mempool.h>
#include <rte_ring.h>

#include <atomic>
#include <deque>
#include <thread>

#include "relay/dataplane/dpdk_worker_fixture.h"

namespace relay {
namespace {

using test::Build;
using test::Bytes;
using test::PacketRow;
using test::WorkerWorld;

constexpr uint64_t kEnough = 30'000;  // Frames; or kLongest.
constexpr auto kLongest = std::chrono::seconds(4);
constexpr uint32_t kBuffers = 2047;
constexpr uint64_t kInFlight = 48;  // Fewer than would fill a ring.

// A port whose frames pass between the test and the worker in ThreadSanitizer's sight.
class OrderedPort {
 public:
  explicit OrderedPort(const std::string& name) : ring(name, 1024, 1024, kBuffers) {
    rte_eth_add_rx_callback(ring.port.id, 0, AfterReceive, this);
    rte_eth_add_tx_callback(ring.port.id, 0, BeforeSend, this);
  }
  bool Put(rte_mbuf* frame) {
    given_.fetch_add(1, std::memory_order_release);
    return rte_ring_enqueue(ring.in, frame) == 0;
  }
  rte_mbuf* Take() {
    void* frame = nullptr;
    if (rte_ring_dequeue(ring.out, &frame) != 0) return nullptr;
    sent_.load(std::memory_order_acquire);
    return static_cast<rte_mbuf*>(frame);
  }

  test::RingPort ring;

 private:
  static uint16_t AfterReceive(uint16_t, uint16_t, rte_mbuf**, uint16_t count, uint16_t, void* self) {
    static_cast<OrderedPort*>(self)->given_.load(std::memory_order_acquire);
    return count;
  }
  static uint16_t BeforeSend(uint16_t, uint16_t, rte_mbuf**, uint16_t count, void* self) {
    static_cast<OrderedPort*>(self)->sent_.fetch_add(1, std::memory_order_release);
    return count;
  }
  std::atomic<uint64_t> given_{0};
  std::atomic<uint64_t> sent_{0};
};

OrderedPort& PortOf(size_t i) {
  static OrderedPort& first = *new OrderedPort("stress0");
  static OrderedPort& second = *new OrderedPort("stress1");
  return i == 0 ? first : second;
}

class WorkerStressTest : public WorkerTest {
 protected:
  // The control side, until `stop_`.
  void Control() {
    const std::array<IpBytes, 2> ours = {test::AddrOf(test::kRelay4).ip, test::AddrOf(test::kRelay6).ip};
    std::deque<uint32_t> live;
    for (uint64_t turn = 0; !stop_.load(); ++turn) {
      if (const auto vni = world_->table.Insert(world_->endpoint(), std::chrono::steady_clock::now())) {
        Endpoint& endpoint = *world_->table.Find(*vni);
        world_->table.Bind(endpoint, 0, world_->PathOf(Row4(), 0));
        world_->table.Bind(endpoint, 1, world_->PathOf(SecondOf(*vni), 1));
        world_->table.CountOpened(endpoint);
        live.push_back(*vni);
        newest_.store(*vni);
      }
      if (live.size() > 20) {
        world_->table.Remove(live.front());
        live.pop_front();
      }
      world_->table.Reclaim(16);
      world_->addresses.Publish(std::make_unique<const AddressSet>(ours));
      std::vector<Link> links = {world_->PathOf(Row4()).link, world_->PathOf(Row4()).link};
      links[1].mac = kOtherMac;
      if (turn % 3 == 0) links.pop_back();
      world_->Neighbours(std::move(links));
      ++turns_;
      std::this_thread::yield();
    }
  }

  // Half of the pairs are decided by their flows alone, half by bindings too.
  static PacketRow SecondOf(uint32_t vni) {
    if (vni % 2 != 0) return Row6();
    PacketRow row = Row4();
    row.from = "198.18.0.2:1002";
    return row;
  }
  // The n-th frame of port 0 or 1.
  Bytes FrameOf(size_t port, uint64_t n, disco::ClientHandshake& handshake) {
    PacketRow row = Data(port == 0 ? Row4() : Row6(), n % 64);
    if (port == 0 && n % 2 == 0) row.from_mac = kOtherMac;
    if (n % 4 == 1) {  // Of an endpoint that is there, or was a moment ago.
      const uint32_t newest = newest_.load();
      const uint32_t vni = newest > 22 ? newest - static_cast<uint32_t>(n % 22) : 1;
      row = port == 0 ? Row4() : SecondOf(vni);
      row.payload = test::GeneveData(vni, 20);
    }
    if (n % 100 == 7) row.payload.resize(4);
    if (port == 0 && n % 200 == 9) row.payload = handshake.Start(std::chrono::steady_clock::now());
    return Build(row);
  }

  uint64_t Ends() const {
    const test::Ledger ledger = world_->Count();
    return ledger.forwarded + ledger.answered + ledger.accepted + ledger.dropped;
  }

  static constexpr MacAddress kOtherMac = {2, 0, 0, 0, 0, 0x77};
  std::atomic<bool> stop_{false};
  std::atomic<uint32_t> newest_{1};
  uint64_t turns_ = 0;  // Of the control thread, until it has been joined.
};

TEST_F(WorkerStressTest, TwoWorkersAndAControlThread) {
  Use({&PortOf(0).ring, &PortOf(1).ring}, 2);
  world_->Bind(world_->PathOf(Row4(), 0), world_->PathOf(Row6(), 1));
  std::array<std::vector<rte_mbuf*>, 2> spare;
  for (size_t i = 0; i < 2; ++i) {
    spare[i].resize(kBuffers);
    ASSERT_EQ(rte_pktmbuf_alloc_bulk(PortOf(i).ring.port.pool, spare[i].data(), kBuffers), 0);
  }
  world_->Start(/*poll_here=*/false);
  std::vector<std::thread> threads;
  for (const auto& worker : world_->workers) {
    threads.emplace_back([loop = worker->loop.get()] { loop->Run(); });
  }
  threads.emplace_back([this] { Control(); });

  disco::ClientHandshake handshake = world_->Handshake(0);
  std::deque<Bytes> answers;
  uint64_t put = 0;
  uint64_t taken = 0;
  const auto began = std::chrono::steady_clock::now();
  while (put < kEnough && std::chrono::steady_clock::now() - began < kLongest) {
    const bool room = put - std::min(put, Ends()) < kInFlight;
    for (size_t i = 0; i < 2; ++i) {
      OrderedPort& port = PortOf(i);
      for (rte_mbuf* m = port.Take(); m != nullptr; m = port.Take(), ++taken) {
        const test::Seen seen = test::Inspect({rte_pktmbuf_mtod(m, const uint8_t*), m->data_len});
        EXPECT_EQ(seen.error, "");
        if (auto answer = handshake.HandlePacket(seen.payload)) answers.push_back(*std::move(answer));
        spare[m->pool == PortOf(0).ring.port.pool ? 0 : 1].push_back(m);
      }
      if (!room || spare[i].empty()) continue;
      Bytes frame = FrameOf(i, put / 2, handshake);
      if (i == 0 && !answers.empty()) {
        PacketRow row = Row4();
        row.payload = std::move(answers.front());
        answers.pop_front();
        frame = Build(row);
      }
      rte_mbuf* const m = spare[i].back();
      spare[i].pop_back();
      rte_pktmbuf_reset(m);
      std::ranges::copy(frame, rte_pktmbuf_mtod(m, uint8_t*));
      m->data_len = static_cast<uint16_t>(frame.size());
      m->pkt_len = static_cast<uint32_t>(frame.size());
      ASSERT_TRUE(port.Put(m));
      ++put;
    }
    if (!room) std::this_thread::yield();
  }
  while (Ends() < put) {
    ASSERT_LT(std::chrono::steady_clock::now() - began, kLongest + std::chrono::seconds(60));
    std::this_thread::yield();
  }
  stop_.store(true);
  for (const auto& worker : world_->workers) worker->loop->Stop();
  for (std::thread& thread : threads) thread.join();
  const test::Ledger ledger = world_->Count();
  EXPECT_EQ(ledger.received, put);
  EXPECT_EQ(ledger.Of(DropReason::kTxFull), 0u);
  EXPECT_GT(ledger.forwarded, put / 2);
  EXPECT_GT(ledger.accepted, 0u);
  EXPECT_GT(turns_, 10u);
  const auto forwarded = [this](size_t in, size_t out) {
    return world_->workers[0]->counters.forwarded_packets[in][out].Get() +
           world_->workers[1]->counters.forwarded_packets[in][out].Get();
  };
  EXPECT_GT(forwarded(0, 0), 0u);
  EXPECT_GT(forwarded(0, 1), 0u);
  EXPECT_GT(forwarded(1, 0), 0u);
  for (auto& frames : spare) rte_pktmbuf_free_bulk(frames.data(), static_cast<unsigned>(frames.size()));
}

}  // namespace
}  // namespace relay
