#include "relay/control/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/metric_family.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "disco/key.h"
#include "relay/control/http_test_server.h"
#include "relay/control/text.h"
#include "relay/core/qsbr.h"

namespace relay {
namespace {

using testing::HasSubstr;
using testing::Not;

class MetricsTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { disco::InitCrypto(); }

  std::string Scrape() {
    RawClient client(metrics_->local());
    client.Send("GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    return BodyOf(client.ReadResponse());
  }
  void Open() {
    auto opened = MetricsServer::Open(AddrPort::FromIpv4({127, 0, 0, 1}, 0), sources_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    metrics_ = *std::move(opened);
  }

  Qsbr qsbr_{1};
  EndpointTable table_{16, qsbr_};
  Allocator allocator_{table_, disco::PrivateKey::Generate(), {}};
  std::array<Counters, 2> workers_;
  TaskHistogram tasks_;
  HttpStats api_;
  MetricSources sources_{.workers = {{"0", &workers_[0]}, {"1", &workers_[1]}},
                         .ports = nullptr,
                         .table = &table_,
                         .allocator = &allocator_,
                         .tasks = &tasks_,
                         .api = &api_};
  std::unique_ptr<MetricsServer> metrics_;
};

TEST_F(MetricsTest, OthersMayAddFamilies) {
  sources_.extra.push_back([](std::vector<prometheus::MetricFamily>& out) {
    prometheus::MetricFamily& family = out.emplace_back();
    family.name = "relayd_other_total";
    family.type = prometheus::MetricType::Counter;
    family.metric.emplace_back().counter.value = 7;
  });
  Open();
  EXPECT_THAT(Scrape(), HasSubstr("\nrelayd_other_total 7\n"));
}

TEST_F(MetricsTest, EverySeriesIsThereAtZero) {
  Open();
  const std::string text = '\n' + Scrape();
  std::vector<std::string> series = {
      "relayd_endpoints{state=\"connecting\"}",
      "relayd_endpoints{state=\"open\"}",
      "relayd_socket_overflow_packets_total",
      "relayd_received_packets_total",
      "relayd_answered_packets_total",
      "relayd_accepted_packets_total",
      "relayd_to_kernel_packets_total",
      "relayd_fragments_total",
      "relayd_reassembled_packets_total",
      "relayd_icmp_too_big_total",
      "relayd_link_followed_total",
      "relayd_link_refused_total",
      "relayd_control_task_seconds_count",
      "relayd_control_task_seconds_bucket{le=\"1e-05\"}",
      "relayd_control_task_seconds_bucket{le=\"0.1\"}",
      "relayd_control_task_seconds_bucket{le=\"+Inf\"}",
      "relayd_worker_received_packets_total{worker=\"0\"}",
      "relayd_worker_gso_trains_total{worker=\"1\"}",
      "relayd_worker_gso_fallbacks_total{worker=\"1\"}",
      "relayd_worker_receive_calls_total{worker=\"1\"}",
      "relayd_worker_send_calls_total{worker=\"1\"}",
      "relayd_api_connections",
      "relayd_api_refused_connections_total{reason=\"source_limit\"}",
      "relayd_api_responses_total{code=\"403\"}",
  };
  for (const std::string_view in : {"udp4", "udp6"}) {
    for (const std::string_view out : {"udp4", "udp6"}) {
      for (const std::string_view what : {"packets", "bytes"}) {
        series.push_back(
            text::Cat("relayd_forwarded_", what, "_total{transport_in=\"", in, "\",transport_out=\"", out, "\"}"));
      }
    }
  }
  for (const std::string_view reason :
       {"bad_geneve",      "unknown_version",  "control_not_disco", "unknown_vni",
        "short",           "bad_magic",        "unknown_disco_key", "control_rate_limited",
        "open_failed",     "bad_message",      "vni_mismatch",      "remote_key_mismatch",
        "generation_zero", "stale_generation", "mac_mismatch",      "refused_source",
        "not_bound",       "unknown_source",   "too_big",           "send_failed",
        "bad_ip_header",   "bad_ip_checksum",  "bad_udp_length",    "zero_checksum",
        "fragment",        "not_local",        "kernel_path_full",  "no_mbuf",
        "tx_full"}) {
    series.push_back(text::Cat("relayd_dropped_packets_total{reason=\"", reason, "\"}"));
    for (const std::string_view worker : {"0", "1"}) {
      series.push_back(
          text::Cat("relayd_worker_dropped_packets_total{worker=\"", worker, "\",reason=\"", reason, "\"}"));
    }
  }
  for (const std::string_view result : {"challenged", "bound", "rebound"}) {
    series.push_back(text::Cat("relayd_handshakes_total{result=\"", result, "\"}"));
  }
  for (const std::string_view result :
       {"created", "existing", "replaced", "invalid", "forbidden", "quota", "full", "not_ready", "draining"}) {
    series.push_back(text::Cat("relayd_allocations_total{result=\"", result, "\"}"));
  }
  for (const std::string& name : series) EXPECT_THAT(text, HasSubstr('\n' + name + " 0\n"));
  EXPECT_THAT(text, HasSubstr("\nrelayd_build_info{version=\""));
  EXPECT_THAT(text, HasSubstr("\nprocess_start_time_seconds "));
  EXPECT_THAT(text, Not(HasSubstr("relayd_port_")));
  EXPECT_THAT(text, Not(HasSubstr("relayd_worker_polls_total")));
}

TEST_F(MetricsTest, PromtoolFindsNothingWrong) {
  if (std::system("command -v promtool >/dev/null") != 0) GTEST_SKIP() << "no promtool here";
  Open();
  const std::string path = testing::TempDir() + "/metrics.txt";
  std::ofstream(path) << Scrape();
  EXPECT_EQ(std::system(text::Cat("promtool check metrics <", path).c_str()), 0);
}

TEST_F(MetricsTest, ValuesAreThoseOfTheirSources) {
  workers_[0].received.Add(5);
  workers_[1].received.Add(7);
  workers_[1].forwarded_packets[1][0].Add(3);
  workers_[0].Drop(DropReason::kMacMismatch, 4);
  workers_[1].Drop(DropReason::kMacMismatch, 2);
  workers_[1].Drop(DropReason::kTxFull, 9);
  workers_[1].Handshake(HandshakeResult::kRebound);
  allocator_.Count(AllocationResult::kForbidden);
  api_.CountResponse(413);
  tasks_.Observe(std::chrono::microseconds(10));
  tasks_.Observe(std::chrono::microseconds(11));
  tasks_.Observe(std::chrono::seconds(1));
  Open();
  const std::string text = Scrape();
  for (const std::string_view line :
       {"relayd_received_packets_total 12", "relayd_worker_received_packets_total{worker=\"1\"} 7",
        "relayd_forwarded_packets_total{transport_in=\"udp6\",transport_out=\"udp4\"} 3",
        "relayd_dropped_packets_total{reason=\"mac_mismatch\"} 6",
        "relayd_worker_dropped_packets_total{worker=\"0\",reason=\"mac_mismatch\"} 4",
        "relayd_worker_dropped_packets_total{worker=\"1\",reason=\"mac_mismatch\"} 2",
        "relayd_worker_dropped_packets_total{worker=\"1\",reason=\"tx_full\"} 9",
        "relayd_worker_dropped_packets_total{worker=\"0\",reason=\"tx_full\"} 0",
        "relayd_handshakes_total{result=\"rebound\"} 1", "relayd_allocations_total{result=\"forbidden\"} 1",
        "relayd_api_responses_total{code=\"413\"} 1", "relayd_control_task_seconds_bucket{le=\"1e-05\"} 1",
        "relayd_control_task_seconds_bucket{le=\"2e-05\"} 2", "relayd_control_task_seconds_bucket{le=\"0.1\"} 2",
        "relayd_control_task_seconds_bucket{le=\"+Inf\"} 3", "relayd_endpoints_limit 16"}) {
    EXPECT_THAT(text, HasSubstr(text::Cat(line, "\n")));
  }
}

TEST_F(MetricsTest, IdleClientsDoNotHoldItsEndUp) {
  Open();
  RawClient idle(metrics_->local()), halfway(metrics_->local());
  halfway.Send("GET /met");
  Scrape();
  const auto start = std::chrono::steady_clock::now();
  metrics_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(1500));
}

TEST_F(MetricsTest, ATakenAddressIsOneLine) {
  Open();
  const auto second = MetricsServer::Open(metrics_->local(), sources_);
  EXPECT_EQ(second.status().message(),
            text::Cat("cannot serve metrics on ", metrics_->local().ToString(), ": Address already in use"));
}

}  // namespace
}  // namespace relay
