// Ports over net_null, which makes frames out of nothing, and net_ring, which gives back what it is sent. EAL is
// started once a process, so once here.
#include "relay/dataplane/port.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <sched.h>

#include <memory>
#include <string>

#include "relay/dataplane/eal.h"

namespace relay {
namespace {

using testing::HasSubstr;
using testing::Not;

cpu_set_t Affinity() {
  cpu_set_t cores;
  pthread_getaffinity_np(pthread_self(), sizeof(cores), &cores);
  return cores;
}

// EAL runs from the first test to the end of the process.
class EalEnvironment : public testing::Environment {
 public:
  void SetUp() override {
    DpdkOptions options;
    options.eal = "--no-huge -m 256 --no-shconf --no-pci --vdev=net_null0 --vdev=net_ring0";
    affinity_before = Affinity();
    absl::StatusOr<std::unique_ptr<Eal>> started = Eal::Start(options, 40000);
    ASSERT_TRUE(started.ok()) << started.status();
    eal = *std::move(started);
  }
  void TearDown() override { eal.reset(); }

  std::unique_ptr<Eal> eal;
  cpu_set_t affinity_before{};
};
auto* const environment = static_cast<EalEnvironment*>(testing::AddGlobalTestEnvironment(new EalEnvironment));

TEST(EalTest, LeavesTheCallingThreadWhereItWas) {
  const cpu_set_t now = Affinity();
  EXPECT_TRUE(CPU_EQUAL(&now, &environment->affinity_before));
}

TEST(EalTest, StartsOnce) {
  const auto again = Eal::Start({.eal = "--no-huge -m 256"}, 1);
  ASSERT_FALSE(again.ok());
  EXPECT_THAT(std::string(again.status().message()), HasSubstr("already"));
}

// Before PortTest: ports that were refused are as they were, but closed ones are gone.
TEST(PortErrorTest, IsOneLineThatNamesThePort) {
  DpdkOptions isolated;
  isolated.flow_isolate = true;
  DpdkOptions greedy;
  greedy.mbufs = 100'000'000;
  DpdkOptions large;
  large.mtu = 9000;
  DpdkOptions several;
  several.udp_checksum.resize(3);
  EXPECT_THAT(std::string(Ports::Open(several, 40000).status().message()), HasSubstr("3 values for 2 ports"));
  for (const auto& [options, says] :
       {std::pair{isolated, "--flow_isolate"}, {greedy, "raise -m in --eal"}, {large, "--mbuf_size=9022"}}) {
    const absl::Status refused = Ports::Open(options, 40000).status();
    ASSERT_FALSE(refused.ok()) << says;
    const std::string message(refused.message());
    EXPECT_THAT(message, testing::StartsWith("net_null0 (net_null): "));
    EXPECT_THAT(message, HasSubstr(says));
    EXPECT_EQ(message.find('\n'), std::string::npos);
  }
}

class PortTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    DpdkOptions options;
    options.workers = 2;
    options.rx_descriptors = 500;
    options.mtu = 1400;
    options.idle = DpdkOptions::Idle::kInterrupt;
    options.udp_checksum = {UdpChecksum::kCompute, UdpChecksum::kUpdate};
    absl::StatusOr<std::unique_ptr<Ports>> opened = Ports::Open(options, 40000);
    ASSERT_TRUE(opened.ok()) << opened.status();
    ports_ = *std::move(opened);
    ASSERT_EQ(ports_->ports().size(), 2u);
  }
  static void TearDownTestSuite() { ports_.reset(); }

  static const Port& Null() { return ports_->ports()[0]; }
  static const Port& Ring() { return ports_->ports()[1]; }

  static std::unique_ptr<Ports> ports_;
};
std::unique_ptr<Ports> PortTest::ports_;

TEST_F(PortTest, WhatItFindsAndChooses) {
  EXPECT_EQ(Null().name, "net_null0");
  EXPECT_EQ(Null().driver, "net_null");
  EXPECT_EQ(Ring().driver, "net_ring");
  for (const Port& port : ports_->ports()) {
    EXPECT_EQ(port.rx_queues, 2);
    EXPECT_EQ(port.tx_queues, 2);
    EXPECT_GE(port.rx_descriptors, 500);
    EXPECT_EQ(port.mtu.Get(), 1400);
    uint16_t mtu = 0;
    EXPECT_EQ(rte_eth_dev_get_mtu(port.id, &mtu), 0);
    EXPECT_EQ(mtu, 1400);
    ASSERT_NE(port.pool, nullptr);
    EXPECT_GE(port.pool->size, 2 * 500 + 4 * 1024 + 2 * (1024 + 2 * 256 + 64) + 1024u);
    EXPECT_GE(rte_pktmbuf_data_room_size(port.pool), 2048 + RTE_PKTMBUF_HEADROOM);
    EXPECT_FALSE(port.steered);
    EXPECT_EQ(port.kernel_interface.Get(), 0u);
  }
  EXPECT_EQ(Null().udp_checksum, UdpChecksum::kCompute);
  EXPECT_EQ(Ring().udp_checksum, UdpChecksum::kUpdate);
  EXPECT_TRUE(Ring().tx_multi_segment);
}

TEST_F(PortTest, TheMtuFollowsAsFarAsTheBuffersAllow) {
  for (size_t i = 0; i < 2; ++i) {
    const Port& port = ports_->ports()[i];
    EXPECT_EQ(port.most_mtu, 2048 - 22) << port.name;
    EXPECT_EQ(ports_->SetMtu(i, 1200), 1200);
    EXPECT_EQ(port.mtu.Get(), 1200);
    EXPECT_EQ(ports_->SetMtu(i, 9000), port.most_mtu);
    EXPECT_EQ(port.mtu.Get(), port.most_mtu);
    EXPECT_EQ(ports_->SetMtu(i, 1400), 1400);
  }
}

TEST_F(PortTest, StartsReadsAndStopsAndLeaksNothing) {
  PortGauges gauges;
  for (uint64_t round = 1; round <= 2; ++round) {
    ASSERT_TRUE(ports_->Start().ok());
    rte_mbuf* sent = rte_pktmbuf_alloc(Ring().pool);
    ASSERT_NE(sent, nullptr);
    rte_pktmbuf_append(sent, 60);
    ASSERT_EQ(rte_eth_tx_burst(Ring().id, 1, &sent, 1), 1);
    ports_->Read(1, gauges);
    EXPECT_EQ(gauges.link_up.Get(), 1u);
    EXPECT_EQ(gauges.link_changes.Get(), 2 * round - 1);
    EXPECT_EQ(gauges.pool_size.Get(), Ring().pool->size);
    EXPECT_EQ(gauges.pool_in_use.Get(), 1u);
    EXPECT_EQ(gauges.missed.Get(), 0u);
    rte_mbuf* received[32];
    ASSERT_EQ(rte_eth_rx_burst(Ring().id, 1, received, 32), 1);
    rte_pktmbuf_free(received[0]);
    const uint16_t made = rte_eth_rx_burst(Null().id, 0, received, 32);
    EXPECT_EQ(made, 32);
    rte_pktmbuf_free_bulk(received, made);
    ports_->Stop();
    ports_->Stop();  // Twice is once.
    ports_->Read(1, gauges);
    EXPECT_EQ(gauges.link_up.Get(), 0u);
    for (size_t i = 0; i < 2; ++i) {
      PortGauges after;
      ports_->Read(i, after);
      EXPECT_EQ(after.pool_in_use.Get(), 0u) << i;
    }
  }
}

TEST_F(PortTest, WarnsOfWhatTheyLack) {
  ASSERT_TRUE(ports_->Start().ok());
  EXPECT_FALSE(Null().rx_interrupts);
  ports_->Stop();
  std::string all;
  for (const std::string& line : ports_->Warnings()) {
    EXPECT_EQ(line.find('\n'), std::string::npos);
    all += line + '\n';
  }
  EXPECT_THAT(all, HasSubstr("net_null0 (net_null): no receive interrupts"));
  EXPECT_THAT(all, HasSubstr("net_ring0 (net_ring): does not spread UDP"));
  EXPECT_THAT(all, Not(HasSubstr("is small")));
  EXPECT_THAT(all, Not(HasSubstr("interface in the kernel")));  // There will be a TAP.
  EXPECT_THAT(all, Not(HasSubstr("2 workers")));
}

}  // namespace
}  // namespace relay
