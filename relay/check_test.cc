// DPDK's environment starts once a process: one test of it here, more in tests/e2e.
#include "relay/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "relay/dataplane/hugepages.h"
#include "relay/dataplane/udp_socket.h"

namespace relay {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

Options Anywhere() {
  Options options;
  options.io.udp_port = 0;
  options.io.socket_buffer_bytes = 4096;
  options.max_endpoints = 1000;
  options.control.api_listen = *AddrPort::Parse("127.0.0.1:0");
  options.metrics_listen = *AddrPort::Parse("127.0.0.1:0");
  return options;
}

TEST(CheckTest, SocketsWouldStart) {
  Options options = Anywhere();
  options.control.addr_ports = {*AddrPort::Parse("192.0.2.1:7")};
  std::string report;
  EXPECT_TRUE(Check(options, report).ok()) << report;
  EXPECT_THAT(report, HasSubstr("io           socket\n"));
  EXPECT_THAT(report, ContainsRegex("sockets      UDP port [0-9]+, IPv4.* GSO .* bytes\n"));
  EXPECT_THAT(report, HasSubstr("workers      1, not pinned"));
  EXPECT_THAT(report, HasSubstr("advertised   192.0.2.1:7\n"));
  EXPECT_THAT(report, HasSubstr("funnel       off"));
  EXPECT_THAT(report, ContainsRegex("metrics      127.0.0.1:[0-9]+\n"));
  EXPECT_THAT(report, HasSubstr("check        relayd would start\n"));
  EXPECT_THAT(report, Not(HasSubstr("error")));
}

TEST(CheckTest, AllThatIsWrongIsSaidAndTheFirstIsTheVerdict) {
  const auto taken = UdpSocket::Open({});
  ASSERT_TRUE(taken.ok()) << taken.status();
  Options options = Anywhere();
  options.io.udp_port = taken->port();
  std::string report;
  absl::Status status = Check(options, report);
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(report, HasSubstr("error        " + std::string(status.message()) + "\n"));
  EXPECT_THAT(report, HasSubstr("check        relayd would not start\n"));

  options.dpdk = true;
  options.dpdk_io.eal = "--no-huge -m 256 --no-shconf --no-pci --vdev=net_null0";
  report.clear();
  EXPECT_FALSE(Check(options, report).ok());
  EXPECT_THAT(report, HasSubstr("ports        not looked at"));
  EXPECT_THAT(report, Not(HasSubstr("EAL  ")));

  options = Anywhere();
  options.io.cores = {1'000'000};  // As one that is offline, or not of our cpuset.
  report.clear();
  EXPECT_FALSE(Check(options, report).ok());
  EXPECT_THAT(report, HasSubstr("error        cannot pin a worker to core 1000000: "));

  options = Anywhere();
  options.control.policy_file = "/nowhere/policy.json";
  report.clear();
  status = Check(options, report);
  EXPECT_THAT(std::string(status.message()), HasSubstr("/nowhere/policy.json"));
  EXPECT_THAT(report, HasSubstr("sockets  "));
}

TEST(CheckTest, FunnelListenersAreOpenedAndDescribed) {
  const std::string policy = testing::TempDir() + "/check_funnel.json";
  std::ofstream(policy) << R"({"funnel":{"routes":[{"name":"a.example","peerapi":["198.19.0.7:1"]}]}})";
  Options options = Anywhere();
  options.control.policy_file = policy;
  options.funnel.listen = {{.addr = *AddrPort::Parse("127.0.0.1:0")},
                           {.addr = *AddrPort::Parse("127.0.0.1:0"), .public_port = 443}};
  std::string report;
  EXPECT_TRUE(Check(options, report).ok()) << report;
  EXPECT_THAT(report, ContainsRegex("funnel       127.0.0.1:([0-9]+), public port [0-9]+\n"
                                    "funnel       127.0.0.1:[0-9]+, public port 443\n"
                                    "             1 routes in the policy, 1 threads\n"));

  options.funnel.listen = {{.addr = *AddrPort::Parse("203.0.113.1:443")}};  // Nobody's here.
  report.clear();
  EXPECT_FALSE(Check(options, report).ok());
  EXPECT_THAT(report, HasSubstr("203.0.113.1:443"));
}

TEST(CheckTest, AServeConfigIsReadAsAStartReadsIt) {
  const std::string config = testing::TempDir() + "/serve.json";
  std::ofstream(config)
      << R"({"TCP": {"443": {"TCPForward": "127.0.0.1:9641"}}, "AllowFunnel": {"a.example:443": true}})";
  Options options = Anywhere();
  options.serve_config = config;
  std::string report;
  EXPECT_TRUE(Check(options, report).ok()) << report;
  EXPECT_THAT(report, HasSubstr("node         serves by "));

  options.funnel.listen = {{.addr = *AddrPort::Parse("127.0.0.1:0")}, {.addr = *AddrPort::Parse("127.0.0.1:9641")}};
  report.clear();
  EXPECT_FALSE(Check(options, report).ok());
  EXPECT_THAT(report, HasSubstr("127.0.0.1:9641"));
  EXPECT_THAT(report, HasSubstr("check        relayd would not start\n"));
}

TEST(CheckTest, DpdkPortsAreOpenedAndDescribed) {
  Options options = Anywhere();
  options.dpdk = true;
  options.dpdk_io.eal = "--no-huge -m 256 --no-shconf --no-pci --vdev=net_null0 --vdev=net_ring0";
  options.dpdk_io.kernel_path = DpdkOptions::KernelPath::kNone;
  options.dpdk_io.workers = 100'000;
  std::string report;
  EXPECT_FALSE(Check(options, report).ok());
  EXPECT_THAT(report, ContainsRegex("error        100000 workers, but only [0-9]+ cores"));

  options.dpdk_io.workers = 1;
  report.clear();
  EXPECT_TRUE(Check(options, report).ok()) << report;
  EXPECT_THAT(report, HasSubstr("workers      1, which sleep when idle\n"));
  EXPECT_THAT(report, ContainsRegex("worker 0     core [0-9]+, NUMA node "));
  EXPECT_THAT(report, HasSubstr("EAL          relayd --log-level"));
  EXPECT_THAT(report, HasSubstr("port 0       net_null0, driver net_null, "));
  EXPECT_THAT(report, HasSubstr("port 1       net_ring0, driver net_ring, "));
  EXPECT_THAT(report, HasSubstr("worker 0: receive queue 0, transmit queue 0\n"));
  EXPECT_THAT(report, HasSubstr("MTU 1500, link up, 10000 Mbit/s"));
  EXPECT_THAT(report, HasSubstr("kernel: none"));
  EXPECT_THAT(report, ContainsRegex("warning      net_null0 .*next hops never follow"));
  EXPECT_THAT(report, HasSubstr("check        relayd would start\n"));
}

TEST(HugepagesTest, AreReadBySize) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "hugepages_test";
  for (const auto& [size, total, free] : {std::tuple{"2048kB", 8, 3}, {"1048576kB", 2, 1}, {"64kB", 0, 0}}) {
    const std::filesystem::path one = folder / (std::string("hugepages-") + size);
    std::filesystem::create_directories(one);
    std::ofstream(one / "nr_hugepages") << total << "\n";
    std::ofstream(one / "free_hugepages") << free << "\n";
  }
  const auto sizes = ReadHugepages(folder.string());
  std::filesystem::remove_all(folder);
  ASSERT_EQ(sizes.size(), 3u);
  EXPECT_EQ(sizes[0].kilobytes, 64u);
  EXPECT_EQ(sizes[1].kilobytes, 2048u);
  EXPECT_EQ(sizes[1].total, 8u);
  EXPECT_EQ(sizes[1].free, 3u);
  EXPECT_EQ(sizes[2].kilobytes, 1048576u);
  EXPECT_TRUE(ReadHugepages("/nowhere").empty());
}

}  // namespace
}  // namespace relay
