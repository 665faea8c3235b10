#include "relay/control/funnel_policy.h"

#include <gtest/gtest.h>

#include <string>

namespace relay {
namespace {

std::string FunnelErrorOf(std::string_view json) {
  const JsonFile file("p");
  const auto node = file.Parse(json);
  if (!node.ok()) return std::string(node.status().message());
  FunnelPolicy policy;
  return std::string(ReadFunnelPolicy(file, *node, policy).message());
}

std::string RouteError(const std::string& fields) { return FunnelErrorOf("{\"routes\": [\n{" + fields + "}]}"); }

TEST(FunnelPolicyTest, TakesEveryFieldThereIs) {
  EXPECT_EQ(FunnelErrorOf("{}"), "");
  EXPECT_EQ(FunnelErrorOf(R"({"routes": [{"name": "Node.Example.", "ports": [443, 8443], "peerapi": ["198.19.0.7:9640",
      "[2001:db8::1]:1"], "allow": ["192.0.2.0/24", "::/0"], "deny": [], "max_connections": 0, "new_per_second": 5,
      "bytes_per_second": 1000000}, {"name": "*.example", "peerapi": ["198.19.0.7:9640"]}],
      "source_max_connections": 1, "source_new_per_second": 2, "max_connections": 3, "max_pending": 4,
      "proxy_protocol_from": ["198.51.100.0/24"]})"),
            "");
}

TEST(FunnelPolicyTest, ReadsValues) {
  const JsonFile file("p");
  FunnelPolicy policy;
  const auto node =
      file.Parse(R"({"routes": [{"name": "Node.Example.", "ports": [443, 8443], "peerapi": ["198.19.0.7:9640"],
      "allow": ["192.0.2.0/24"], "deny": ["192.0.2.1/32"], "max_connections": 4, "new_per_second": 5, "bytes_per_second": 6}],
      "source_max_connections": 1, "source_new_per_second": 2, "max_connections": 3, "max_pending": 7,
      "proxy_protocol_from": ["198.51.100.0/24"]})");
  ASSERT_TRUE(ReadFunnelPolicy(file, *node, policy).ok());
  ASSERT_EQ(policy.routes.size(), 1u);
  EXPECT_EQ(policy.routes[0], (FunnelRoute{.name = "node.example",
                                           .ports = {443, 8443},
                                           .peerapi = {*AddrPort::Parse("198.19.0.7:9640")},
                                           .allow = {*Prefix::Parse("192.0.2.0/24")},
                                           .deny = {*Prefix::Parse("192.0.2.1/32")},
                                           .max_connections = 4,
                                           .new_per_second = 5,
                                           .bytes_per_second = 6}));
  EXPECT_EQ(policy.source_max_connections, 1u);
  EXPECT_EQ(policy.source_new_per_second, 2u);
  EXPECT_EQ(policy.max_connections, 3u);
  EXPECT_EQ(policy.max_pending, 7u);
  EXPECT_EQ(policy.proxy_protocol_from, std::vector<Prefix>{*Prefix::Parse("198.51.100.0/24")});
}

TEST(FunnelPolicyTest, RefusesWhatIsWrongAndSaysWhere) {
  const std::string api = R"("peerapi":["198.19.0.7:1"])";
  EXPECT_EQ(RouteError(R"("name":"a.example")"), "p:2: a route has no \"peerapi\"");
  EXPECT_EQ(RouteError(api), "p:2: a route has no \"name\"");
  EXPECT_EQ(RouteError(R"("name":"a b",)" + api), "p:2: \"a b\" is not a host name");
  EXPECT_EQ(RouteError(R"("name":"a","port":[1],)" + api), "p:2: unknown field \"port\" in a route");
  EXPECT_EQ(RouteError(R"("name":"a","ports":[],)" + api), "p:2: \"ports\" is empty; leave it out for all ports");
  EXPECT_EQ(RouteError(R"("name":"a","ports":[0],)" + api), "p:2: a port is not a whole number of 1 to 65535");
  EXPECT_EQ(RouteError(R"("name":"a","ports":[65536],)" + api), "p:2: a port is not a whole number of 1 to 65535");
  EXPECT_EQ(RouteError(R"("name":"a","ports":[80],)" + api), "p:2: port 80 is not served: Funnel is TLS alone");
  EXPECT_EQ(RouteError(R"("name":"a","ports":[1,1],)" + api), "p:2: port 1 stands here twice");
  EXPECT_EQ(RouteError(R"("name":"a","peerapi":[])"), "p:2: \"peerapi\" is empty");
  EXPECT_EQ(RouteError(R"("name":"a","peerapi":["198.19.0.7"])"), "p:2: \"198.19.0.7\" is not a peerAPI's ip:port");
  EXPECT_EQ(RouteError(R"("name":"a","peerapi":["198.19.0.7:0"])"), "p:2: \"198.19.0.7:0\" is not a peerAPI's ip:port");
  EXPECT_EQ(RouteError(R"("name":"a","peerapi":["host:1"])"), "p:2: \"host:1\" is not a peerAPI's ip:port");
  EXPECT_EQ(RouteError(R"("name":"a","peerapi":["1.2.3.4:1","[::ffff:1.2.3.4]:1"])"),
            "p:2: node [::ffff:1.2.3.4]:1 stands here twice");
  EXPECT_EQ(RouteError(R"("name":"a","allow":["1.2.3.4"],)" + api),
            "p:2: \"1.2.3.4\" is not a prefix (such as 192.0.2.0/24)");
  EXPECT_EQ(RouteError(R"("name":"a","deny":["::/0","::/0"],)" + api), "p:2: prefix ::/0 stands here twice");
  EXPECT_EQ(RouteError(R"("name":"a","max_connections":-1,)" + api),
            "p:2: \"max_connections\" is not a whole number of 0 to 9223372036854775807");
  EXPECT_EQ(RouteError("\"name\":\"a\"," + api + "},\n{\"name\":\"A.\"," + api), "p:3: route \"a\" stands here twice");
  EXPECT_EQ(FunnelErrorOf(R"({"max_pending": "4"})"),
            "p:1: \"max_pending\" is not a whole number of 0 to 9223372036854775807");
}

TEST(FunnelPolicyTest, UnknownFieldsOfARouteMayBeIgnored) {
  const JsonFile file("p");
  const auto node = file.Parse(R"({"name":"a","peerapi":["198.19.0.7:1"],"source":"api","nodes":[{}],"port":1})");
  FunnelRoute route;
  EXPECT_TRUE(ReadFunnelRoute(file, *node, route, UnknownFields::kIgnored).ok());
  EXPECT_EQ(route.name, "a");
  EXPECT_EQ(ReadFunnelRoute(file, *node, route).message(), "p:1: unknown field \"source\" in a route");
}

TEST(FunnelPolicyTest, AWildcardCoversOneLabel) {
  EXPECT_EQ(WildcardOf("a.b.example"), "*.b.example");
  EXPECT_EQ(WildcardOf("a.example"), "*.example");
  for (const char* const none : {"example", "", "*.example"}) EXPECT_EQ(WildcardOf(none), "") << none;
}

TEST(FunnelPolicyTest, RouteNamesAreCanonicalHostNames) {
  EXPECT_EQ(CanonicalRouteName("Node.EXAMPLE."), "node.example");
  EXPECT_EQ(CanonicalRouteName("*.a_b-c.example"), "*.a_b-c.example");
  EXPECT_EQ(CanonicalRouteName(std::string(63, 'a') + ".example"), std::string(63, 'a') + ".example");
  for (const std::string& name :
       {std::string(""), std::string("."), std::string("a..b"), std::string("a.example.."), std::string("192.0.2.1"),
        std::string("*"), std::string("*."), std::string("*.192.0.2.1"), std::string("a.*.example"),
        std::string("[::1]"), std::string("a b"), std::string("a\n"), std::string("a\0b", 3), std::string("m\xc3\xbc"),
        std::string(64, 'a'), std::string(127, 'a').replace(1, 1, ".") + std::string(130, '.')}) {
    EXPECT_EQ(CanonicalRouteName(name), std::nullopt) << name;
  }
  std::string longest;
  while (longest.size() < 252) longest += "a.";
  EXPECT_TRUE(CanonicalRouteName(longest + "b"));
  EXPECT_FALSE(CanonicalRouteName(longest + "bc"));
  const std::string two_less = longest.substr(2) + "b";
  EXPECT_TRUE(CanonicalRouteName("*." + two_less));
  EXPECT_FALSE(CanonicalRouteName("*." + two_less + "b")) << "the wildcard counts";
  EXPECT_TRUE(CanonicalRouteName("*." + two_less + "."));
}

}  // namespace
}  // namespace relay
