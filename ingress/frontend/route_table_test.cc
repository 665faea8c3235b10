#include "ingress/frontend/route_table.h"

#include <gtest/gtest.h>

#include <string>

namespace ingress {
namespace {

std::shared_ptr<Route> Named(std::string name, std::vector<uint16_t> ports = {}) {
  return std::make_shared<Route>(relay::FunnelRoute{.name = std::move(name),
                                                    .ports = std::move(ports),
                                                    .peerapi = {AddrPort::FromIpv4({198, 19, 0, 1}, 1)},
                                                    .allow = {},
                                                    .deny = {}});
}

TEST(RouteTableTest, ExactBeatsWildcardAndThatIsOfOneLabel) {
  const RouteTable table({Named("x.example"), Named("*.x.example"), Named("a.x.example", {443, 8443}),
                          Named("*.example", {443}), Named("host")});
  struct Row {
    std::string_view name;
    uint16_t port;
    std::string_view route;  // Empty: none.
  };
  for (const Row& row : {Row{"x.example", 1, "x.example"},
                         {"b.x.example", 1, "*.x.example"},
                         {"c.b.x.example", 1, ""},
                         {"a.x.example", 443, "a.x.example"},
                         {"a.x.example", 8443, "a.x.example"},
                         {"a.x.example", 444, ""},  // The wildcard is not asked.
                         {"y.example", 443, "*.example"},
                         {"y.example", 444, ""},
                         {"example", 443, ""},
                         {"host", 65535, "host"},
                         {"hos", 1, ""},
                         {"", 1, ""},
                         {"*.q", 1, ""}}) {
    const std::shared_ptr<Route> found = table.Find(row.name, row.port);
    EXPECT_EQ(found ? found->config().name : "", row.route) << row.name << ':' << row.port;
  }
}

// A PROXY header may name any port.
TEST(RouteTableTest, NobodyServesPlainHttp) {
  const RouteTable table({Named("x.example")});
  EXPECT_EQ(table.Find("x.example", 80), nullptr);
  EXPECT_EQ(table.Find("x.example", 0), nullptr);
}

TEST(RouteTableTest, RoutesAreInOrderOfTheirNames) {
  const RouteTable table({Named("b"), Named("*.a"), Named("a")});
  std::string names;
  for (const auto& route : table.routes()) names += route->config().name + ' ';
  EXPECT_EQ(names, "*.a a b ");
}

TEST(RouteTableTest, AnEmptyOneKnowsNoName) { EXPECT_EQ(RouteTable({}).Find("a", 1), nullptr); }

}  // namespace
}  // namespace ingress
