#include "relay/dataplane/tap_device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <thread>

#include "relay/dataplane/kernel_fixture.h"

namespace relay {
namespace {

using testing::HasSubstr;

constexpr Mac kOurs = {0x02, 0, 0, 0, 0x18, 0x01};
constexpr Mac kPeer = {0x02, 0, 0, 0, 0x18, 0x02};

class TapDeviceTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!EnterEmptyNamespace()) GTEST_SKIP() << "no namespace for us here";
    if (access("/dev/net/tun", R_OK | W_OK) != 0) GTEST_SKIP() << "no /dev/net/tun here";
  }

  // A TAP at 198.18.0.1/24, which has a neighbour at .2.
  TapDevice OpenWithAddress(uint16_t mtu = 1500) {
    TapDevice tap = TapDevice::Open({.name = "relay0", .mac = kOurs, .mtu = mtu}).value();
    EXPECT_TRUE(Ip("addr add 198.18.0.1/24 dev relay0"));
    EXPECT_TRUE(Ip("neigh add 198.18.0.2 lladdr 02:00:00:00:18:02 dev relay0 nud permanent"));
    return tap;
  }

  // The next UDP frame over IPv4: the kernel also looks for routers and listeners.
  static std::optional<UdpFrame> NextUdp(const TapDevice& tap) {
    std::optional<UdpFrame> out;
    Await([&] {
      Bytes room(65536);
      const ssize_t length = tap.Read(room);
      if (length > 0) out = ParseFrame(std::span(room).first(static_cast<size_t>(length)));
      return out.has_value();
    });
    return out;
  }

  static bool Write(const TapDevice& tap, Bytes frame, size_t piece = SIZE_MAX) {
    std::vector<iovec> pieces;
    for (size_t at = 0; at < frame.size(); at += std::min(piece, frame.size() - at)) {
      pieces.push_back({.iov_base = frame.data() + at, .iov_len = std::min(piece, frame.size() - at)});
    }
    return tap.Write(pieces);
  }

  static ifreq Ask(const std::string& name, unsigned long what) {
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    ifreq request{};
    std::strcpy(request.ifr_name, name.c_str());
    EXPECT_EQ(ioctl(fd, what, &request), 0) << std::strerror(errno);
    close(fd);
    return request;
  }

  // What `act` returns on a thread without privileges.
  template <typename F>
  static auto Unprivileged(F act) {
    std::optional<decltype(act())> out;
    std::thread([&] {
      __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
      __user_cap_data_struct none[2] = {};
      ASSERT_EQ(syscall(SYS_capset, &header, none), 0);
      out = act();
    }).join();
    return *std::move(out);
  }
};

TEST_F(TapDeviceTest, IsAsAskedFor) {
  const TapDevice tap = TapDevice::Open({.name = "relay0", .mac = kOurs, .mtu = 1400}).value();
  EXPECT_EQ(std::memcmp(Ask("relay0", SIOCGIFHWADDR).ifr_hwaddr.sa_data, kOurs.data(), kOurs.size()), 0);
  EXPECT_EQ(Ask("relay0", SIOCGIFMTU).ifr_mtu, 1400);
  EXPECT_EQ(Ask("relay0", SIOCGIFFLAGS).ifr_flags & (IFF_UP | IFF_RUNNING), IFF_UP | IFF_RUNNING);
  EXPECT_EQ(tap.interface(), if_nametoindex("relay0"));
}

TEST_F(TapDeviceTest, GoesWithItsObject) {
  { const TapDevice tap = TapDevice::Open({.name = "relay0", .mac = kOurs}).value(); }
  EXPECT_EQ(if_nametoindex("relay0"), 0u);
}

TEST_F(TapDeviceTest, WhatTheKernelSendsIsReadWithItsChecksumsFinished) {
  const TapDevice tap = OpenWithAddress();
  const TestSocket socket(At("198.18.0.1:700"));
  for (const std::string& payload : {std::string("short"), std::string(1472, 'x'), std::string(1001, 'y')}) {
    ASSERT_TRUE(socket.Send(payload, At("198.18.0.2:800")));
    const std::optional<UdpFrame> frame = NextUdp(tap);
    ASSERT_TRUE(frame);
    EXPECT_EQ(frame->payload, payload);
    EXPECT_TRUE(frame->checksums_right);
    EXPECT_EQ(frame->to, kPeer);
    EXPECT_EQ(frame->from, kOurs);
    EXPECT_EQ(frame->vlan, 0);
    EXPECT_EQ(frame->source, At("198.18.0.1:700"));
    EXPECT_EQ(frame->destination, At("198.18.0.2:800"));
  }
}

// By a packet socket, which stands where a VLAN interface would: not every kernel has those.
TEST_F(TapDeviceTest, TagsPassBothWays) {
  const TapDevice tap = TapDevice::Open({.name = "relay0", .mac = kOurs}).value();
  const int raw = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
  sockaddr_ll at{};
  at.sll_family = AF_PACKET;
  at.sll_protocol = htons(ETH_P_ALL);
  at.sll_ifindex = static_cast<int>(tap.interface());
  ASSERT_EQ(bind(raw, reinterpret_cast<const sockaddr*>(&at), sizeof(at)), 0);
  const int on = 1;
  ASSERT_EQ(setsockopt(raw, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)), 0);

  UdpFrame frame{.to = kPeer,
                 .from = kOurs,
                 .vlan = 7,
                 .source = At("198.18.7.1:700"),
                 .destination = At("198.18.7.2:800"),
                 .payload = "out"};
  const Bytes sent = BuildFrame(frame);
  ASSERT_EQ(send(raw, sent.data(), sent.size(), 0), static_cast<ssize_t>(sent.size()));
  const std::optional<UdpFrame> out = NextUdp(tap);
  ASSERT_TRUE(out);
  EXPECT_EQ(out->vlan, 7);
  EXPECT_EQ(out->payload, "out");

  frame.payload = "back";
  ASSERT_TRUE(Write(tap, BuildFrame(frame)));
  std::array<char, 2048> room;
  alignas(cmsghdr) std::array<char, 256> control;
  iovec vector{.iov_base = room.data(), .iov_len = room.size()};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  ASSERT_TRUE(Await([&] {  // The socket also sees what the kernel says of itself.
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t size = recvmsg(raw, &message, MSG_DONTWAIT);
    return size > 4 && std::string(room.data() + size - 4, 4) == "back";
  }));
  const cmsghdr* const header = CMSG_FIRSTHDR(&message);  // The kernel took the tag out of the frame.
  ASSERT_NE(header, nullptr);
  tpacket_auxdata auxiliary;
  std::memcpy(&auxiliary, CMSG_DATA(header), sizeof(auxiliary));
  EXPECT_EQ(auxiliary.tp_vlan_tci, 7);
  close(raw);
}

TEST_F(TapDeviceTest, WhatIsWrittenArrives) {
  const TapDevice tap = OpenWithAddress();
  const TestSocket socket(At("198.18.0.1:700"));
  UdpFrame frame{.to = kOurs,
                 .from = kPeer,
                 .source = At("198.18.0.2:800"),
                 .destination = At("198.18.0.1:700"),
                 .payload = "wrong",
                 .checksums_right = false};
  ASSERT_TRUE(Write(tap, BuildFrame(frame)));  // The kernel looks, and drops it.
  frame.payload = "whole";
  frame.checksums_right = true;
  ASSERT_TRUE(Write(tap, BuildFrame(frame)));
  disco::AddrPort from;
  EXPECT_EQ(socket.Receive(&from), "whole");
  EXPECT_EQ(from, At("198.18.0.2:800"));
  frame.payload = "in pieces";
  ASSERT_TRUE(Write(tap, BuildFrame(frame), 17));
  EXPECT_EQ(socket.Receive(), "in pieces");
}

TEST_F(TapDeviceTest, NothingToReadIsNoError) {
  const TapDevice tap = TapDevice::Open({.name = "relay0", .mac = kOurs}).value();
  Bytes room(2048);
  EXPECT_TRUE(Await([&] { return tap.Read(room) < 0; }));  // Behind what the kernel says of itself.
  EXPECT_EQ(errno, EAGAIN);
}

TEST_F(TapDeviceTest, ErrorsSayWhatToDo) {
  EXPECT_THAT(TapDevice::Open({.name = "a-name-too-long-", .mac = kOurs}).status().message(), HasSubstr("tap_prefix"));
  const TapDevice tap = TapDevice::Open({.name = "relay0", .mac = kOurs}).value();
  EXPECT_THAT(TapDevice::Open({.name = "relay0", .mac = kOurs}).status().message(), HasSubstr("tap_prefix"));
  ASSERT_TRUE(Ip("link add relay2 type veth"));
  EXPECT_THAT(TapDevice::Open({.name = "relay2", .mac = kOurs}).status().message(), HasSubstr("one of another kind"));
  ASSERT_TRUE(Ip("link del relay2"));
  const absl::Status status = Unprivileged([] { return TapDevice::Open({.name = "relay1", .mac = kOurs}).status(); });
  EXPECT_THAT(status.message(), HasSubstr("relay1"));
  EXPECT_THAT(status.message(), HasSubstr("needs CAP_NET_ADMIN; or use --kernel_path=none"));
}

TEST_F(TapDeviceTest, APreparedInterfaceNeedsNoPrivilege) {
  if (!Ip("tuntap add dev relay0 mode tap user " + std::to_string(geteuid()))) GTEST_SKIP() << "cannot prepare one";
  ASSERT_TRUE(Ip("link set relay0 address 02:00:00:00:18:01 mtu 1400 up"));
  const auto open = [](uint16_t mtu) {
    return [mtu] { return TapDevice::Open({.name = "relay0", .mac = kOurs, .mtu = mtu}).status(); };
  };
  EXPECT_TRUE(Unprivileged(open(1400)).ok()) << Unprivileged(open(1400));
  EXPECT_THAT(Unprivileged(open(1300)).message(), HasSubstr("MTU to 1300"));
  ASSERT_TRUE(Ip("link del relay0"));
}

}  // namespace
}  // namespace relay
