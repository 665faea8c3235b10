#include "relay/ctl/metrics_text.h"

#include <gtest/gtest.h>

namespace relay::ctl {
namespace {

constexpr std::string_view kText =
    "# HELP relayd_dropped_packets_total Why.\n"
    "# TYPE relayd_dropped_packets_total counter\n"
    "relayd_dropped_packets_total{reason=\"short\"} 3\n"
    "relayd_dropped_packets_total{reason=\"unknown_vni\"} 1.8014398509481984e+16 1700000000\n"
    "relayd_forwarded_packets_total{transport_in=\"udp4\",transport_out=\"udp6\"} 7\n"
    "relayd_forwarded_packets_total{transport_in=\"udp6\",transport_out=\"udp6\"} 5\n"
    "plain 2.5";

TEST(MetricsTextTest, ReadsNamesLabelsAndValues) {
  const Metrics metrics = Metrics::Parse(kText);
  const auto drops = metrics.Named("relayd_dropped_packets_total");
  ASSERT_EQ(drops.size(), 2u);
  EXPECT_EQ(drops[0].labels.at("reason"), "short");
  EXPECT_EQ(drops[1].labels.at("reason"), "unknown_vni");
  EXPECT_EQ(drops[1].value, 18014398509481984.0);
  EXPECT_EQ(metrics.Sum("plain"), 2.5);
}

TEST(MetricsTextTest, SumsOverSeries) {
  const Metrics metrics = Metrics::Parse(kText);
  EXPECT_EQ(metrics.Sum("relayd_forwarded_packets_total"), 12);
  EXPECT_EQ(metrics.Sum("relayd_forwarded_packets_total", "transport_in", "udp6"), 5);
  EXPECT_EQ(metrics.Sum("relayd_forwarded_packets_total", "no_such_label", "udp6"), 0);
  EXPECT_EQ(metrics.Sum("no_such_name"), 0);
}

TEST(MetricsTextTest, UndoesEscapes) {
  const Metrics metrics = Metrics::Parse("a{x=\"q\\\"b\\\\n\\nz\",} 1\n");
  ASSERT_EQ(metrics.Named("a").size(), 1u);
  EXPECT_EQ(metrics.Named("a")[0].labels.at("x"), "q\"b\\n\nz");
}

TEST(MetricsTextTest, PassesOverWhatItCannotRead) {
  for (const char* text : {"", "\n\n", "name", "name{", "name{a", "name{a=\"", "name{a=\"b", "name{a=\"b\"",
                           "name{a=\"b\"}", "name{a=\"\\", "name abc", "<html>", "{} x"}) {
    EXPECT_TRUE(Metrics::Parse(text).empty()) << text;
  }
}

}  // namespace
}  // namespace relay::ctl
