// The steering program as the kernel runs it, on frames of ours (BPF_PROG_TEST_RUN): no interface, no traffic.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "relay/dataplane/steer_object.h"

namespace relay {
namespace {

constexpr uint16_t kPort = 40123;
using Bytes = std::vector<uint8_t>;

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
Bytes Be16(uint16_t value) { return {static_cast<uint8_t>(value >> 8), static_cast<uint8_t>(value)}; }

Bytes Ethernet(uint16_t proto) { return Bytes(12, 0x02) + Be16(proto); }
Bytes Vlan(uint16_t inner) { return Be16(7) + Be16(inner); }
Bytes Udp(uint16_t port) { return Be16(50000) + Be16(port) + Be16(16) + Be16(0) + Bytes(8, 'x'); }

struct Ipv4Fields {
  uint8_t version = 4;
  uint8_t words = 5;  // IHL.
  uint16_t fragment = 0x4000;
  uint8_t protocol = 17;
};
Bytes Ipv4(const Ipv4Fields& fields = {}) {
  Bytes header(20, 0);
  header[0] = static_cast<uint8_t>(fields.version << 4 | fields.words);
  header[6] = static_cast<uint8_t>(fields.fragment >> 8);
  header[7] = static_cast<uint8_t>(fields.fragment);
  header[9] = fields.protocol;
  return fields.words <= 5 ? header : header + Bytes((fields.words - 5) * 4, 1);
}
Bytes Ipv6(uint8_t next, uint8_t version = 6) {
  Bytes header(40, 0);
  header[0] = static_cast<uint8_t>(version << 4);
  header[6] = next;
  return header;
}

struct CloseObject {
  void operator()(bpf_object* object) const { bpf_object__close(object); }
};

class SteerTest : public testing::Test {
 protected:
  void SetUp() override {
    const rlimit unlimited{.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    setrlimit(RLIMIT_MEMLOCK, &unlimited);  // Kernels before 5.11.
    const auto patched = PatchSteerObject(SteerObject(), kPort);
    ASSERT_TRUE(patched.ok()) << patched.status();
    bpf_object_open_opts options{};
    options.sz = sizeof(options);
    options.object_name = "steer";
    object_.reset(bpf_object__open_mem(patched->data(), patched->size(), &options));
    ASSERT_NE(object_, nullptr);
    const int loaded = bpf_object__load(object_.get());
    if (loaded == -EPERM) GTEST_SKIP() << "this needs the right to load BPF programs";
    ASSERT_EQ(loaded, 0);
    program_ = bpf_program__fd(bpf_object__find_program_by_name(object_.get(), "steer"));
    map_ = bpf_object__find_map_fd_by_name(object_.get(), "xsks_map");
    ASSERT_GE(map_, 0);
    socket_ = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (socket_ < 0) GTEST_SKIP() << "this kernel has no AF_XDP sockets for us";
    const uint32_t queue = 0;
    ASSERT_EQ(bpf_map_update_elem(map_, &queue, &socket_, BPF_ANY), 0);
  }
  void TearDown() override {
    if (socket_ >= 0) close(socket_);
  }

  // What becomes of a frame on queue 0.
  int Run(const Bytes& frame) const {
    bpf_test_run_opts run{};
    run.sz = sizeof(run);
    run.data_in = frame.data();
    run.data_size_in = static_cast<uint32_t>(frame.size());
    run.repeat = 1;
    EXPECT_EQ(bpf_prog_test_run_opts(program_, &run), 0);
    return static_cast<int>(run.retval);
  }

  std::unique_ptr<bpf_object, CloseObject> object_;
  int program_ = -1;
  int map_ = -1;
  int socket_ = -1;
};

TEST_F(SteerTest, TakesTheRelaysDatagramsAndNothingElse) {
  static constexpr uint16_t kV4 = 0x0800;
  static constexpr uint16_t kV6 = 0x86dd;
  static constexpr uint16_t kVlan = 0x8100;
  const struct {
    std::string what;
    Bytes frame;
    int action;
  } kRows[] = {
      {"IPv4", Ethernet(kV4) + Ipv4() + Udp(kPort), XDP_REDIRECT},
      {"IPv4 without DF", Ethernet(kV4) + Ipv4({.fragment = 0}) + Udp(kPort), XDP_REDIRECT},
      {"IPv4 with options", Ethernet(kV4) + Ipv4({.words = 6}) + Udp(kPort), XDP_REDIRECT},
      {"IPv4 with all options", Ethernet(kV4) + Ipv4({.words = 15}) + Udp(kPort), XDP_REDIRECT},
      {"IPv4 in a VLAN", Ethernet(kVlan) + Vlan(kV4) + Ipv4() + Udp(kPort), XDP_REDIRECT},
      {"IPv6", Ethernet(kV6) + Ipv6(17) + Udp(kPort), XDP_REDIRECT},
      {"IPv6 in a VLAN", Ethernet(kVlan) + Vlan(kV6) + Ipv6(17) + Udp(kPort), XDP_REDIRECT},

      {"another port", Ethernet(kV4) + Ipv4() + Udp(kPort + 1), XDP_PASS},
      {"the port, its bytes swapped", Ethernet(kV4) + Ipv4() + Udp(__builtin_bswap16(kPort)), XDP_PASS},
      {"another port, IPv6", Ethernet(kV6) + Ipv6(17) + Udp(53), XDP_PASS},
      {"TCP", Ethernet(kV4) + Ipv4({.protocol = 6}) + Udp(kPort), XDP_PASS},
      {"ICMP", Ethernet(kV4) + Ipv4({.protocol = 1}) + Udp(kPort), XDP_PASS},
      {"ICMPv6", Ethernet(kV6) + Ipv6(58) + Udp(kPort), XDP_PASS},
      {"ARP", Ethernet(0x0806) + Ipv4() + Udp(kPort), XDP_PASS},
      {"first fragment", Ethernet(kV4) + Ipv4({.fragment = 0x2000}) + Udp(kPort), XDP_PASS},
      {"middle fragment", Ethernet(kV4) + Ipv4({.fragment = 0x2001}) + Udp(kPort), XDP_PASS},
      {"last fragment", Ethernet(kV4) + Ipv4({.fragment = 0x0001}) + Udp(kPort), XDP_PASS},
      {"IPv6 fragment", Ethernet(kV6) + Ipv6(44) + Bytes{17, 0, 0, 1, 0, 0, 0, 1} + Udp(kPort), XDP_PASS},
      {"IPv6 hop-by-hop", Ethernet(kV6) + Ipv6(0) + Bytes{17, 0, 1, 4, 0, 0, 0, 0} + Udp(kPort), XDP_PASS},
      {"two VLAN tags", Ethernet(kVlan) + Vlan(kVlan) + Vlan(kV4) + Ipv4() + Udp(kPort), XDP_PASS},
      {"802.1ad", Ethernet(0x88a8) + Vlan(kV4) + Ipv4() + Udp(kPort), XDP_PASS},
      {"IPv4 that says 6", Ethernet(kV4) + Ipv4({.version = 6}) + Udp(kPort), XDP_PASS},
      {"IPv6 that says 4", Ethernet(kV6) + Ipv6(17, 4) + Udp(kPort), XDP_PASS},
      {"short IHL", Ethernet(kV4) + Ipv4({.words = 4}) + Udp(kPort), XDP_PASS},
      {"IHL beyond the frame", Ethernet(kV4) + Ipv4() + Bytes{0xc3, 0x50}, XDP_PASS},
      {"nothing behind Ethernet", Ethernet(kV4), XDP_PASS},
      {"nothing behind the tag", Ethernet(kVlan) + Vlan(kV6), XDP_PASS},
      {"half an IPv6 header", Ethernet(kV6) + Bytes(20, 0x60), XDP_PASS},
  };
  for (const auto& row : kRows) EXPECT_EQ(Run(row.frame), row.action) << row.what;
}

TEST_F(SteerTest, AQueueWithoutASocketIsTheKernels) {
  const uint32_t queue = 0;
  ASSERT_EQ(bpf_map_delete_elem(map_, &queue), 0);
  EXPECT_EQ(Run(Ethernet(0x0800) + Ipv4() + Udp(kPort)), XDP_PASS);
}

}  // namespace
}  // namespace relay
