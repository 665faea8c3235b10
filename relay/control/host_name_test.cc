#include "relay/control/host_name.h"

#include <gtest/gtest.h>

namespace relay {
namespace {

TEST(HostNameTest, IsLowerCaseWithoutOneTrailingDot) {
  EXPECT_EQ(CanonicalHostName("node.example"), "node.example");
  EXPECT_EQ(CanonicalHostName("Node.EXAMPLE."), "node.example");
  EXPECT_EQ(CanonicalHostName("a_b-c.9x"), "a_b-c.9x");
  EXPECT_EQ(CanonicalHostName("x"), "x");
  EXPECT_EQ(CanonicalHostName("192.0.2.1.example"), "192.0.2.1.example");
}

TEST(HostNameTest, RefusesWhatNoHostIsCalled) {
  using namespace std::string_literals;
  for (const std::string& name :
       {""s,          "."s,    ".."s, "a.."s, ".a"s,  "a..b"s,  "a b"s, "a\n"s, "a\0b"s, "a/b"s, "a:1"s,
        "m\xc3\xbc"s, "\xff"s, "*"s,  "*."s,  "*.a"s, "a.*.b"s, "@"s,   "["s,   "`"s,    "{"s}) {
    EXPECT_EQ(CanonicalHostName(name), std::nullopt) << name;
  }
}

TEST(HostNameTest, RefusesIpLiteralsInAllTheirForms) {
  for (const char* literal : {"192.0.2.1", "192.0.2.1.", "127", "127.1", "0x7f.1", "0X7F000001", "017700000001",
                              "1.2.3", "::1", "[::1]", "2001:db8::1"}) {
    EXPECT_EQ(CanonicalHostName(literal), std::nullopt) << literal;
  }
}

TEST(HostNameTest, LengthsAreBounded) {
  const std::string label(63, 'a');
  EXPECT_TRUE(CanonicalHostName(label));
  EXPECT_FALSE(CanonicalHostName(label + "a"));
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'a');
  ASSERT_EQ(longest.size(), kMaxHostNameBytes);
  EXPECT_EQ(CanonicalHostName(longest), longest);
  EXPECT_EQ(CanonicalHostName(longest + "."), longest);
  EXPECT_FALSE(CanonicalHostName(longest + "a"));
  EXPECT_FALSE(CanonicalHostName("a." + longest));
}

}  // namespace
}  // namespace relay
