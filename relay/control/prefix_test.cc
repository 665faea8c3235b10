#include "relay/control/prefix.h"

#include <gtest/gtest.h>

namespace relay {
namespace {

AddrPort Addr(std::string_view ip) {
  const bool v6 = ip.find(':') != std::string_view::npos;
  return AddrPort::Parse(v6 ? '[' + std::string(ip) + "]:1" : std::string(ip) + ":1").value();
}

TEST(PrefixTest, ParsesAndWritesCanonically) {
  struct Case {
    std::string_view text, canonical;
  };
  for (const Case& c :
       {Case{"192.0.2.0/24", "192.0.2.0/24"}, Case{"192.0.2.77/24", "192.0.2.0/24"}, Case{"0.0.0.0/0", "0.0.0.0/0"},
        Case{"198.51.100.7/32", "198.51.100.7/32"}, Case{"::/0", "::/0"}, Case{"2001:DB8:0::1/33", "2001:db8::/33"},
        Case{"::ffff:192.0.2.9/120", "192.0.2.0/24"}}) {
    const auto prefix = Prefix::Parse(c.text);
    ASSERT_TRUE(prefix) << c.text;
    EXPECT_EQ(prefix->ToString(), c.canonical);
  }
}

TEST(PrefixTest, RefusesWhatIsNoPrefix) {
  for (const std::string_view text :
       {"", "/", "192.0.2.1", "192.0.2.1/", "192.0.2.1/33", "192.0.2.1/-1", "192.0.2.1/08", "192.0.2/24",
        "2001:db8::/129", "2001:db8::/32x", "fe80::1%eth0/64", "a/8", "1.2.3.4/8/8", "192.0.2.1/ 8",
        "::ffff:192.0.2.9/+120"}) {
    EXPECT_FALSE(Prefix::Parse(text)) << text;
  }
  EXPECT_FALSE(Prefix::Parse(std::string_view("192.0.2.1\0/24", 13)));
}

TEST(PrefixTest, ContainsItsOwnFamilyOnly) {
  EXPECT_TRUE(Prefix::Parse("192.0.2.0/25")->Contains(Addr("192.0.2.127")));
  EXPECT_FALSE(Prefix::Parse("192.0.2.0/25")->Contains(Addr("192.0.2.128")));
  EXPECT_TRUE(Prefix::Parse("0.0.0.0/0")->Contains(Addr("::ffff:203.0.113.1")));
  EXPECT_FALSE(Prefix::Parse("0.0.0.0/0")->Contains(Addr("2001:db8::1")));
  EXPECT_TRUE(Prefix::Parse("::/0")->Contains(Addr("2001:db8::1")));
  EXPECT_FALSE(Prefix::Parse("::/0")->Contains(Addr("203.0.113.1")));
}

TEST(PrefixTest, ASourceCountsByItsAddressOrItsSlash64) {
  EXPECT_EQ(Prefix::OfSource(Addr("192.0.2.7")).ToString(), "192.0.2.7/32");
  EXPECT_EQ(Prefix::OfSource(Addr("2001:db8:1:2:3::4")).ToString(), "2001:db8:1:2::/64");
  EXPECT_EQ(Prefix::OfSource(Addr("2001:db8:1:2:3::4")), Prefix::OfSource(Addr("2001:db8:1:2:9::9")));
}

}  // namespace
}  // namespace relay
