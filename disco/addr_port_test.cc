#include "disco/addr_port.h"

#include <gtest/gtest.h>
#include <net/if.h>

#include <string>
#include <string_view>
#include <vector>

namespace disco {
namespace {

using namespace std::string_view_literals;

TEST(AddrPortTest, TextFormsAreEachOthersInverse) {
  for (const std::string_view text : {
           "192.0.2.1:80"sv,
           "0.0.0.0:0"sv,
           "255.255.255.255:65535"sv,
           "[::]:0"sv,
           "[::1]:1"sv,
           "[1::]:1"sv,
           "[2001:db8::1]:80"sv,
           "[2001:db8:0:1:1:1:1:1]:80"sv,  // RFC 5952 section 4.2.2: a single zero group stays.
           "[2001:db8::1:0:0:1]:80"sv,     // 4.2.3: the first of two equal runs.
           "[2001:0:0:1::1]:80"sv,         // 4.2.3: the longer run.
           "[::c000:207]:7"sv,             // Not mapped: no dotted form, as in Go.
           "[::fffe:c000:207]:7"sv,
           "[1:2:3:4:5:6:7:8]:9"sv,
           "[1:2:3:4:5:6::]:9"sv,
           "[fe80::1%3]:80"sv,
       }) {
    const std::optional<AddrPort> addr = AddrPort::Parse(text);
    ASSERT_TRUE(addr) << text;
    EXPECT_EQ(addr->ToString(), text);
  }
}

TEST(AddrPortTest, OtherSpellingsBecomeTheCanonicalOne) {
  const std::vector<std::pair<std::string_view, std::string_view>> cases = {
      {"[2001:DB8:0:0:0:0:0:1]:80", "[2001:db8::1]:80"},
      {"[0:0:0:0:0:0:0:0]:0", "[::]:0"},
      {"[::ffff:192.0.2.7]:80", "192.0.2.7:80"},  // Mapped is IPv4.
      {"[::ffff:c000:207]:80", "192.0.2.7:80"},
      {"[64:ff9b::192.0.2.7]:80", "[64:ff9b::c000:207]:80"},
      {"192.0.2.1:0080", "192.0.2.1:80"},  // strconv.ParseUint takes leading zeros.
      {"[fe80::1%003]:80", "[fe80::1%3]:80"},
  };
  for (const auto& [text, canonical] : cases) {
    const std::optional<AddrPort> addr = AddrPort::Parse(text);
    ASSERT_TRUE(addr) << text;
    EXPECT_EQ(addr->ToString(), canonical);
  }
}

TEST(AddrPortTest, RefusesWhatGoRefuses) {
  for (const std::string_view text : {
           ""sv,
           ":"sv,
           ":80"sv,
           "80"sv,
           "192.0.2.1"sv,
           "192.0.2.1:"sv,
           "192.0.2.1:65536"sv,
           "192.0.2.1:+80"sv,
           "192.0.2.1:-1"sv,
           "192.0.2.1: 80"sv,
           "192.0.2.1:80 "sv,
           "192.0.2.1:0x50"sv,
           "192.0.2.1:99999999999999999999"sv,
           "192.0.2.01:80"sv,
           "192.0.2:80"sv,
           "192.0.2.1.1:80"sv,
           "192.0.2.256:80"sv,
           "1.2.3.4\0:80"sv,
           "[192.0.2.1]:80"sv,
           "::1:80"sv,
           "[::1]80"sv,
           "[::1:80"sv,
           "::1]:80"sv,
           "[]:80"sv,
           "[:80"sv,
           "]:80"sv,
           "[1:2:3:4:5:6:7:8:9]:1"sv,
           "[1:2:3:4:5:6:7]:1"sv,
           "[1::2::3]:1"sv,
           "[::12345]:1"sv,
           "[::g]:1"sv,
           "[1:2:3:4::5:6:7:8]:1"sv,
           "[::ffff:192.0.2.01]:1"sv,
           "[fe80::1%]:1"sv,
           "[%3]:1"sv,
           "localhost:80"sv,
       }) {
    EXPECT_FALSE(AddrPort::Parse(text)) << text;
  }
}

TEST(AddrPortTest, ZoneIsAnIndexOrAnInterfaceOfThisMachine) {
  const uint32_t loopback = if_nametoindex("lo");
  ASSERT_NE(loopback, 0u);
  EXPECT_EQ(AddrPort::Parse("[fe80::1%lo]:80")->scope, loopback);
  EXPECT_EQ(AddrPort::Parse("[fe80::1%4294967295]:80")->scope, UINT32_MAX);
  EXPECT_FALSE(AddrPort::Parse("[fe80::1%4294967296]:80"));
  EXPECT_FALSE(AddrPort::Parse("[fe80::1%0]:80"));
  EXPECT_FALSE(AddrPort::Parse("[fe80::1%no such]:80"));
  EXPECT_FALSE(AddrPort::Parse("[fe80::1%lo\0]:80"sv));
  EXPECT_FALSE(AddrPort::Parse("[fe80::1%" + std::string(300, 'x') + "]:80"));
  // Only a link-local address has one.
  EXPECT_FALSE(AddrPort::Parse("[2001:db8::1%3]:80"));
  EXPECT_FALSE(AddrPort::Parse("[::ffff:169.254.0.1%3]:80"));
  EXPECT_NE(*AddrPort::Parse("[fe80::1%3]:80"), *AddrPort::Parse("[fe80::1%4]:80"));
}

TEST(AddrPortTest, Kinds) {
  struct Case {
    std::string_view text;
    bool ipv4, unspecified, multicast, broadcast, link_local, loopback;
  };
  const std::vector<Case> cases = {
      {"192.0.2.1:80", true, false, false, false, false, false},
      {"0.0.0.0:80", true, true, false, false, false, false},
      {"223.255.255.255:1", true, false, false, false, false, false},
      {"224.0.0.1:1", true, false, true, false, false, false},
      {"239.255.255.255:1", true, false, true, false, false, false},
      {"240.0.0.1:1", true, false, false, false, false, false},
      {"255.255.255.255:1", true, false, false, true, false, false},
      {"169.254.0.1:1", true, false, false, false, true, false},
      {"127.1.2.3:1", true, false, false, false, false, true},
      {"[::ffff:0.0.0.0]:1", true, true, false, false, false, false},
      {"[::ffff:224.0.0.1]:1", true, false, true, false, false, false},
      {"[::]:1", false, true, false, false, false, false},
      {"[::1]:1", false, false, false, false, false, true},
      {"[::2]:1", false, false, false, false, false, false},
      {"[::ffff:ffff]:1", false, false, false, false, false, false},
      {"[ff02::1]:1", false, false, true, false, false, false},
      {"[fe80::1%1]:1", false, false, false, false, true, false},
      {"[febf::1%1]:1", false, false, false, false, true, false},
      {"[fec0::1]:1", false, false, false, false, false, false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    const std::optional<AddrPort> addr = AddrPort::Parse(c.text);
    ASSERT_TRUE(addr);
    EXPECT_EQ(addr->IsIpv4(), c.ipv4);
    EXPECT_EQ(addr->IsUnspecified(), c.unspecified);
    EXPECT_EQ(addr->IsMulticast(), c.multicast);
    EXPECT_EQ(addr->IsBroadcast(), c.broadcast);
    EXPECT_EQ(addr->IsLinkLocal(), c.link_local);
    EXPECT_EQ(addr->IsLoopback(), c.loopback);
  }
}

TEST(AddrPortTest, WireFormIsEighteenBytes) {
  const AddrPort v4 = AddrPort::FromIpv4({192, 0, 2, 7}, 0x1234);
  std::array<uint8_t, kWireAddrPortSize> bytes{};
  wire::Writer writer(bytes);
  WriteAddrPort(v4, writer);
  EXPECT_TRUE(writer.ok());
  EXPECT_EQ(bytes, (std::array<uint8_t, kWireAddrPortSize>{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 7, 0x12,
                                                           0x34}));
  wire::Reader reader(bytes);
  EXPECT_EQ(ReadAddrPort(reader), v4);
  EXPECT_TRUE(reader.ok());
}

}  // namespace
}  // namespace disco
