#include "relay/control/address_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace relay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// `texts` as ip:port.
std::vector<AddrPort> Addresses(const std::vector<std::string>& texts) {
  std::vector<AddrPort> out;
  for (const std::string& text : texts) out.push_back(AddrPort::Parse(text).value());
  return out;
}

std::vector<std::string> Select(const std::vector<std::string>& texts, bool ipv6 = true) {
  std::vector<std::string> out;
  for (const AddrPort& address : SelectAddresses(Addresses(texts), 40000, ipv6)) out.push_back(address.ToString());
  return out;
}

TEST(SelectAddressesTest, SetsThePortAndAFixedOrder) {
  EXPECT_THAT(Select({"[2001:db8::2]:0", "203.0.113.9:0", "[2001:db8::1]:0", "198.51.100.7:0", "203.0.113.9:1"}),
              ElementsAre("198.51.100.7:40000", "203.0.113.9:40000", "[2001:db8::1]:40000", "[2001:db8::2]:40000"));
}

TEST(SelectAddressesTest, LeavesOutWhatNoClientCanUse) {
  EXPECT_THAT(Select({"169.254.1.1:0", "[fe80::1%1]:0", "0.0.0.0:0", "[::]:0", "224.0.0.1:0", "[ff02::1]:0",
                      "255.255.255.255:0", "192.0.2.1:0"}),
              ElementsAre("192.0.2.1:40000"));
}

TEST(SelectAddressesTest, LoopbackOnlyWhenNothingElseExists) {
  EXPECT_THAT(Select({"127.0.0.1:0", "[::1]:0", "192.0.2.1:0"}), ElementsAre("192.0.2.1:40000"));
  EXPECT_THAT(Select({"127.0.0.1:0", "[::1]:0", "169.254.1.1:0"}), ElementsAre("127.0.0.1:40000", "[::1]:40000"));
  EXPECT_THAT(Select({"127.0.0.1:0", "[::1]:0", "[2001:db8::1]:0"}), ElementsAre("[2001:db8::1]:40000"));
}

TEST(SelectAddressesTest, Ipv6OnlyIfTheSocketsHaveIt) {
  EXPECT_THAT(Select({"127.0.0.1:0", "[::1]:0", "[2001:db8::1]:0"}, false), ElementsAre("127.0.0.1:40000"));
  EXPECT_THAT(Select({"[2001:db8::1]:0"}, false), IsEmpty());
}

TEST(DiscoverAddressesTest, FindsSomethingOnThisMachineAndTheSameTwice) {
  const auto found = DiscoverAddresses(4242, true);
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_FALSE(found->empty());
  for (const AddrPort& address : *found) {
    EXPECT_EQ(address.port, 4242);
    EXPECT_FALSE(address.IsLinkLocal());
  }
  EXPECT_EQ(*DiscoverAddresses(4242, true), *found);
}

TEST(ParseAddressListTest, KeepsTheOrderAndLeavesOutRepetitions) {
  const auto parsed = ParseAddressList(" 203.0.113.9:40000,[2001:db8::1]:1 , 198.51.100.7:2,203.0.113.9:40000");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(*parsed, Addresses({"203.0.113.9:40000", "[2001:db8::1]:1", "198.51.100.7:2"}));
}

TEST(ParseAddressListTest, SaysWhichEntryIsWrongAndWhy) {
  struct Row {
    std::string text;
    std::string entry;
    std::string why;
  };
  for (const Row& row : std::vector<Row>{
           {"", "\"\"", "not ip:port"},
           {"192.0.2.1:1,", "\"\"", "not ip:port"},
           {"192.0.2.1:1,192.0.2.2", "\"192.0.2.2\"", "not ip:port"},
           {"relay.example:40000", "\"relay.example:40000\"", "not ip:port"},
           {"2001:db8::1:40000", "\"2001:db8::1:40000\"", "not ip:port"},
           {"192.0.2.1:70000", "\"192.0.2.1:70000\"", "not ip:port"},
           {"192.0.2.1:0", "\"192.0.2.1:0\"", "port 0"},
           {"0.0.0.0:40000", "\"0.0.0.0:40000\"", "unspecified"},
           {"[::]:40000", "\"[::]:40000\"", "unspecified"},
           {"224.0.0.1:40000", "\"224.0.0.1:40000\"", "not a unicast"},
           {"255.255.255.255:1", "\"255.255.255.255:1\"", "not a unicast"},
           {"[fe80::1%1]:40000", "\"[fe80::1%1]:40000\"", "zone"},
       }) {
    const auto parsed = ParseAddressList(row.text);
    ASSERT_FALSE(parsed.ok()) << row.text;
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(parsed.status().message()), HasSubstr(row.entry)) << row.text;
    EXPECT_THAT(std::string(parsed.status().message()), HasSubstr(row.why)) << row.text;
  }
}

}  // namespace
}  // namespace relay
