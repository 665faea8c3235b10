#include "ingress/frontend/frontend_stats.h"

#include <gtest/gtest.h>

#include <map>

#include "ingress/frontend/descriptor_budget.h"

namespace ingress {
namespace {

std::shared_ptr<const RouteTable> Table(const std::vector<std::string>& names) {
  std::vector<std::shared_ptr<Route>> routes;
  for (const std::string& name : names) {
    relay::FunnelRoute route;
    route.name = name;
    routes.push_back(std::make_shared<Route>(std::move(route)));
  }
  return std::make_shared<RouteTable>(std::move(routes));
}

// relayd_funnel_route_accepted_total.
std::map<std::string, double> Accepted(const RouteSeriesSet& series) {
  std::vector<prometheus::MetricFamily> families;
  series.Collect(families);
  std::map<std::string, double> values;
  for (const prometheus::ClientMetric& metric : families[1].metric) {
    values[metric.label[0].value] = metric.counter.value;
  }
  return values;
}

void AcceptOneOfEach(const Routing& routing) {
  for (const auto& [route, series] : routing.series) series->of(1).accepted.Add(1);
}

TEST(RouteSeriesSetTest, TheFirstNamesHaveSeriesAndTheOthersShareOne) {
  RouteSeriesSet series(2, 2);
  AcceptOneOfEach(*series.Assign(Table({"d", "c", "b", "a"})));
  EXPECT_EQ(Accepted(series), (std::map<std::string, double>{{"a", 1}, {"b", 1}, {"other", 2}}));
}

TEST(RouteSeriesSetTest, ARouteThatIsCalledOtherIsOneOfThem) {
  RouteSeriesSet series(2, 2);
  AcceptOneOfEach(*series.Assign(Table({"a", "other"})));
  EXPECT_EQ(Accepted(series), (std::map<std::string, double>{{"a", 1}, {"other", 1}}));
  std::vector<prometheus::MetricFamily> families;
  series.Collect(families);
  EXPECT_EQ(families[1].metric.size(), 2u);
}

TEST(RouteSeriesSetTest, ANameKeepsItsSeriesWhileItHasARoute) {
  RouteSeriesSet series(2, 2);
  const std::shared_ptr<const Routing> first = series.Assign(Table({"b", "c"}));
  AcceptOneOfEach(*first);
  AcceptOneOfEach(*series.Assign(Table({"a", "b", "c"})));
  EXPECT_EQ(Accepted(series), (std::map<std::string, double>{{"b", 2}, {"c", 2}, {"other", 1}}));
  series.Assign(Table({"a", "c"}));
  AcceptOneOfEach(*first);  // Connections outlive their route.
  EXPECT_EQ(Accepted(series), (std::map<std::string, double>{{"a", 0}, {"c", 3}, {"other", 1}}));
}

TEST(LatencyHistogramTest, CountsByBound) {
  LatencyHistogram histogram;
  histogram.Observe(std::chrono::microseconds(100));
  histogram.Observe(std::chrono::microseconds(101));
  histogram.Observe(std::chrono::seconds(6));
  EXPECT_EQ(histogram.buckets[0].Get(), 1u);
  EXPECT_EQ(histogram.buckets[1].Get(), 1u);
  EXPECT_EQ(histogram.buckets.back().Get(), 1u);
  EXPECT_EQ(histogram.total_ns.Get(), 6'000'201'000u);
}

TEST(CloseCauseTest, RefusalsHaveTheirStatus) {
  EXPECT_EQ(CloseCause{CloseReason::kDone}.ToString(), "done");
  EXPECT_EQ((CloseCause{CloseReason::kRefused, 503}.ToString()), "refused_503");
  EXPECT_EQ((CloseCause{CloseReason::kRefused, 418}.ToString()), "refused_other");
}

TEST(DescriptorBudgetTest, AllTogetherFitTheLimit) {
  for (const uint64_t limit : {1024, 4096, 20'000, 1'048'576}) {
    const DescriptorBudget budget = DescriptorBudget::Of(limit);
    EXPECT_LE(DescriptorBudget::kOthers + 2 * budget.connections + 2 * budget.pipes, limit);
    EXPECT_GT(budget.pipes, 0u);
  }
  EXPECT_GE(DescriptorBudget::Of(20'000).connections, 9'000u);
  EXPECT_EQ(DescriptorBudget::Of(256).connections, DescriptorBudget::kLeastConnections);
}

}  // namespace
}  // namespace ingress
