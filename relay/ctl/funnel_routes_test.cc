#include "relay/ctl/funnel_routes.h"

#include <gtest/gtest.h>

#include <string_view>

#include "relay/control/text.h"

namespace relay::ctl {
namespace {

// As relayd writes it.
constexpr std::string_view kList =
    R"({"routes":[{"name":"*.z.example","peerapi":["198.19.0.9:1"],"allow":[],"deny":[],"max_connections":0,)"
    R"("new_per_second":0,"bytes_per_second":0,"source":"file","connections":5,)"
    R"("nodes":[{"peerapi":"198.19.0.9:1","healthy":true}]},)"
    R"({"name":"a.z.example","ports":[443,8443],"peerapi":["198.19.0.7:9640","[2001:db8::1]:1"],)"
    R"("allow":["192.0.2.0/24","2001:db8::/32"],"deny":["192.0.2.1/32"],"max_connections":1,"new_per_second":2,)"
    R"("bytes_per_second":9223372036854775807,"source":"api","connections":0,)"
    R"("nodes":[{"peerapi":"198.19.0.7:9640","healthy":true},{"peerapi":"[2001:db8::1]:1","healthy":false}]}]})";

TEST(FunnelRoutesTest, ReadsAndWritesAListAsTheApiDoes) {
  const auto routes = ParseFunnelRoutes(kList);
  ASSERT_TRUE(routes.ok()) << routes.status();
  ASSERT_EQ(routes->size(), 2u);
  EXPECT_EQ((*routes)[1].route.ports, (std::vector<uint16_t>{443, 8443}));
  EXPECT_FALSE((*routes)[1].nodes[1].healthy);
  EXPECT_EQ(FunnelRoutesToJson(*routes), text::Cat(kList, "\n"));
}

TEST(FunnelRoutesTest, ATableHasARowForEachNode) {
  const auto routes = ParseFunnelRoutes(kList);
  ASSERT_TRUE(routes.ok());
  EXPECT_EQ(FunnelRouteTable(*routes),
            "NAME         PORTS     SOURCE  CONNECTIONS  NODES\n"
            "*.z.example  all       file              5  198.19.0.9:1  healthy\n"
            "a.z.example  443,8443  api               0  198.19.0.7:9640  healthy\n"
            "                                            [2001:db8::1]:1  unhealthy\n");
  EXPECT_EQ(DescribeRoute((*routes)[0]), "*.z.example, ports all, of the policy file, 5 connections");
  EXPECT_EQ(FunnelRouteTable({}), "NAME  PORTS  SOURCE  CONNECTIONS  NODES\n");
}

TEST(FunnelRoutesTest, FindsTheRouteThatRelaydWould) {
  const auto routes = ParseFunnelRoutes(kList);
  ASSERT_TRUE(routes.ok());
  EXPECT_EQ(FindFunnelRoute(*routes, "a.z.example"), &(*routes)[1]);
  EXPECT_EQ(FindFunnelRoute(*routes, "b.z.example"), &(*routes)[0]);
  EXPECT_EQ(FindFunnelRoute(*routes, "z.example"), nullptr);
  EXPECT_EQ(FindFunnelRoute(*routes, "c.b.z.example"), nullptr);
  EXPECT_TRUE(ServesPort((*routes)[0], 1));
  EXPECT_TRUE(ServesPort((*routes)[1], 8443));
  EXPECT_FALSE(ServesPort((*routes)[1], 444));
}

TEST(FunnelRoutesTest, RefusesWhatIsNoList) {
  for (const char* text :
       {"", "[]", "{}", R"({"routes":[1]})", R"({"routes":[{"name":"a"}]})",
        R"({"routes":[{"name":"\u001b[2J","peerapi":[],"allow":[],"deny":[],"max_connections":0,"new_per_second":0,)"
        R"("bytes_per_second":0,"source":"api","connections":0,"nodes":[]}]})",
        R"({"routes":[{"name":"a","peerapi":["x"],"allow":[],"deny":[],"max_connections":0,"new_per_second":0,)"
        R"("bytes_per_second":0,"source":"api","connections":0,"nodes":[]}]})"}) {
    EXPECT_EQ(ParseFunnelRoutes(text).status().message(), "the answer is no list of routes") << text;
  }
}

TEST(FunnelRoutesTest, ATargetIsANameAndAPort) {
  const auto text = [](std::string_view target) {
    const std::optional<FunnelTarget> parsed = FunnelTarget::Parse(target);
    return parsed ? parsed->ToString() : "";
  };
  EXPECT_EQ(text("Node.Example."), "node.example:443");
  EXPECT_EQ(text("node.example:8443"), "node.example:8443");
  for (const char* wrong :
       {"", ":443", "*.example", "192.0.2.1", "[::1]:443", "a:", "a:0", "a:65536", "a:b", "a:1:2"}) {
    EXPECT_EQ(text(wrong), "") << wrong;
  }
}

}  // namespace
}  // namespace relay::ctl
