// Several workers and a control thread on one core at once, for ThreadSanitizer and for torn reads. Each test ends by a
// count of work done, not by time.
#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <memory>
#include <thread>
#include <vector>

#include "relay/core/relay_server.h"
#include "tests/support/relay_harness.h"

namespace relay {
namespace {

constexpr Instant kNow{std::chrono::hours(1)};

Path PathOf(uint64_t n) {
  Path path;
  for (size_t i = 0; i < 16; ++i) path.remote.ip[i] = path.local_ip[i] = static_cast<uint8_t>(n + i);
  path.remote.port = static_cast<uint16_t>(n | 1);
  path.remote.scope = static_cast<uint32_t>(n);
  path.local_port = static_cast<uint16_t>(n);
  path.interface = static_cast<uint32_t>(n);
  path.link.mac.fill(static_cast<uint8_t>(n));
  return path;
}

// The same over IPv4, which `n` can be read from again.
Path Ipv4PathOf(uint64_t n) {
  const auto low = static_cast<uint8_t>(n);
  Path path;
  path.remote = AddrPort::FromIpv4({10, static_cast<uint8_t>(n >> 16), static_cast<uint8_t>(n >> 8), low},
                                   static_cast<uint16_t>(n | 1));
  path.local_ip = AddrPort::FromIpv4({10, low, low, low}, 0).ip;
  path.local_port = static_cast<uint16_t>(n);
  path.link.port = static_cast<uint16_t>(n);
  path.link.mac.fill(low);
  return path;
}
uint64_t NumberOf(const Path& path) {
  if (!path.IsIpv4()) return path.remote.scope;
  return uint64_t{path.remote.ip[13]} << 16 | uint64_t{path.remote.ip[14]} << 8 | path.remote.ip[15];
}

TEST(BindingConcurrencyTest, AReaderNeverSeesHalfOfOne) {
  Binding binding;
  binding.Publish(PathOf(1));
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> torn{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      Path path;
      while (!stop.load(std::memory_order_relaxed)) {
        binding.Load(path);
        if (path != PathOf(path.remote.scope)) torn.fetch_add(1);
      }
    });
  }
  for (uint64_t n = 0; n < 100'000; ++n) binding.Publish(PathOf(n));
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(torn.load(), 0u);
}

// The client stays where it is while its next hop moves (RelayServer::FollowLink): all that it sends matches.
TEST(BindingConcurrencyTest, AMovingLinkIsNoOtherClient) {
  Path path = PathOf(1);
  Binding binding;
  binding.Publish(path);
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> others{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&, remote = path.remote] {
      while (!stop.load(std::memory_order_relaxed)) {
        if (binding.Matches(remote) != Binding::Match::kSame) others.fetch_add(1);
      }
    });
  }
  for (uint64_t n = 0; n < 100'000; ++n) {
    path.link.mac.fill(static_cast<uint8_t>(n));
    binding.Publish(path);
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(others.load(), 0u);
}

// A reader finds where a packet of the sender's goes, in one piece, or nothing.
TEST(FlowConcurrencyTest, AReaderNeverSeesHalfOfOne) {
  const auto path_of = [](uint64_t n) { return Ipv4Path::Of(PathWords::Of(Ipv4PathOf(n))); };
  const Ipv4Path sender = path_of(1);
  Flow flow;
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> torn{0};
  std::atomic<uint64_t> whole{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!stop.load(std::memory_order_relaxed)) {
        Ipv4Path to;
        bool other_mac = false;
        if (!flow.Match(sender, to, other_mac)) continue;
        Path path;
        to.Store(path);
        (path == Ipv4PathOf(NumberOf(path)) ? whole : torn).fetch_add(1);
      }
    });
  }
  for (uint64_t n = 0; n < 1'000'000 && (n < 100'000 || whole.load() == 0); ++n) flow.Publish(sender, path_of(n));
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(torn.load(), 0u);
  EXPECT_GT(whole.load(), 0u);
}

// A core with its keys, shared by the threads of one test.
struct Shared {
  explicit Shared(uint32_t workers, uint32_t max_endpoints)
      : key((disco::InitCrypto(), disco::PrivateKey::Generate())),
        qsbr(workers),
        table(max_endpoints, qsbr),
        server(table, key.public_key(), ServerCrypto::Production(), {}) {}

  disco::PrivateKey key;
  Qsbr qsbr;
  EndpointTable table;
  RelayServer server;
};

// One worker's end: its context, and a burst at a time.
class WorkerThread {
 public:
  WorkerThread(Shared& shared, uint16_t id) : shared_(shared) {
    context_.id = id;
    context_.counters = &counters_;
    context_.control_bucket = TokenBucket::Of(1'000'000'000, 1'000'000);
    shared_.qsbr.Register(id);
    shared_.qsbr.Online(id);
  }
  ~WorkerThread() {
    shared_.qsbr.Offline(context_.id);
    shared_.qsbr.Unregister(context_.id);
  }
  Verdict Handle(const Path& from, std::span<const uint8_t> packet) {
    now_ += std::chrono::milliseconds(60);  // More than a leg's bucket needs between two handshake messages.
    const Verdict verdict = shared_.server.HandlePacket(context_, from, packet, now_, reply);
    shared_.qsbr.Quiescent(context_.id);
    return verdict;
  }
  // Gives way to the others, offline as a worker is that waits.
  void Idle() {
    shared_.qsbr.Offline(context_.id);
    std::this_thread::yield();
    shared_.qsbr.Online(context_.id);
  }
  Instant now() const { return now_; }

  Reply reply;

 private:
  Shared& shared_;
  Counters counters_;
  WorkerContext context_;
  Instant now_ = kNow;
};

// A pair of clients, both driven by one thread, whose endpoint the control thread may take away at any time.
struct Pair {
  explicit Pair(const Shared& shared) {
    if (keys[1].public_key() < keys[0].public_key()) std::swap(keys[0], keys[1]);
    for (size_t i = 0; i < 2; ++i) endpoint.shared[i] = *shared.key.Agree(keys[i].public_key());
    endpoint.clients = {keys[0].public_key(), keys[1].public_key()};
  }
  disco::ClientHandshake Handshake(const Shared& shared, size_t leg, uint32_t at) const {
    disco::ClientHandshake::Options options;
    options.self = endpoint.clients[leg];
    options.peer = endpoint.clients[1 - leg];
    options.server = shared.key.public_key();
    options.shared = endpoint.shared[leg];
    options.vni = at;
    return disco::ClientHandshake(options);
  }
  std::array<disco::PrivateKey, 2> keys = {disco::PrivateKey::Generate(), disco::PrivateKey::Generate()};
  EndpointTable::NewEndpoint endpoint;
  std::atomic<uint32_t> vni{0};  // Written by the control thread.
};

// Binds both legs from fresh addresses and sends data both ways; returns how much of it was forwarded.
int RelayOnce(Shared& shared, WorkerThread& worker, Pair& pair, uint64_t n) {
  const uint32_t vni = pair.vni.load(std::memory_order_acquire);
  int forwarded = 0;
  // One family or the other, or both.
  const auto path_of = [](uint64_t i) { return i / 3 % 2 == 0 ? Ipv4PathOf(i) : PathOf(i); };
  const std::array<Path, 2> paths = {path_of(2 * n), path_of(2 * n + 1)};
  for (size_t leg = 0; leg < 2; ++leg) {
    disco::ClientHandshake handshake = pair.Handshake(shared, leg, vni);
    if (worker.Handle(paths[leg], handshake.Start(worker.now())).action != Verdict::Action::kReply) continue;
    if (const auto answer = handshake.HandlePacket(worker.reply.span())) worker.Handle(paths[leg], *answer);
  }
  std::array<uint8_t, 64> data{};
  geneve::Write({.vni = vni, .protocol = geneve::kProtocolWireGuard, .version = 0, .control = false},
                std::span(data).first<geneve::kHeaderSize>());
  for (int i = 0; i < 4; ++i) {
    const Verdict verdict = worker.Handle(paths[static_cast<size_t>(i % 2)], data);
    if (verdict.action != Verdict::Action::kForward) continue;
    ++forwarded;
    EXPECT_EQ(verdict.to, path_of(NumberOf(verdict.to))) << "a torn binding";
  }
  return forwarded;
}

TEST(CoreConcurrencyTest, AllocateExpireRebindAndRelayAtOnce) {
  constexpr uint16_t kWorkers = 3;
  constexpr size_t kPairs = 8;
  constexpr int kEnough = 500;                // Forwarded, and removed under the workers' hands.
  constexpr uint64_t kMaxRounds = 1'000'000;  // A bound, should nothing come through.
  Shared shared(kWorkers, kPairs);            // No spare record: reuse is constant.
  std::vector<std::unique_ptr<Pair>> pairs;
  for (size_t i = 0; i < kPairs; ++i) pairs.push_back(std::make_unique<Pair>(shared));

  std::atomic<int> running{kWorkers};
  std::atomic<int> forwarded{0};
  std::atomic<int> removed{0};
  std::vector<std::thread> workers;
  for (uint16_t id = 0; id < kWorkers; ++id) {
    workers.emplace_back([&, id] {
      WorkerThread worker(shared, id);
      // All workers drive all pairs, so that bindings, counters and buckets are contended.
      for (uint64_t n = 0; n < kMaxRounds && (forwarded < kEnough || removed < kEnough); ++n) {
        const int relayed = RelayOnce(shared, worker, *pairs[(n + id) % kPairs], n * kWorkers + id);
        forwarded += relayed;
        if (relayed == 0) worker.Idle();
      }
      --running;
    });
  }
  for (size_t next = 0; running.load() > 0; ++next) {
    Pair& victim = *pairs[next % kPairs];
    if (const uint32_t vni = victim.vni.exchange(0); vni != 0) {
      shared.table.Remove(vni);
      ++removed;
    }
    for (auto& pair : pairs) {
      if (pair->vni.load() != 0) continue;
      if (const auto vni = shared.table.Insert(pair->endpoint, kNow)) pair->vni.store(*vni, std::memory_order_release);
    }
    shared.table.Reclaim(4);
    std::this_thread::yield();
  }
  for (std::thread& worker : workers) worker.join();
  for (auto& pair : pairs) {
    if (const uint32_t vni = pair->vni.load(); vni != 0) shared.table.Remove(vni);
  }
  EXPECT_EQ(shared.table.live(), 0u);
  EXPECT_EQ(shared.table.open(), 0u) << "the gauge survived every race of binding and removal";
  EXPECT_EQ(shared.table.UnboundCount(0), 0u);
  EXPECT_GE(forwarded.load(), kEnough);
  EXPECT_GE(removed.load(), kEnough);
}

// What a burst has found stays what it was until the worker is quiescent, however much is removed and allocated in
// between: a packet is never decided on another endpoint than its own.
TEST(CoreConcurrencyTest, AKeptEndpointIsNotGivenToAnotherVni) {
  constexpr uint16_t kWorkers = 2;
  constexpr uint32_t kRecords = 4;  // Reuse is constant.
  constexpr uint32_t kBurst = 8;
  constexpr uint32_t kLast = 3000;  // VNI.
  Shared shared(kWorkers, kRecords);
  const Pair pair(shared);
  std::atomic<uint32_t> newest{0};
  std::atomic<uint64_t> kept{0};
  std::atomic<uint64_t> forwarded{0};
  std::barrier online(kWorkers + 1);  // From here on nothing is reused that they have not let go of.
  std::vector<std::thread> workers;
  for (uint16_t id = 0; id < kWorkers; ++id) {
    workers.emplace_back([&, id] {
      Counters counters;
      WorkerContext context;
      context.id = id;
      context.counters = &counters;
      shared.qsbr.Register(id);
      shared.qsbr.Online(id);
      online.arrive_and_wait();
      const std::array<Path, 2> from = {Ipv4PathOf(1), Ipv4PathOf(2)};
      const std::array<Ipv4Path, 2> ipv4 = {Ipv4Path::Of(PathWords::Of(from[0])), Ipv4Path::Of(PathWords::Of(from[1]))};
      while (newest.load(std::memory_order_acquire) < kLast) {
        std::array<Parsed, kBurst> burst;
        std::array<Sender, kBurst> senders;
        const uint32_t last = newest.load(std::memory_order_relaxed) + 1;  // Which is not there yet, perhaps.
        for (uint32_t i = 0; i < kBurst; ++i) {
          burst[i].vni = last > i ? last - i : 1;
          burst[i].kind = Parsed::Kind::kData;
          senders[i] = shared.server.PrefetchSender(burst[i], SourceWord(from[i % 2].remote));
        }
        std::this_thread::yield();
        for (uint32_t i = 0; i < kBurst; ++i) {
          if (senders[i].endpoint == nullptr) continue;
          Ipv4Path to;
          bool other_mac = false;
          if (RelayServer::ForwardIpv4(context, senders[i], ipv4[i % 2], 64, 1, kNow, to, other_mac)) {
            EXPECT_EQ(to.remote_port, ipv4[1 - i % 2].remote_port);
            forwarded.fetch_add(1, std::memory_order_relaxed);
          }
          EXPECT_EQ(senders[i].endpoint->vni(), burst[i].vni);
          kept.fetch_add(1, std::memory_order_relaxed);
        }
        shared.qsbr.Quiescent(id);
      }
      shared.qsbr.Offline(id);
      shared.qsbr.Unregister(id);
    });
  }
  online.arrive_and_wait();
  for (uint32_t oldest = 1; newest.load(std::memory_order_relaxed) < kLast;) {
    while (const auto vni = shared.table.Insert(pair.endpoint, kNow)) {
      Endpoint& endpoint = *shared.table.Find(*vni);
      for (size_t leg = 0; leg < 2; ++leg) shared.table.Bind(endpoint, leg, Ipv4PathOf(1 + leg));
      newest.store(*vni, std::memory_order_release);
    }
    if (oldest <= newest.load(std::memory_order_relaxed)) shared.table.Remove(oldest++);
    shared.table.Reclaim(kRecords);
    std::this_thread::yield();
  }
  for (std::thread& worker : workers) worker.join();
  EXPECT_GT(kept.load(), kBurst);
  EXPECT_GT(forwarded.load(), kBurst);
}

TEST(CoreConcurrencyTest, TheWholeTableExpiresAndRefillsWhileWorkersBlock) {
  constexpr uint16_t kWorkers = 2;
  constexpr uint32_t kSize = 1000;
  Shared shared(kWorkers, kSize);
  const Pair pair(shared);
  for (uint32_t i = 0; i < kSize; ++i) ASSERT_TRUE(shared.table.Insert(pair.endpoint, kNow));
  std::barrier blocked(kWorkers + 1);
  std::barrier refilled(kWorkers + 1);
  std::vector<std::thread> workers;
  for (uint16_t id = 0; id < kWorkers; ++id) {
    workers.emplace_back([&, id] {
      shared.qsbr.Register(id);
      shared.qsbr.Online(id);
      EXPECT_NE(shared.table.Find(1), nullptr);
      shared.qsbr.Offline(id);  // As before a blocking receive.
      blocked.arrive_and_wait();
      refilled.arrive_and_wait();
      shared.qsbr.Online(id);
      EXPECT_EQ(shared.table.Find(1), nullptr);
      const Endpoint* endpoint = shared.table.Find(kSize + 1);
      if (endpoint == nullptr) {
        ADD_FAILURE() << "not refilled";
      } else {
        EXPECT_EQ(endpoint->vni(), kSize + 1);
      }
      shared.qsbr.Offline(id);
      shared.qsbr.Unregister(id);
    });
  }
  blocked.arrive_and_wait();
  for (uint32_t vni = 1; vni <= kSize; ++vni) shared.table.Remove(vni);
  uint32_t inserted = 0;
  for (uint32_t i = 0; i < kSize; ++i) inserted += shared.table.Insert(pair.endpoint, kNow) ? 1 : 0;
  EXPECT_EQ(inserted, kSize);
  refilled.arrive_and_wait();
  for (std::thread& worker : workers) worker.join();
}

}  // namespace
}  // namespace relay
