#include "relay/flags.h"

#include <gflags/gflags.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

namespace relay {
namespace {

using testing::ElementsAre;
using testing::ExitedWithCode;
using testing::HasSubstr;

// Every call starts from the defaults.
absl::StatusOr<Options> Parse(std::vector<std::string> args) {
  const gflags::FlagSaver saver;
  args.insert(args.begin(), "relayd");
  std::vector<char*> argv;
  for (std::string& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  return ParseFlags(static_cast<int>(args.size()), argv.data());
}

TEST(FlagsTest, TheDefaults) {
  const auto options = Parse({});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->io.udp_port, 40000);
  EXPECT_EQ(options->io.workers, 1u);
  EXPECT_TRUE(options->io.cores.empty());
  EXPECT_TRUE(options->server.first_dialect);
  EXPECT_EQ(options->allocator.bind_lifetime, std::chrono::seconds(30));
  EXPECT_EQ(options->allocator.steady_state_lifetime, std::chrono::minutes(5));
  EXPECT_EQ(options->allocator.caller_unbound_limit, 4096u);
  EXPECT_EQ(options->allocator.caller_rate, 0u);
  EXPECT_EQ(options->max_endpoints, 262'144u);
  EXPECT_EQ(options->control.api_listen.ToString(), "127.0.0.1:9640");
  EXPECT_EQ(options->control.drain_timeout, std::chrono::minutes(10));
  EXPECT_EQ(options->metrics_listen.ToString(), "127.0.0.1:9641");
}

TEST(FlagsTest, FunnelIsOffAndItsDefaultsAreThoseOfItsOptions) {
  const auto options = Parse({});
  ASSERT_TRUE(options.ok()) << options.status();
  const ingress::FrontendOptions defaults;
  const ingress::FrontendOptions& funnel = options->funnel;
  EXPECT_TRUE(funnel.listen.empty());
  EXPECT_EQ(funnel.threads, defaults.threads);
  EXPECT_EQ(funnel.hello_cap, defaults.hello_cap);
  EXPECT_EQ(funnel.hello_timeout, defaults.hello_timeout);
  EXPECT_EQ(funnel.dial_timeout, defaults.dial_timeout);
  EXPECT_EQ(funnel.idle_timeout, defaults.idle_timeout);
  EXPECT_EQ(funnel.access_log, "");
}

TEST(FlagsTest, EveryFunnelFlagReachesItsOption) {
  const auto options =
      Parse({"--funnel_listen=0.0.0.0:443, [2001:db8::1]:8443=443,localhost:0,localhost:0,127.0.0.1:80=65535",
             "--ingress_threads=64", "--access_log=a.log", "--serve_config=s.json", "--hello_timeout=1s",
             "--hello_cap=64000", "--funnel_dial_timeout=2s", "--funnel_idle_timeout=3m"});
  ASSERT_TRUE(options.ok()) << options.status();
  const ingress::FrontendOptions& funnel = options->funnel;
  std::vector<std::string> listeners;
  for (const auto& l : funnel.listen) listeners.push_back(l.addr.ToString() + '=' + std::to_string(l.public_port));
  EXPECT_THAT(listeners, ElementsAre("0.0.0.0:443=0", "[2001:db8::1]:8443=443", "127.0.0.1:0=0", "127.0.0.1:0=0",
                                     "127.0.0.1:80=65535"));
  EXPECT_EQ(funnel.threads, 64u);
  EXPECT_EQ(funnel.access_log, "a.log");
  EXPECT_EQ(funnel.hello_timeout, std::chrono::seconds(1));
  EXPECT_EQ(funnel.hello_cap, 64'000u);
  EXPECT_EQ(funnel.dial_timeout, std::chrono::seconds(2));
  EXPECT_EQ(funnel.idle_timeout, std::chrono::minutes(3));
}

TEST(FlagsTest, EveryFlagReachesItsOption) {
  const auto options = Parse({"--udp_port=0",
                              "--workers=1",
                              "--cores=0",
                              "--gso=off",
                              "--nogro",
                              "--socket_buffer=65536",
                              "--control_rate=7",
                              "--addr_ports=192.0.2.1:1,[2001:db8::1]:2",
                              "--api_listen=[::1]:0",
                              "--metrics_listen=localhost:9",
                              "--bind_lifetime=1.5s",
                              "--steady_state_lifetime=1h30m",
                              "--max_endpoints=16777215",
                              "--first_dialect=false",
                              "--policy_file=p.json",
                              "--api_tls_cert=c",
                              "--api_tls_key=k",
                              "--api_hosts=a.example, b.example",
                              "--caller_unbound_limit=1",
                              "--caller_rate=2",
                              "--key_cache=3",
                              "--drain_timeout=1ms",
                              "--log_level=error",
                              "--io=socket"});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->io.udp_port, 0);
  EXPECT_THAT(options->io.cores, ElementsAre(0));
  EXPECT_EQ(options->io.gso, SocketBackend::Options::Gso::kOff);
  EXPECT_FALSE(options->io.gro);
  EXPECT_EQ(options->io.socket_buffer_bytes, 65536);
  EXPECT_EQ(options->io.worker_control_rate, 7u);
  EXPECT_EQ(options->control.addr_ports.size(), 2u);
  EXPECT_EQ(options->control.api_listen.ToString(), "[::1]:0");
  EXPECT_EQ(options->metrics_listen.ToString(), "127.0.0.1:9");
  EXPECT_EQ(options->allocator.bind_lifetime, std::chrono::milliseconds(1500));
  EXPECT_EQ(options->allocator.steady_state_lifetime, std::chrono::minutes(90));
  EXPECT_EQ(options->max_endpoints, 16'777'215u);
  EXPECT_FALSE(options->server.first_dialect);
  EXPECT_EQ(options->control.policy_file, "p.json");
  EXPECT_EQ(options->control.tls_cert, "c");
  EXPECT_EQ(options->control.tls_key, "k");
  EXPECT_THAT(options->control.api_hosts, ElementsAre("a.example", "b.example"));
  EXPECT_EQ(options->allocator.caller_unbound_limit, 1u);
  EXPECT_EQ(options->allocator.caller_rate, 2u);
  EXPECT_EQ(options->allocator.key_cache_size, 3u);
  EXPECT_EQ(options->control.drain_timeout, std::chrono::milliseconds(1));
  EXPECT_EQ(options->log_level, LogLevel::kError);
}

TEST(FlagsTest, AWrongValueIsOneLineThatNamesTheFlag) {
  for (const char* const flag : {"--io=dpdk",  // Names no port.
                                 "--eal=-l 0-1",
                                 "--rx_descriptors=64",
                                 "--tx_descriptors=64",
                                 "--mbufs=4096",
                                 "--mbuf_size=4096",
                                 "--mtu=1400",
                                 "--udp_checksum=compute",
                                 "--kernel_path=none",
                                 "--tap_prefix=t",
                                 "--flow_isolate",
                                 "--local_addrs=192.0.2.1",
                                 "--reassemble",
                                 "--idle=poll",
                                 "--idle_after=1ms",
                                 "--idle_sleep=1ms",
                                 "--flagfile=/nowhere/flags",
                                 "--flagfile=/",
                                 "-flagfile=/dev/null,/nowhere/flags",
                                 "--io=carrier-pigeon",
                                 "--udp_port=65536",
                                 "--workers=0",
                                 "--workers=257",
                                 "--cores=0,0",
                                 "--cores=99999",
                                 "--cores=x",
                                 "--gso=maybe",
                                 "--socket_buffer=1",
                                 "--control_rate=0",
                                 "--addr_ports=192.0.2.1",
                                 "--addr_ports=host:1",
                                 "--api_listen=9640",
                                 "--api_listen=example.com:1",
                                 "--metrics_listen=127.0.0.1",
                                 "--bind_lifetime=30",
                                 "--bind_lifetime=0s",
                                 "--bind_lifetime=-1s",
                                 "--steady_state_lifetime=forever",
                                 "--steady_state_lifetime=99999h",
                                 "--max_endpoints=0",
                                 "--max_endpoints=16777216",
                                 "--caller_unbound_limit=0",
                                 "--key_cache=0",
                                 "--drain_timeout=x",
                                 "--log_level=loud",
                                 "--funnel_listen=443",
                                 "--funnel_listen=example.com:443",
                                 "--funnel_listen=127.0.0.1:443,",
                                 "--funnel_listen=127.0.0.1:80",
                                 "--funnel_listen=127.0.0.1:8080=80",
                                 "--funnel_listen=127.0.0.1:443=",
                                 "--funnel_listen=127.0.0.1:443=0",
                                 "--funnel_listen=127.0.0.1:443=65536",
                                 "--funnel_listen=127.0.0.1:443=443=443",
                                 "--funnel_listen=127.0.0.1:443,localhost:443=444",
                                 "--funnel_listen=2001:db8::1:443",
                                 "--ingress_threads=0",
                                 "--ingress_threads=65",
                                 "--hello_timeout=0s",
                                 "--hello_timeout=5",
                                 "--hello_cap=511",
                                 "--hello_cap=65537",
                                 "--funnel_dial_timeout=x",
                                 "--funnel_idle_timeout=-1h",
                                 "--api_tls_cert=c",
                                 "--api_tls_key=k"}) {
    const auto options = Parse({flag});
    ASSERT_FALSE(options.ok()) << flag;
    const std::string error(options.status().message());
    EXPECT_THAT(error, HasSubstr(std::string(flag).substr(0, std::string(flag).find("="))));
    EXPECT_EQ(error.find('\n'), std::string::npos) << error;
  }
}

TEST(FlagsTest, EveryDpdkFlagReachesItsOption) {
  const auto options = Parse({"--io=dpdk",
                              "--eal=--no-huge -m 64 --vdev=net_null0",
                              "--workers=1",
                              "--cores=0",
                              "--control_rate=9",
                              "--rx_descriptors=64",
                              "--tx_descriptors=128",
                              "--mbufs=4096",
                              "--mbuf_size=3840",
                              "--mtu=1400",
                              "--udp_checksum=compute,update",
                              "--kernel_path=none",
                              "--tap_prefix=t-1",
                              "--flow_isolate",
                              "--local_addrs=192.0.2.7, 2001:db8::7",
                              "--addr_ports=192.0.2.1:1",
                              "--reassemble",
                              "--idle=interrupt",
                              "--idle_after=1ms",
                              "--idle_sleep=10us",
                              "--check"});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_TRUE(options->dpdk);
  EXPECT_TRUE(options->check);
  // The kernel's sockets beside it: one worker, on whatever core.
  EXPECT_EQ(options->io.workers, 1u);
  EXPECT_TRUE(options->io.cores.empty());
  const DpdkOptions& dpdk = options->dpdk_io;
  EXPECT_EQ(dpdk.eal, "--no-huge -m 64 --vdev=net_null0");
  EXPECT_EQ(dpdk.workers, 1u);
  EXPECT_THAT(dpdk.cores, ElementsAre(0));
  EXPECT_EQ(dpdk.worker_control_rate, 9u);
  EXPECT_EQ(dpdk.rx_descriptors, 64);
  EXPECT_EQ(dpdk.tx_descriptors, 128);
  EXPECT_EQ(dpdk.mbufs, 4096u);
  EXPECT_EQ(dpdk.mbuf_size, 3840);
  EXPECT_EQ(dpdk.mtu, 1400);
  EXPECT_THAT(dpdk.udp_checksum, ElementsAre(UdpChecksum::kCompute, UdpChecksum::kUpdate));
  EXPECT_EQ(dpdk.kernel_path, DpdkOptions::KernelPath::kNone);
  EXPECT_EQ(dpdk.tap_prefix, "t-1");
  EXPECT_TRUE(dpdk.flow_isolate);
  ASSERT_EQ(dpdk.local_addrs.size(), 3u);  // With the advertised one.
  EXPECT_EQ(dpdk.local_addrs[0].ToString(), "192.0.2.7:0");
  EXPECT_EQ(dpdk.local_addrs[1].ToString(), "[2001:db8::7]:0");
  EXPECT_EQ(dpdk.local_addrs[2].ToString(), "192.0.2.1:1");
  EXPECT_TRUE(dpdk.reassemble);
  EXPECT_EQ(dpdk.idle, DpdkOptions::Idle::kInterrupt);
  EXPECT_EQ(dpdk.idle_after, std::chrono::milliseconds(1));
  EXPECT_EQ(dpdk.idle_sleep, std::chrono::microseconds(10));
}

// Each ingress would be answered 400.
TEST(FlagsTest, AServeConfigBehindTlsIsRefused) {
  EXPECT_EQ(Parse({"--serve_config=s.json"})->serve_config, "s.json");
  const auto options = Parse({"--serve_config=s.json", "--api_tls_cert=c", "--api_tls_key=k"});
  EXPECT_EQ(options.status().message(),
            "--serve_config: an ingress reaches a node without TLS, but --api_tls_cert is set");
}

TEST(FlagsTest, TheDefaultsOfDpdkAreThoseOfItsOptions) {
  const auto options = Parse({"--io=dpdk", "--eal=--vdev=net_null0", "--workers=3"});
  ASSERT_TRUE(options.ok()) << options.status();
  const DpdkOptions defaults;
  const DpdkOptions& dpdk = options->dpdk_io;
  EXPECT_EQ(dpdk.workers, 3u);
  EXPECT_EQ(options->io.workers, 1u);
  EXPECT_TRUE(dpdk.cores.empty());
  EXPECT_EQ(dpdk.rx_descriptors, defaults.rx_descriptors);
  EXPECT_EQ(dpdk.tx_descriptors, defaults.tx_descriptors);
  EXPECT_EQ(dpdk.mbufs, defaults.mbufs);
  EXPECT_EQ(dpdk.mbuf_size, defaults.mbuf_size);
  EXPECT_EQ(dpdk.mtu, defaults.mtu);
  EXPECT_EQ(dpdk.udp_checksum, defaults.udp_checksum);
  EXPECT_EQ(dpdk.kernel_path, defaults.kernel_path);
  EXPECT_EQ(dpdk.tap_prefix, defaults.tap_prefix);
  EXPECT_EQ(dpdk.idle, defaults.idle);
  EXPECT_EQ(dpdk.idle_after, defaults.idle_after);
  EXPECT_EQ(dpdk.idle_sleep, defaults.idle_sleep);
  EXPECT_EQ(dpdk.worker_control_rate, defaults.worker_control_rate);
  EXPECT_FALSE(options->check);
}

TEST(FlagsTest, AWrongDpdkValueIsOneLineThatNamesTheFlag) {
  for (const char* const flag :
       {"--workers=121",     "--cores=0,1",         "--rx_descriptors=1",      "--tx_descriptors=65536",
        "--mbufs=1",         "--mbuf_size=100",     "--mbuf_size=65536",       "--mtu=100",
        "--mtu=65536",       "--udp_checksum=none", "--udp_checksum=",         "--udp_checksum=update,",
        "--kernel_path=kni", "--tap_prefix=",       "--tap_prefix=a/b",        "--tap_prefix=twelve_chars",
        "--local_addrs=x",   "--local_addrs=::",    "--local_addrs=1.2.3.4:5", "--local_addrs=192.0.2.1,",
        "--idle=nap",        "--idle=poll,sleep",   "--idle_after=0s",         "--idle_after=2s",
        "--idle_sleep=soon", "--idle_sleep=1h"}) {
    const auto options = Parse({"--io=dpdk", "--eal=--vdev=net_null0", flag});
    ASSERT_FALSE(options.ok()) << flag;
    const std::string error(options.status().message());
    EXPECT_THAT(error, HasSubstr(std::string(flag).substr(0, std::string(flag).find('='))));
    EXPECT_EQ(error.find('\n'), std::string::npos) << error;
  }
}

TEST(FlagsTest, AFlagfileIsReadAndAStrayArgumentRefused) {
  const std::string path = testing::TempDir() + "/flags";
  std::ofstream(path) << "# a comment\n--udp_port=7\n\n--log_level=debug\n";
  const auto options = Parse({"--flagfile=" + path});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->io.udp_port, 7);
  EXPECT_EQ(Parse({"-flagfile", path})->io.udp_port, 7);
  EXPECT_EQ(Parse({"start"}).status().message(), "\"start\" is not a flag");
}

TEST(FlagsDeathTest, WhatGflagsRefusesEndsWith2) {
  EXPECT_EXIT(Parse({"--no_such_flag=1"}).IgnoreError(), ExitedWithCode(2), "unknown command line flag 'no_such_flag'");
  EXPECT_EXIT(Parse({"--udp_port=many"}).IgnoreError(), ExitedWithCode(2), "udp_port");
  EXPECT_EXIT(Parse({"--udp_port=-1"}).IgnoreError(), ExitedWithCode(2), "udp_port");
}

TEST(FlagsDeathTest, HelpAndVersionEndWith0) {
  EXPECT_EXIT(Parse({"--help"}).IgnoreError(), ExitedWithCode(0), "");
  EXPECT_EXIT(Parse({"--version"}).IgnoreError(), ExitedWithCode(0), "");
}

}  // namespace
}  // namespace relay
