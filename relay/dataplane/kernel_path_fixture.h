// The kernel path with the test as its worker, in a network namespace of the test's own where there may be one.
#ifndef RELAYD_RELAY_DATAPLANE_KERNEL_PATH_FIXTURE_H_
#define RELAYD_RELAY_DATAPLANE_KERNEL_PATH_FIXTURE_H_

#include <gtest/gtest.h>
#include <rte_eal.h>
#include <rte_mempool.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "relay/dataplane/kernel_fixture.h"
#include "relay/dataplane/kernel_path.h"
#include "relay/dataplane/mbuf.h"

namespace relay {

inline constexpr Mac kOurs = {0x02, 0, 0, 0, 0x18, 0x01};
inline constexpr Mac kPeer = {0x02, 0, 0, 0, 0x18, 0x02};
inline constexpr uint16_t kPortId = 5;  // DPDK's; there is no such port, and nobody asks.

// Once a process, on a core that we may run on; the thread keeps its affinity.
inline bool StartEal() {
  static const bool started = [] {
    cpu_set_t cores;
    sched_getaffinity(0, sizeof(cores), &cores);
    std::string core = std::to_string(sched_getcpu());
    std::vector<std::string> words = {"test",     "--no-huge",         "-m", "256", "--no-shconf",
                                      "--no-pci", "--log-level=error", "-l", core};
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    const bool ok = rte_eal_init(static_cast<int>(argv.size()), argv.data()) >= 0;
    sched_setaffinity(0, sizeof(cores), &cores);
    return ok;
  }();
  return started;
}

class KernelPathTest : public testing::Test {
 protected:
  static constexpr uint32_t kMbufs = 4095;

  void SetUp() override {
    // Namespaces are entered before EAL starts threads.
    has_tap_ = EnterEmptyNamespace() && access("/dev/net/tun", R_OK | W_OK) == 0;
    ASSERT_TRUE(StartEal());
    pool_ = MakePool("test", kMbufs, 2048, SOCKET_ID_ANY);
    ASSERT_NE(pool_, nullptr);
    ports_.push_back({.id = kPortId, .name = "test", .driver = "test", .mac = kOurs});
  }

  void TearDown() override {
    path_.reset();
    if (pool_ == nullptr) return;
    EXPECT_EQ(rte_mempool_in_use_count(pool_), 0u);
    rte_mempool_free(pool_);
    int others = 0;  // The kernel path's own goes if all its mbufs are back.
    rte_mempool_walk([](rte_mempool*, void* count) { ++*static_cast<int*>(count); }, &others);
    EXPECT_EQ(others, 0);
  }

  // With port 0's TAP at 198.18.0.1/24, and a neighbour at .2.
  void OpenTap(KernelPath::Options options = {}) {
    path_ =
        KernelPath::Open(options, ports_, std::vector<uint32_t>(ports_.size(), options.workers - 1), Sender()).value();
    ASSERT_TRUE(Ip("addr add 198.18.0.1/24 dev relay0"));
    ASSERT_TRUE(Ip("neigh add 198.18.0.2 lladdr 02:00:00:00:18:02 dev relay0 nud permanent"));
  }
  void OpenBare(KernelPath::Options options = {}) {
    options.tap = false;
    path_ = KernelPath::Open(options, ports_, std::vector<uint32_t>(ports_.size()), Sender()).value();
  }

  // Notes what is sent; refuses what begins with '!', and finds too big what begins with '+'.
  KernelPath::SocketSend Sender() {
    return [this](const Path& to, std::span<const uint8_t> payload) {
      if (!payload.empty() && payload[0] == '!') return EPERM;
      if (!payload.empty() && payload[0] == '+') return EMSGSIZE;
      const std::lock_guard lock(sent_mutex_);
      sent_.push_back(to.remote.ToString() + " " + std::string(payload.begin(), payload.end()));
      return 0;
    };
  }

  // An mbuf of these bytes, in `segments` of about the same size.
  rte_mbuf* Make(std::span<const uint8_t> bytes, size_t segments = 1) {
    rte_mbuf* head = nullptr;
    for (size_t i = 0, at = 0; i < segments; ++i) {
      const size_t size = (bytes.size() - at) / (segments - i);
      rte_mbuf* const m = rte_pktmbuf_alloc(pool_);
      std::memcpy(rte_pktmbuf_append(m, static_cast<uint16_t>(size)), bytes.data() + at, size);
      at += size;
      if (head == nullptr) {
        head = m;
      } else {
        EXPECT_EQ(rte_pktmbuf_chain(head, m), 0);
      }
    }
    return head;
  }
  rte_mbuf* MakeUdp(const std::string& payload, size_t segments = 1) {
    return Make(BuildFrame({.to = kOurs,
                            .from = kPeer,
                            .source = At("198.18.0.2:800"),
                            .destination = At("198.18.0.1:700"),
                            .payload = payload}),
                segments);
  }
  rte_mbuf* MakePayload(const std::string& payload, size_t segments = 1) {
    rte_mbuf* const m = Make({reinterpret_cast<const uint8_t*>(payload.data()), payload.size()}, segments);
    MbufNote& note = NoteOf(m);
    note = {};
    note.to.remote = At("198.18.0.9:9");
    note.payload_bytes = static_cast<uint16_t>(payload.size());
    note.transport_in = static_cast<uint8_t>(Transport::kUdp6);
    note.transport_out = static_cast<uint8_t>(Transport::kUdp4);
    return m;
  }

  // Polls as a worker does until a UDP frame comes, and frees what comes.
  std::optional<UdpFrame> NextUdp(uint32_t worker = 0) {
    std::optional<UdpFrame> out;
    Await([&] {
      rte_mbuf* m = nullptr;
      if (path_->FromKernel(worker, &m, 1) == 0) return false;
      EXPECT_EQ(NoteOf(m).kind, MbufNote::Kind::kFromKernel);
      EXPECT_EQ(m->pkt_len, m->data_len);
      out = ParseFrame({rte_pktmbuf_mtod(m, const uint8_t*), rte_pktmbuf_data_len(m)});
      if (out.has_value()) {
        EXPECT_EQ(m->port, kPortId);
      }
      rte_pktmbuf_free(m);
      return out.has_value();
    });
    return out;
  }
  // Polls until all that was given is free again.
  bool AllReclaimed(uint32_t worker = 0) {
    return Await([&] {
      rte_mbuf* m = nullptr;
      if (path_->FromKernel(worker, &m, 1) == 1) rte_pktmbuf_free(m);
      return rte_mempool_in_use_count(pool_) == 0;
    });
  }
  uint64_t Forwarded() const { return path_->counters().forwarded_packets[1][0].Get(); }
  uint64_t Dropped(DropReason reason) const { return path_->counters().dropped[static_cast<size_t>(reason)].Get(); }
  uint64_t SendFailed() const { return Dropped(DropReason::kSendFailed); }

  bool has_tap_ = false;
  rte_mempool* pool_ = nullptr;
  std::vector<Port> ports_;
  std::mutex sent_mutex_;
  std::vector<std::string> sent_;
  std::unique_ptr<KernelPath> path_;
};

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_KERNEL_PATH_FIXTURE_H_
