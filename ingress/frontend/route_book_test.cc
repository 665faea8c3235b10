#include "ingress/frontend/route_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace ingress {
namespace {

using relay::FunnelPolicy;
using relay::FunnelRoute;
using testing::ElementsAre;
using Change = relay::FunnelService::Change;

// Notes what it was told.
class FakeFrontend final : public Frontend {
 public:
  void Start() override {}
  void SetRoutes(std::shared_ptr<const RouteTable> table) override {
    routes = std::move(table);
    ++tables;
  }
  void SetLimits(const FunnelPolicy& policy) override { max_connections = policy.max_connections; }
  void CloseRoute(const std::shared_ptr<Route>& route) override {
    closed.push_back(route->config().peerapi.front().port);
    tables_at_close = tables;
  }
  void ReopenAccessLog() override { ++reopened; }
  void Drain() override { ++drained; }
  uint64_t connections() const override { return 42; }
  std::vector<AddrPort> local() const override { return {}; }
  std::vector<std::string> warnings() const override { return {}; }
  void Collect(std::vector<prometheus::MetricFamily>&) const override {}

  std::shared_ptr<const RouteTable> routes;
  int tables = 0, tables_at_close = 0, reopened = 0, drained = 0;
  uint64_t max_connections = 0;
  std::vector<int> closed;  // Ports of first nodes.
};

FunnelRoute Named(std::string name, uint16_t node_port = 1) {
  FunnelRoute route;
  route.name = std::move(name);
  route.peerapi = {AddrPort::FromIpv4({198, 19, 0, 1}, node_port)};
  return route;
}

FunnelPolicy PolicyOf(std::vector<FunnelRoute> routes) {
  FunnelPolicy policy;
  policy.routes = std::move(routes);
  return policy;
}

class RouteBookTest : public testing::Test {
 protected:
  // "name/port of its first node/f or a" of what Routes says; the table must have the same.
  std::vector<std::string> Routes() const {
    std::vector<std::string> names;
    for (const auto& status : book_.Routes()) {
      const uint16_t port = status.route.peerapi.front().port;
      names.push_back(status.route.name + '/' + std::to_string(port) + (status.from_file ? "/f" : "/a"));
      const std::shared_ptr<Route> served = frontend_.routes->Find(status.route.name, 443);
      EXPECT_TRUE(served != nullptr && served->config() == status.route) << status.route.name;
    }
    EXPECT_EQ(frontend_.routes->routes().size(), names.size());
    return names;
  }

  FakeFrontend frontend_;
  RouteBook book_{frontend_};
};

TEST_F(RouteBookTest, BeginsWithAnEmptyTable) {
  ASSERT_NE(frontend_.routes, nullptr);
  EXPECT_THAT(Routes(), ElementsAre());
}

TEST_F(RouteBookTest, RoutesOfFileAndApiStandSideBySide) {
  EXPECT_EQ(book_.Put(Named("b")), Change::kCreated);
  book_.SetPolicy(PolicyOf({Named("c"), Named("a")}));
  EXPECT_THAT(Routes(), ElementsAre("a/1/f", "b/1/a", "c/1/f"));
  EXPECT_EQ(book_.Put(Named("b", 2)), Change::kReplaced);
  EXPECT_EQ(book_.Put(Named("a", 2)), Change::kOwnedByFile);
  EXPECT_THAT(Routes(), ElementsAre("a/1/f", "b/2/a", "c/1/f"));
  EXPECT_EQ(book_.Delete("a", true), Change::kOwnedByFile);
  EXPECT_EQ(book_.Delete("x", true), Change::kUnknown);
  EXPECT_THAT(frontend_.closed, ElementsAre());
  EXPECT_EQ(book_.Delete("b", false), Change::kDeleted);
  EXPECT_THAT(Routes(), ElementsAre("a/1/f", "c/1/f"));
  EXPECT_THAT(frontend_.closed, ElementsAre());
}

TEST_F(RouteBookTest, AReloadReplacesTheFilesRoutesOnly) {
  book_.SetPolicy(PolicyOf({Named("a"), Named("b")}));
  book_.Put(Named("c"));
  book_.SetPolicy(PolicyOf({Named("b", 2)}));
  EXPECT_THAT(Routes(), ElementsAre("b/2/f", "c/1/a"));
  book_.SetPolicy(PolicyOf({}));
  EXPECT_THAT(Routes(), ElementsAre("c/1/a"));
}

TEST_F(RouteBookTest, ANameThatTheFileTakesIsTheFiles) {
  book_.Put(Named("a"));
  book_.SetPolicy(PolicyOf({Named("a", 2)}));
  EXPECT_THAT(Routes(), ElementsAre("a/2/f"));
  EXPECT_EQ(book_.Put(Named("a", 3)), Change::kOwnedByFile);
  book_.SetPolicy(PolicyOf({}));
  EXPECT_THAT(Routes(), ElementsAre());
  EXPECT_EQ(book_.Put(Named("a", 3)), Change::kCreated);
}

TEST_F(RouteBookTest, LimitsAreHandedOnAndAnEqualRouteStaysTheSame) {
  FunnelPolicy policy = PolicyOf({Named("a")});
  policy.max_connections = 7;
  book_.SetPolicy(policy);
  EXPECT_EQ(frontend_.max_connections, 7u);
  const auto before = frontend_.routes;
  policy.max_connections = 8;
  book_.SetPolicy(policy);
  EXPECT_EQ(frontend_.max_connections, 8u);
  EXPECT_EQ(frontend_.routes, before);
}

TEST_F(RouteBookTest, LiveStateGoesOverToWhatReplacesARoute) {
  book_.Put(Named("a"));
  Route::Ticket ticket;
  ASSERT_EQ(frontend_.routes->Find("a", 1)->Admit(Instant{}, ticket), Route::Admission::kAdmitted);
  frontend_.routes->Find("a", 1)->Report(443, 0, true, Instant{});
  FunnelRoute changed = Named("a");
  changed.ports = {443};
  book_.Put(changed);
  auto routes = book_.Routes();
  ASSERT_EQ(routes.size(), 1u);
  EXPECT_EQ(routes[0].connections, 1u);
  ASSERT_EQ(routes[0].nodes.size(), 1u);
  EXPECT_FALSE(routes[0].nodes[0].healthy);
  book_.SetPolicy(PolicyOf({Named("a")}));
  EXPECT_EQ(book_.Routes()[0].connections, 1u);
}

TEST_F(RouteBookTest, ClosingARouteClosesThoseItReplacedToo) {
  book_.Put(Named("a", 1));
  const auto first = frontend_.routes->Find("a", 443);  // A connection's.
  book_.Put(Named("a", 2));
  book_.Put(Named("a", 3));  // Nobody holds the second.
  book_.Put(Named("a", 4));
  const int tables = frontend_.tables;
  EXPECT_EQ(book_.Delete("a", true), Change::kDeleted);
  EXPECT_THAT(frontend_.closed, ElementsAre(4, 1));
  EXPECT_EQ(frontend_.tables_at_close, tables + 1);
  EXPECT_THAT(Routes(), ElementsAre());
}

TEST_F(RouteBookTest, RoutesOfTheApiAreBounded) {
  book_.SetPolicy(PolicyOf({Named("file")}));
  for (size_t i = 0; i < RouteBook::kMaxApiRoutes; ++i) {
    ASSERT_EQ(book_.Put(Named("r" + std::to_string(i))), Change::kCreated);
  }
  EXPECT_EQ(book_.Put(Named("one-more")), Change::kTooMany);
  EXPECT_EQ(book_.Put(Named("r0", 2)), Change::kReplaced);
  book_.Delete("r0", false);
  EXPECT_EQ(book_.Put(Named("one-more")), Change::kCreated);
  book_.SetPolicy(PolicyOf({Named("r1")}));  // The file's now, and so no longer counted.
  EXPECT_EQ(book_.Put(Named("another")), Change::kCreated);
  EXPECT_EQ(book_.Put(Named("too-much")), Change::kTooMany);
}

TEST_F(RouteBookTest, TheRestIsTheFrontends) {
  book_.ReopenAccessLog();
  book_.Drain();
  EXPECT_EQ(frontend_.reopened, 1);
  EXPECT_EQ(frontend_.drained, 1);
  EXPECT_EQ(book_.connections(), 42u);
}

}  // namespace
}  // namespace ingress
