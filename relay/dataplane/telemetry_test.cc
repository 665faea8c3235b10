// Asked as dpdk-telemetry.py asks: by the socket in EAL's runtime folder.
#include "relay/dataplane/telemetry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rte_eal.h>
#include <rte_mbuf.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace relay {
namespace {

using testing::HasSubstr;

// EAL's runtime folder, of this process alone: no socket of another program's is looked at. Made once a program, and
// taken away at its end.
class RuntimeFolder {
 public:
  RuntimeFolder() {
    char name[] = "/tmp/relayd-telemetry-XXXXXX";
    if (mkdtemp(name) == nullptr) std::abort();
    path_ = name;
    setenv("RUNTIME_DIRECTORY", name, 1);
    StartEal();
  }
  ~RuntimeFolder() {
    rte_eal_cleanup();
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string Socket() const { return path_ + "/dpdk/rte/dpdk_telemetry.v2"; }

 private:
  static void StartEal() {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    sched_getaffinity(0, sizeof(allowed), &allowed);
    int first = 0;
    while (first < CPU_SETSIZE - 1 && !CPU_ISSET(first, &allowed)) ++first;
    static std::vector<std::string> words = {
        "test", "--no-huge", "-m", "64", "--no-shconf", "--no-pci", "--log-level=*:error", "-l", absl::StrCat(first)};
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    if (rte_eal_init(static_cast<int>(argv.size()), argv.data()) < 0) std::abort();
    sched_setaffinity(0, sizeof(allowed), &allowed);
  }

  std::string path_;
};

class TelemetryTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { folder_ = std::make_unique<RuntimeFolder>(); }
  static void TearDownTestSuite() { folder_.reset(); }

  void SetUp() override {
    socket_ = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    folder_->Socket().copy(address.sun_path, sizeof(address.sun_path) - 1);
    ASSERT_EQ(connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0) << folder_->Socket();
    EXPECT_THAT(Receive(), HasSubstr("\"version\""));
  }
  void TearDown() override { close(socket_); }

  void Make(size_t workers, size_t ports) {
    for (size_t i = 0; i < ports; ++i) {
      auto& port = *figures_.ports.emplace_back(std::make_unique<PortFigures::Port>());
      port.name = absl::StrCat("net_some", i);
      port.driver = "net_some";
    }
    std::vector<const Counters*> all;
    for (size_t i = 0; i < workers; ++i) {
      figures_.workers.push_back(std::make_unique<PollCounters>());
      all.push_back(counters_.emplace_back(std::make_unique<Counters>()).get());
      auto& by_port = figures_.by_worker.emplace_back();
      for (size_t port = 0; port < ports; ++port) by_port.push_back(std::make_unique<PortCounters>());
    }
    figures_.cycles_per_second = 2e9;
    telemetry_.emplace(figures_, std::move(all));
  }

  std::string Receive() {
    std::string text(64 << 10, '\0');
    const ssize_t size = recv(socket_, text.data(), text.size(), 0);
    text.resize(size < 0 ? 0 : static_cast<size_t>(size));
    return text;
  }
  // The answer's body.
  std::string Ask(const std::string& command) {
    send(socket_, command.data(), command.size(), 0);
    const std::string answer = Receive();
    const std::string name = command.substr(0, command.find(','));
    const std::string begin = absl::StrCat("{\"", name, "\":");
    EXPECT_EQ(answer.substr(0, begin.size()), begin);
    return answer.size() > begin.size() ? answer.substr(begin.size(), answer.size() - begin.size() - 1) : "";
  }

  static std::unique_ptr<RuntimeFolder> folder_;
  int socket_ = -1;
  PortFigures figures_;
  std::vector<std::unique_ptr<Counters>> counters_;
  std::optional<Telemetry> telemetry_;
};
std::unique_ptr<RuntimeFolder> TelemetryTest::folder_;

TEST_F(TelemetryTest, HowManyThereAre) {
  Make(3, 2);
  EXPECT_EQ(Ask("/relayd/workers"), R"({"count":3})");
  EXPECT_EQ(Ask("/relayd/ports"), R"({"count":2})");
}

TEST_F(TelemetryTest, AWorkerHasItsDropsAndItsCost) {
  Make(2, 1);
  PollCounters& polls = *figures_.workers[1];
  polls.polls.Add(10);
  polls.empty_polls.Add(7);
  polls.sleeps.Add(5);
  polls.packets.Add(20);
  polls.busy_cycles.Add(3010);
  polls.total_cycles.Set(8000);
  Counters& counters = *counters_[1];
  counters.received.Add(100);
  counters.forwarded_packets[0][0].Add(1);
  counters.forwarded_packets[1][0].Add(2);
  counters.answered.Add(3);
  counters.accepted.Add(4);
  counters.to_kernel.Add(5);
  counters.Drop(DropReason::kUnknownVni, 60);
  counters.Drop(DropReason::kTxFull, 6);
  const std::string answer = Ask("/relayd/worker,1");
  EXPECT_THAT(answer, HasSubstr(R"({"polls":10,"empty_polls":7,"sleeps":5,"packets":20,"busy_cycles":3010,)"
                                R"("total_cycles":8000,"cycles_per_second":2000000000,"busy_permille":376,)"
                                R"("cycles_per_packet":150,"received":100,"forwarded":3,"answered":3,"accepted":4,)"
                                R"("to_kernel":5,"dropped":{"bad_ip_header":0,)"));
  EXPECT_THAT(answer, HasSubstr(R"("unknown_vni":60,)"));
  EXPECT_THAT(answer, HasSubstr(R"("tx_full":6}})"));
  const std::string other = Ask("/relayd/worker,0");
  EXPECT_THAT(other, HasSubstr(R"("busy_permille":0,"cycles_per_packet":0,"received":0,)"));
  EXPECT_THAT(other, HasSubstr(R"("unknown_vni":0,)"));
}

TEST_F(TelemetryTest, EveryReasonIsThere) {
  Make(1, 1);
  const std::string answer = Ask("/relayd/worker,0");
  for (size_t i = 0; i < kDropReasonCount; ++i) {
    EXPECT_THAT(answer, HasSubstr(absl::StrCat("\"", std::string(DropReasonName(static_cast<DropReason>(i))), "\":0")));
  }
}

TEST_F(TelemetryTest, APortHasAllWorkersOrOne) {
  Make(2, 2);
  for (size_t worker = 0; worker < 2; ++worker) {
    PortCounters& share = *figures_.by_worker[worker][1];
    share.received.Add(10 + worker);
    share.sent.Add(20 + worker);
    share.tx_full.Add(30 + worker);
    share.from_kernel.Add(40 + worker);
    for (size_t i = 0; i < kBurstBuckets; ++i) share.bursts[i].Add(i + worker);
  }
  PortGauges& gauges = figures_.ports[1]->gauges;
  gauges.link_up.Set(1);
  gauges.missed.Set(51);
  gauges.receive_errors.Set(52);
  gauges.no_mbuf.Set(53);
  gauges.transmit_errors.Set(54);
  gauges.pool_in_use.Set(55);
  gauges.pool_size.Set(56);
  EXPECT_EQ(Ask("/relayd/port,1"),
            R"({"name":"net_some1","driver":"net_some","link_up":1,"missed":51,"receive_errors":52,"no_mbuf":53,)"
            R"("transmit_errors":54,"pool_in_use":55,"pool_size":56,"received":21,"sent":41,"tx_full":61,)"
            R"("from_kernel":81,"bursts":{"1":1,"2":3,"3_4":5,"5_8":7,"9_16":9,"17_32":11,"33_up":13},)"
            R"("received_by_worker":[10,11],"sent_by_worker":[20,21]})");
  EXPECT_EQ(Ask("/relayd/port,1,1"), R"({"received":11,"sent":21,"tx_full":31,"from_kernel":41,)"
                                     R"("bursts":{"1":1,"2":2,"3_4":3,"5_8":4,"9_16":5,"17_32":6,"33_up":7}})");
  EXPECT_THAT(Ask("/relayd/port,0"), HasSubstr(R"("received":0,"sent":0,)"));
}

TEST_F(TelemetryTest, PoolsHaveTheirLevelOfThisMoment) {
  Make(1, 1);
  rte_mempool* const pool = rte_pktmbuf_pool_create("some_pool", 63, 8, 0, 2048, SOCKET_ID_ANY);
  ASSERT_NE(pool, nullptr);
  rte_mbuf* const one = rte_pktmbuf_alloc(pool);
  rte_mbuf* const other = rte_pktmbuf_alloc(pool);
  EXPECT_EQ(Ask("/relayd/pools"), R"({"some_pool":{"in_use":2,"size":63}})");
  rte_pktmbuf_free(one);
  EXPECT_EQ(Ask("/relayd/pools"), R"({"some_pool":{"in_use":1,"size":63}})");
  rte_pktmbuf_free(other);
  rte_mempool_free(pool);
  EXPECT_EQ(Ask("/relayd/pools"), "{}");
}

TEST_F(TelemetryTest, WhatIsNotThereHasNoAnswer) {
  Make(2, 1);
  for (const char* const command :
       {"/relayd/worker", "/relayd/worker,2", "/relayd/worker,x", "/relayd/worker,-1", "/relayd/worker,0,0",
        "/relayd/worker,0x", "/relayd/port", "/relayd/port,1", "/relayd/port,0,2", "/relayd/port,0,",
        "/relayd/port,0,0,0", "/relayd/port,99999999999999999999"}) {
    EXPECT_EQ(Ask(command), "null") << command;
  }
}

TEST_F(TelemetryTest, TheLargestAnswerIsWhole) {
  static constexpr size_t kMostWorkers = 120;  // --workers.
  Make(kMostWorkers, 1);
  for (const auto& by_port : figures_.by_worker) {
    by_port[0]->received.Set(UINT64_MAX);
    by_port[0]->sent.Set(UINT64_MAX);
  }
  std::string all = "[18446744073709551615";
  for (size_t i = 1; i < kMostWorkers; ++i) all += ",18446744073709551615";
  EXPECT_THAT(Ask("/relayd/port,0"), testing::EndsWith("\"sent_by_worker\":" + all + "]}"));
}

TEST_F(TelemetryTest, NothingIsToldOnceItIsGone) {
  Make(1, 1);
  telemetry_.reset();
  EXPECT_EQ(Ask("/relayd/workers"), "null");
  EXPECT_EQ(Ask("/relayd/worker,0"), "null");
  EXPECT_EQ(Ask("/relayd/port,0"), "null");
}

}  // namespace
}  // namespace relay
