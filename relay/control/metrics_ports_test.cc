// What an operator sees of poll-mode workers and their ports.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include <cstdlib>
#include <fstream>

#include "relay/control/metrics_family.h"
#include "relay/control/text.h"

namespace relay {
namespace {

using testing::HasSubstr;

class MetricsPortsTest : public testing::Test {
 protected:
  MetricsPortsTest() {
    for (const char* const name : {"0000:01:00.0", "net_tap0"}) {
      auto& port = *figures_.ports.emplace_back(std::make_unique<PortFigures::Port>());
      port.name = name;
      port.driver = "net_some";
    }
    for (int i = 0; i < 2; ++i) {
      figures_.workers.push_back(std::make_unique<PollCounters>());
      auto& by_port = figures_.by_worker.emplace_back();
      for (int port = 0; port < 2; ++port) by_port.push_back(std::make_unique<PortCounters>());
    }
    figures_.cycles_per_second = 2e9;
    figures_.kernel = &kernel_;
  }

  // Of a line of its own, in the text format.
  std::string Text() const {
    std::vector<prometheus::MetricFamily> families;
    metrics::CollectPorts(figures_, families);
    return '\n' + prometheus::TextSerializer().Serialize(families);
  }
  void Receive(int worker, int port, size_t packets) {
    PortCounters& share = *figures_.by_worker[worker][port];
    share.received.Add(packets);
    share.bursts_total.Add(1);
    share.bursts[BurstBucket(packets)].Add(1);
  }

  PortFigures figures_;
  KernelFrames kernel_;
};

TEST_F(MetricsPortsTest, EverySeriesIsThereAtZero) {
  const std::string text = Text();
  std::vector<std::string> series;
  for (const std::string_view worker : {"0", "1"}) {
    for (const std::string_view name : {"polls_total", "empty_polls_total", "busy_packets_total", "sleeps_total",
                                        "busy_seconds_total", "seconds_total", "cycles_per_packet"}) {
      series.push_back(text::Cat("relayd_worker_", name, "{worker=\"", worker, "\"}"));
    }
    for (const std::string_view port : {"0000:01:00.0", "net_tap0"}) {
      const std::string labels = text::Cat("{worker=\"", worker, "\",port=\"", port, "\"");
      for (const std::string_view name : {"received_packets_total", "sent_packets_total", "tx_full_packets_total",
                                          "from_kernel_packets_total", "burst_packets_sum", "burst_packets_count"}) {
        series.push_back(text::Cat("relayd_port_", name, labels, "}"));
      }
      for (const std::string_view bound : {"1", "2", "4", "8", "16", "32", "+Inf"}) {
        series.push_back(text::Cat("relayd_port_burst_packets_bucket", labels, ",le=\"", bound, "\"}"));
      }
    }
  }
  for (const std::string_view port : {"0000:01:00.0", "net_tap0"}) {
    for (const std::string_view name :
         {"link_up", "link_speed_bytes", "link_changes_total", "mtu_bytes", "kernel_interface", "missed_packets_total",
          "receive_errors_total", "no_mbuf_packets_total", "transmit_errors_total", "pool_in_use_buffers",
          "pool_buffers"}) {
      series.push_back(text::Cat("relayd_port_", name, "{port=\"", port, "\"}"));
    }
  }
  for (const std::string_view direction : {"to_kernel", "from_kernel"}) {
    for (const std::string_view result : {"passed", "dropped"}) {
      series.push_back(
          text::Cat("relayd_kernel_path_frames_total{direction=\"", direction, "\",result=\"", result, "\"}"));
    }
  }
  for (const std::string& name : series) EXPECT_THAT(text, HasSubstr('\n' + name + " 0\n"));
  EXPECT_THAT(text, HasSubstr("\nrelayd_port_info{port=\"net_tap0\",driver=\"net_some\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nrelayd_tsc_hertz 2000000000\n"));
}

TEST_F(MetricsPortsTest, ValuesAreThoseOfTheirSources) {
  PollCounters& worker = *figures_.workers[1];
  worker.polls.Add(10);
  worker.empty_polls.Add(7);
  worker.busy_cycles.Add(3'000'000'000);
  worker.total_cycles.Set(8'000'000'000);
  worker.packets.Add(20'000'000);
  worker.sleeps.Add(5);
  PortCounters& share = *figures_.by_worker[1][0];
  share.sent.Add(11);
  share.tx_full.Add(12);
  share.from_kernel.Add(13);
  PortGauges& port = figures_.ports[0]->gauges;
  port.link_up.Set(1);
  port.link_mbps.Set(10'000);
  port.link_changes.Set(3);
  port.mtu.Set(1400);
  port.kernel_interface.Set(1);
  port.missed.Set(21);
  port.receive_errors.Set(22);
  port.no_mbuf.Set(23);
  port.transmit_errors.Set(24);
  port.pool_in_use.Set(25);
  port.pool_size.Set(26);
  kernel_.to_tap.Add(31);
  kernel_.to_tap_refused.Add(32);
  kernel_.from_tap.Add(33);
  kernel_.from_tap_dropped.Add(34);
  const std::string text = Text();
  for (const std::string_view line :
       {"relayd_worker_polls_total{worker=\"1\"} 10",
        "relayd_worker_empty_polls_total{worker=\"1\"} 7",
        "relayd_worker_busy_seconds_total{worker=\"1\"} 1.5",
        "relayd_worker_seconds_total{worker=\"1\"} 4",
        "relayd_worker_busy_packets_total{worker=\"1\"} 20000000",
        "relayd_worker_sleeps_total{worker=\"1\"} 5",
        "relayd_worker_cycles_per_packet{worker=\"1\"} 150",
        "relayd_port_sent_packets_total{worker=\"1\",port=\"0000:01:00.0\"} 11",
        "relayd_port_tx_full_packets_total{worker=\"1\",port=\"0000:01:00.0\"} 12",
        "relayd_port_from_kernel_packets_total{worker=\"1\",port=\"0000:01:00.0\"} 13",
        "relayd_port_link_up{port=\"0000:01:00.0\"} 1",
        "relayd_port_link_up{port=\"net_tap0\"} 0",
        "relayd_port_link_speed_bytes{port=\"0000:01:00.0\"} 1250000000",
        "relayd_port_link_changes_total{port=\"0000:01:00.0\"} 3",
        "relayd_port_mtu_bytes{port=\"0000:01:00.0\"} 1400",
        "relayd_port_kernel_interface{port=\"0000:01:00.0\"} 1",
        "relayd_port_missed_packets_total{port=\"0000:01:00.0\"} 21",
        "relayd_port_receive_errors_total{port=\"0000:01:00.0\"} 22",
        "relayd_port_no_mbuf_packets_total{port=\"0000:01:00.0\"} 23",
        "relayd_port_transmit_errors_total{port=\"0000:01:00.0\"} 24",
        "relayd_port_pool_in_use_buffers{port=\"0000:01:00.0\"} 25",
        "relayd_port_pool_buffers{port=\"0000:01:00.0\"} 26",
        "relayd_kernel_path_frames_total{direction=\"to_kernel\",result=\"passed\"} 31",
        "relayd_kernel_path_frames_total{direction=\"to_kernel\",result=\"dropped\"} 32",
        "relayd_kernel_path_frames_total{direction=\"from_kernel\",result=\"passed\"} 33",
        "relayd_kernel_path_frames_total{direction=\"from_kernel\",result=\"dropped\"} 34"}) {
    EXPECT_THAT(text, HasSubstr(text::Cat("\n", line, "\n")));
  }
}

TEST_F(MetricsPortsTest, BurstsAreAHistogram) {
  for (const size_t packets : {1, 2, 3, 4, 5, 8, 9, 32, 32, 33}) Receive(0, 1, packets);
  const std::string text = Text();
  const auto expect = [&](std::string_view suffix, std::string_view le, std::string_view value) {
    EXPECT_THAT(text, HasSubstr(text::Cat("\nrelayd_port_burst_packets_", suffix, "{worker=\"0\",port=\"net_tap0\"", le,
                                          "} ", value, "\n")));
  };
  expect("bucket", ",le=\"1\"", "1");
  expect("bucket", ",le=\"2\"", "2");
  expect("bucket", ",le=\"4\"", "4");
  expect("bucket", ",le=\"8\"", "6");
  expect("bucket", ",le=\"16\"", "7");
  expect("bucket", ",le=\"32\"", "9");
  expect("bucket", ",le=\"+Inf\"", "10");
  expect("count", "", "10");
  expect("sum", "", "129");
}

TEST_F(MetricsPortsTest, PromtoolFindsNothingWrong) {
  if (std::system("command -v promtool >/dev/null") != 0) GTEST_SKIP() << "no promtool here";
  Receive(0, 1, 3);
  const std::string path = testing::TempDir() + "/metrics_ports.txt";
  std::ofstream(path) << Text().substr(1);
  EXPECT_EQ(std::system(text::Cat("promtool check metrics <", path).c_str()), 0);
}

}  // namespace
}  // namespace relay
