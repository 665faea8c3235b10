#include "relay/dataplane/ancillary.h"

#include <gtest/gtest.h>
#include <linux/udp.h>

#include <cstring>

namespace relay {
namespace {

// What a send takes along can be read back as what a receive brings: the control messages have one layout.
void ReadBack(const msghdr& message, Path& from) { ReadControl(message, from); }

Path PathOf(const char* remote, const char* local, uint32_t interface) {
  Path path;
  path.remote = AddrPort::Parse(remote).value();
  path.local_ip = AddrPort::Parse(local).value().ip;
  path.interface = interface;
  return path;
}

TEST(AncillaryTest, AddressesGoThereAndBack) {
  for (const char* text : {"192.0.2.1:80", "255.255.255.255:65535", "[2001:db8::1]:443", "[fe80::1%7]:1", "[::1]:9"}) {
    const AddrPort addr = AddrPort::Parse(text).value();
    SocketAddress address;
    const socklen_t size = WriteAddress(addr, address);
    EXPECT_EQ(size, addr.IsIpv4() ? sizeof(sockaddr_in) : sizeof(sockaddr_in6)) << text;
    EXPECT_EQ(ReadAddress(address), addr) << text;
  }
}

TEST(AncillaryTest, MappedAddressesOfDualStackSocketsAreIpv4) {
  SocketAddress address{};
  address.v6.sin6_family = AF_INET6;
  address.v6.sin6_port = htons(80);
  const auto mapped = AddrPort::FromIpv4({192, 0, 2, 1}, 80);
  std::memcpy(&address.v6.sin6_addr, mapped.ip.data(), mapped.ip.size());
  EXPECT_EQ(ReadAddress(address), mapped);
  EXPECT_TRUE(ReadAddress(address).IsIpv4());
}

TEST(AncillaryTest, TheSourceIsPinnedAndTheInterfaceIsNot) {
  for (const char* local : {"192.0.2.7:0", "[2001:db8::7]:0"}) {
    const Path to = PathOf(local[0] == '[' ? "[2001:db8::1]:5" : "192.0.2.1:5", local, 3);
    msghdr message{};
    SendControl control;
    WriteSource(to, control, message);
    EXPECT_LE(message.msg_controllen, 36u) << "the kernel would allocate";
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    ASSERT_NE(header, nullptr);
    if (header->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      std::memcpy(&info, CMSG_DATA(header), sizeof(info));
      EXPECT_EQ(info.ipi_ifindex, 0);
      EXPECT_EQ(ntohl(info.ipi_spec_dst.s_addr), 0xC0000207u);
    } else {
      Path back;
      ReadBack(message, back);
      EXPECT_EQ(back.local_ip, to.local_ip);
      EXPECT_EQ(back.interface, 0u);
    }
  }
}

TEST(AncillaryTest, ALinkLocalSourceNamesItsInterface) {
  const Path to = PathOf("[fe80::1%3]:5", "[fe80::7]:0", 3);
  msghdr message{};
  SendControl control;
  WriteSource(to, control, message);
  Path back;
  ReadBack(message, back);
  EXPECT_EQ(back.interface, 3u);
}

TEST(AncillaryTest, AGroupOrBroadcastAddressIsNotAnsweredFrom) {
  for (const char* hit : {"224.0.0.1:1", "255.255.255.255:1", "[ff02::1]:1"}) {
    const Path sent_to = PathOf("[2001:db8::1]:5", hit, 3);
    msghdr message{};
    SendControl control;
    WriteSource(sent_to, control, message);
    Path from;
    from.local_ip = sent_to.local_ip;
    ReadControl(message, from);
    EXPECT_EQ(from.local_ip, (std::array<uint8_t, 16>{})) << hit;
  }
}

TEST(AncillaryTest, AnUnknownSourceIsLeftToRouting) {
  Path to;
  to.remote = AddrPort::Parse("192.0.2.1:5").value();
  msghdr message{};
  SendControl control;
  WriteSource(to, control, message);
  EXPECT_EQ(CMSG_FIRSTHDR(&message), nullptr);
  WriteSegmentSize(1200, control, message);
  ASSERT_NE(CMSG_FIRSTHDR(&message), nullptr);
  EXPECT_EQ(CMSG_FIRSTHDR(&message)->cmsg_type, UDP_SEGMENT);
}

TEST(AncillaryTest, TheSegmentSizeComesBehindTheSource) {
  const Path to = PathOf("[2001:db8::1]:5", "[2001:db8::7]:0", 0);
  msghdr message{};
  SendControl control;
  WriteSource(to, control, message);
  WriteSegmentSize(1200, control, message);
  EXPECT_LE(message.msg_controllen, sizeof(control));
  cmsghdr* const second = CMSG_NXTHDR(&message, CMSG_FIRSTHDR(&message));
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(second->cmsg_level, IPPROTO_UDP);
  EXPECT_EQ(second->cmsg_type, UDP_SEGMENT);
  uint16_t size;
  std::memcpy(&size, CMSG_DATA(second), sizeof(size));
  EXPECT_EQ(size, 1200);
}

}  // namespace
}  // namespace relay
