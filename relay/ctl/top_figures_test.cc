// Rates between two texts of /metrics.
#include "relay/ctl/top_figures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "absl/strings/str_cat.h"

namespace relay::ctl {
namespace {

using testing::ElementsAre;
using testing::Field;
using testing::IsEmpty;

// What a relayd with kernel sockets says; `n` grows with time.
std::string SocketText(uint64_t n, uint64_t start = 1'700'000'000) {
  return absl::StrCat(
      "relayd_build_info{version=\"1.2.3\"} 1\nprocess_start_time_seconds ", start,
      "\nrelayd_endpoints{state=\"connecting\"} 3\nrelayd_endpoints{state=\"open\"} 12\n"
      "relayd_endpoints_limit 100\nrelayd_received_packets_total ",
      40 * n, "\nrelayd_forwarded_packets_total{transport_in=\"udp4\",transport_out=\"udp4\"} ", 10 * n,
      "\nrelayd_forwarded_packets_total{transport_in=\"udp4\",transport_out=\"udp6\"} ", 4 * n,
      "\nrelayd_forwarded_packets_total{transport_in=\"udp6\",transport_out=\"udp4\"} ", 2 * n,
      "\nrelayd_forwarded_bytes_total{transport_in=\"udp4\",transport_out=\"udp6\"} ", 400 * n,
      "\nrelayd_dropped_packets_total{reason=\"short\"} ", n, "\nrelayd_dropped_packets_total{reason=\"unknown_vni\"} ",
      20 * n, "\nrelayd_dropped_packets_total{reason=\"too_big\"} 7\nrelayd_socket_overflow_packets_total ", 2 * n,
      "\nrelayd_handshakes_total{result=\"challenged\"} ", 3 * n, "\nrelayd_handshakes_total{result=\"bound\"} ", 2 * n,
      "\nrelayd_handshakes_total{result=\"rebound\"} ", n, "\nrelayd_allocations_total{result=\"created\"} ", n,
      "\nrelayd_allocations_total{result=\"full\"} ", 9 * n, "\nrelayd_worker_received_packets_total{worker=\"0\"} ",
      40 * n,
      "\nrelayd_worker_received_packets_total{worker=\"1\"} 0"
      "\nrelayd_worker_receive_calls_total{worker=\"0\"} ",
      5 * n, "\nrelayd_worker_receive_calls_total{worker=\"1\"} 0\n");
}

// What is there beside it with DPDK: worker 0 polls, the kernel's sockets have never seen a packet.
std::string DpdkText(uint64_t n) {
  return absl::StrCat(
      "relayd_build_info{version=\"1.2.3\"} 1\nprocess_start_time_seconds 1\nrelayd_tsc_hertz 2e+09\n"
      "relayd_to_kernel_packets_total ",
      n, "\nrelayd_worker_received_packets_total{worker=\"0\"} ", 1000 * n,
      "\nrelayd_worker_received_packets_total{worker=\"socket0\"} 0"
      "\nrelayd_worker_received_packets_total{worker=\"kernel\"} 0"
      "\nrelayd_worker_receive_calls_total{worker=\"0\"} 0"
      "\nrelayd_worker_busy_seconds_total{worker=\"0\"} ",
      0.25 * static_cast<double>(n), "\nrelayd_worker_seconds_total{worker=\"0\"} ", n,
      "\nrelayd_worker_busy_packets_total{worker=\"0\"} ", 1000 * n, "\nrelayd_worker_sleeps_total{worker=\"0\"} ",
      7 * n, "\nrelayd_port_burst_packets_count{worker=\"0\",port=\"p0\"} ", 60 * n,
      "\nrelayd_port_burst_packets_sum{worker=\"0\",port=\"p0\"} ", 900 * n,
      "\nrelayd_port_burst_packets_count{worker=\"0\",port=\"p1\"} ", 40 * n,
      "\nrelayd_port_burst_packets_sum{worker=\"0\",port=\"p1\"} ", 100 * n,
      "\nrelayd_worker_dropped_packets_total{worker=\"0\",reason=\"short\"} ", n,
      "\nrelayd_worker_dropped_packets_total{worker=\"0\",reason=\"tx_full\"} ", 8 * n,
      "\nrelayd_worker_dropped_packets_total{worker=\"0\",reason=\"too_big\"} 7"
      "\nrelayd_worker_dropped_packets_total{worker=\"kernel\",reason=\"send_failed\"} ",
      n,
      // In the order of the text, which is not that of numbers.
      "\nrelayd_port_burst_packets_bucket{worker=\"0\",port=\"p0\",le=\"1\"} ", 10 * n,
      "\nrelayd_port_burst_packets_bucket{worker=\"0\",port=\"p0\",le=\"2\"} ", 10 * n,
      "\nrelayd_port_burst_packets_bucket{worker=\"0\",port=\"p0\",le=\"16\"} ", 60 * n,
      "\nrelayd_port_burst_packets_bucket{worker=\"0\",port=\"p0\",le=\"+Inf\"} ", 60 * n,
      "\nrelayd_port_burst_packets_bucket{worker=\"0\",port=\"p1\",le=\"1\"} ", 10 * n,
      "\nrelayd_port_burst_packets_bucket{worker=\"0\",port=\"p1\",le=\"2\"} ", 30 * n,
      "\nrelayd_port_burst_packets_bucket{worker=\"0\",port=\"p1\",le=\"16\"} ", 30 * n,
      "\nrelayd_port_burst_packets_bucket{worker=\"0\",port=\"p1\",le=\"+Inf\"} ", 40 * n,
      "\nrelayd_port_received_packets_total{worker=\"0\",port=\"p0\"} ", 900 * n,
      "\nrelayd_port_received_packets_total{worker=\"0\",port=\"p1\"} ", 60 * n,
      "\nrelayd_port_received_packets_total{worker=\"1\",port=\"p1\"} ", 40 * n,
      "\nrelayd_port_sent_packets_total{worker=\"0\",port=\"p1\"} ", 800 * n,
      "\nrelayd_port_tx_full_packets_total{worker=\"0\",port=\"p1\"} ", 5 * n,
      "\nrelayd_port_missed_packets_total{port=\"p0\"} ", 3 * n, "\nrelayd_port_receive_errors_total{port=\"p0\"} ", n,
      "\nrelayd_port_transmit_errors_total{port=\"p0\"} ", n, "\nrelayd_port_no_mbuf_packets_total{port=\"p0\"} ",
      2 * n,
      "\nrelayd_port_info{port=\"p0\",driver=\"net_ice\"} 1\nrelayd_port_info{port=\"p1\",driver=\"net_tap\"} 1\n"
      "relayd_port_link_up{port=\"p0\"} 1\nrelayd_port_link_up{port=\"p1\"} 0\n"
      "relayd_port_link_speed_bytes{port=\"p0\"} 1.25e+09\n"
      "relayd_port_pool_in_use_buffers{port=\"p0\"} 250\nrelayd_port_pool_buffers{port=\"p0\"} 1000\n");
}

TopFigures Between(const std::string& before, const std::string& after, double seconds) {
  return ComputeTop(Metrics::Parse(before), Metrics::Parse(after), seconds);
}

TEST(TopFiguresTest, TotalsAreRates) {
  const TopFigures top = Between(SocketText(10), SocketText(30), 2);
  EXPECT_FALSE(top.restarted);
  EXPECT_FALSE(top.dpdk);
  EXPECT_EQ(top.version, "1.2.3");
  EXPECT_EQ(top.endpoints_open, 12);
  EXPECT_EQ(top.endpoints_connecting, 3);
  EXPECT_EQ(top.endpoints_limit, 100);
  EXPECT_EQ(top.received, 400);
  EXPECT_EQ(top.forwarded.packets, 160);
  EXPECT_EQ(top.forwarded.bytes, 4000);
  EXPECT_EQ(top.forwarded_in[0].packets, 140);
  EXPECT_EQ(top.forwarded_in[0].bytes, 4000);
  EXPECT_EQ(top.forwarded_in[1].packets, 20);
  EXPECT_EQ(top.forwarded_out[0].packets, 120);
  EXPECT_EQ(top.forwarded_out[0].bytes, 0);
  EXPECT_EQ(top.forwarded_out[1].packets, 40);
  EXPECT_EQ(top.forwarded_out[1].bytes, 4000);
  EXPECT_EQ(top.socket_overflow, 20);
  EXPECT_EQ(top.challenged, 30);
  EXPECT_EQ(top.bound, 20);
  EXPECT_EQ(top.rebound, 10);
  EXPECT_EQ(top.allocated, 10);
}

TEST(TopFiguresTest, DropsThatGrewTheMostFirst) {
  const TopFigures top = Between(SocketText(10), SocketText(30), 2);
  EXPECT_EQ(top.dropped, 210);
  EXPECT_THAT(top.drops, ElementsAre(testing::AllOf(Field(&TopFigures::Drop::reason, "unknown_vni"),
                                                    Field(&TopFigures::Drop::packets, 200)),
                                     Field(&TopFigures::Drop::reason, "short")));
}

TEST(TopFiguresTest, WorkersOfSocketsHaveBurstsAlone) {
  const TopFigures top = Between(SocketText(10), SocketText(30), 2);
  ASSERT_EQ(top.workers.size(), 2u);
  EXPECT_EQ(top.workers[0].name, "0");
  EXPECT_EQ(top.workers[0].packets, 400);
  EXPECT_EQ(top.workers[0].burst, 8);
  EXPECT_EQ(top.workers[0].busy, std::nullopt);
  EXPECT_EQ(top.workers[0].cycles_per_packet, std::nullopt);
  EXPECT_EQ(top.workers[0].sleeps, std::nullopt);
  EXPECT_EQ(top.workers[1].burst, std::nullopt);  // Of no receive there is no average.
  EXPECT_THAT(top.ports, IsEmpty());
}

TEST(TopFiguresTest, PollModeWorkers) {
  const TopFigures top = Between(DpdkText(1), DpdkText(5), 4);
  EXPECT_TRUE(top.dpdk);
  EXPECT_EQ(top.to_kernel, 1);
  ASSERT_EQ(top.workers.size(), 2u);  // The kernel's sockets have nothing to tell; what leaves by them has drops.
  EXPECT_EQ(top.workers[1].name, "kernel");
  EXPECT_THAT(top.workers[1].drops, ElementsAre(Field(&TopFigures::Drop::reason, "send_failed")));
  EXPECT_EQ(top.workers[0].packets, 1000);
  EXPECT_EQ(top.workers[0].busy, 0.25);
  EXPECT_EQ(top.workers[0].cycles_per_packet, 500'000);
  EXPECT_EQ(top.workers[0].burst, 10);
  EXPECT_EQ(top.workers[0].sleeps, 7);
}

TEST(TopFiguresTest, WorkersHaveDropsOfTheirOwn) {
  const TopFigures top = Between(DpdkText(1), DpdkText(5), 4);
  ASSERT_FALSE(top.workers.empty());
  EXPECT_THAT(top.workers[0].drops, ElementsAre(testing::AllOf(Field(&TopFigures::Drop::reason, "tx_full"),
                                                               Field(&TopFigures::Drop::packets, 8)),
                                                Field(&TopFigures::Drop::reason, "short")));
}

TEST(TopFiguresTest, BurstsAreSharesOfAllPortsReceives) {
  const TopFigures top = Between(DpdkText(1), DpdkText(5), 4);
  ASSERT_FALSE(top.workers.empty());
  std::vector<std::pair<double, double>> shares;
  for (const auto& [most, share] : top.workers[0].bursts) shares.emplace_back(most, share);
  EXPECT_THAT(shares, ElementsAre(std::pair(1.0, 0.2), std::pair(2.0, 0.2), std::pair(16.0, 0.5),
                                  std::pair(std::numeric_limits<double>::infinity(), 0.1)));
}

TEST(TopFiguresTest, AnIdleWorkerHasNoCost) {
  const TopFigures top = Between(DpdkText(2), DpdkText(2), 1);
  ASSERT_EQ(top.workers.size(), 1u);
  EXPECT_EQ(top.workers[0].cycles_per_packet, std::nullopt);
  EXPECT_EQ(top.workers[0].burst, std::nullopt);
  EXPECT_EQ(top.workers[0].sleeps, 0);
  EXPECT_THAT(top.workers[0].bursts, IsEmpty());
  EXPECT_THAT(top.workers[0].drops, IsEmpty());
}

TEST(TopFiguresTest, PortsAreSumsOverWorkers) {
  const TopFigures top = Between(DpdkText(1), DpdkText(5), 4);
  ASSERT_EQ(top.ports.size(), 2u);
  EXPECT_EQ(top.ports[0].name, "p0");
  EXPECT_EQ(top.ports[0].driver, "net_ice");
  EXPECT_TRUE(top.ports[0].up);
  EXPECT_EQ(top.ports[0].speed_bits, 10e9);
  EXPECT_EQ(top.ports[0].received, 900);
  EXPECT_EQ(top.ports[0].missed, 3);
  EXPECT_EQ(top.ports[0].errors, 2);
  EXPECT_EQ(top.ports[0].no_mbuf, 2);
  EXPECT_EQ(top.ports[0].pool_share, 0.25);
  EXPECT_FALSE(top.ports[1].up);
  EXPECT_EQ(top.ports[1].received, 100);
  EXPECT_EQ(top.ports[1].sent, 800);
  EXPECT_EQ(top.ports[1].tx_full, 5);
  EXPECT_EQ(top.ports[1].pool_share, 0);
}

TEST(TopFiguresTest, ARestartHasNoRates) {
  // Another process, even one that has counted more already; or, without a start time, counters that fell.
  for (const TopFigures& top :
       {Between(SocketText(10), SocketText(30, 1'700'000'001), 1), Between(SocketText(30), SocketText(10), 1)}) {
    EXPECT_TRUE(top.restarted);
    EXPECT_EQ(top.endpoints_open, 12);
    EXPECT_EQ(top.received, 0);
    EXPECT_THAT(top.workers, IsEmpty());
  }
}

TEST(TopFiguresTest, NothingToReadIsNothing) {
  const TopFigures top = Between("", "", 1);
  EXPECT_EQ(top.received, 0);
  EXPECT_THAT(top.workers, IsEmpty());
}

}  // namespace
}  // namespace relay::ctl
