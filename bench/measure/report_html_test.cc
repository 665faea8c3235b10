#include "bench/measure/report_html.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "bench/measure/example_result.h"
#include "bench/measure/report_plots.h"
#include "bench/measure/svg_plot.h"

namespace bench {
namespace {

using testing::HasSubstr;
using testing::Not;

size_t CountOf(const std::string& text, const std::string& what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

// Every element that is opened is closed, in order. (No attribute here holds a '>'.)
void ExpectBalanced(const std::string& html) {
  std::vector<std::string_view> open;
  for (size_t at = html.find('<'); at != std::string::npos; at = html.find('<', at + 1)) {
    std::string_view tag = std::string_view(html).substr(at + 1, html.find('>', at) - at - 1);
    if (tag.starts_with("meta") || tag.starts_with('!') || tag.ends_with('/')) continue;
    const bool closes = tag.starts_with('/');
    if (closes) tag.remove_prefix(1);
    const std::string_view name = tag.substr(0, tag.find(' '));
    if (!closes) {
      open.push_back(name);
      continue;
    }
    ASSERT_FALSE(open.empty()) << tag;
    ASSERT_EQ(open.back(), name);
    open.pop_back();
  }
  EXPECT_TRUE(open.empty());
}

TEST(ReportHtmlTest, ShowsFiguresPlotsTrialsAndRequirements) {
  const Result result = ExampleResult();
  const std::string html = HtmlReport(result, Judge(*ParseRequirements("loss<=1e-4,p99<=1us"), result));
  ExpectBalanced(html);
  EXPECT_THAT(html, HasSubstr("<title>relay-bench: throughput</title>"));
  EXPECT_THAT(html, HasSubstr("198.18.0.1:40000 &middot; 2026-01-31T12:00:00Z"));
  EXPECT_THAT(html, HasSubstr("<td class=\"good\">passed</td><td>loss&lt;=1e-4</td>"));
  EXPECT_THAT(html, HasSubstr("<td class=\"bad\">FAILED</td><td>p99&lt;=1us</td>"));
  EXPECT_THAT(html, HasSubstr("<th>throughput</th><td class=\"number\">5.00 M/s</td>"));
  EXPECT_THAT(html, HasSubstr("highest rate at which loss was at most 0.01 %"));
  EXPECT_THAT(html, HasSubstr("<td>2 (again)</td><td>failed</td>"));
  EXPECT_THAT(html, HasSubstr("<th>CPU</th><td>Example CPU @ 2.60GHz</td>"));
  EXPECT_THAT(html, HasSubstr("<th>sizes</th><td>fixed:72</td>"));
  EXPECT_THAT(html, HasSubstr("The generator and the relay shared this machine."));
  EXPECT_EQ(CountOf(html, "<svg "), 4U);
}

TEST(ReportHtmlTest, NeedsNothingFromOutside) {
  const std::string html = HtmlReport(ExampleResult());
  for (const char* const what : {"http:", "https:", "src=", "href", "url(", "@import", "<script", "<link"}) {
    EXPECT_THAT(html, Not(HasSubstr(what)));
  }
}

TEST(ReportHtmlTest, TextIsEscaped) {
  const std::string html = HtmlReport(HostileResult());
  EXPECT_THAT(html, Not(HasSubstr("</script>")));
  EXPECT_THAT(html, Not(HasSubstr("<b>")));
  EXPECT_THAT(html, Not(HasSubstr("\x01")));
  EXPECT_EQ(CountOf(html, "&lt;/script&gt;&lt;b&gt;&quot;quoted&quot; &amp; &#39;more&#39;"), 9U);
  ExpectBalanced(html);
}

TEST(ReportHtmlTest, NothingMeasuredIsAReportToo) {
  const std::string html = HtmlReport({});
  ExpectBalanced(html);
  EXPECT_THAT(html, Not(HasSubstr("<svg")));
  Result result;
  result.samples.resize(2);  // All zeros.
  result.trials.resize(1);
  result.latency_curve = {{0, 0}, {100, 0}};
  for (const std::string& plot : {RatePlot(result), ThroughputLossPlot(result), LatencyCurvePlot(result)}) {
    EXPECT_THAT(plot, HasSubstr("<svg"));
    EXPECT_THAT(plot, Not(HasSubstr("nan")));
    EXPECT_THAT(plot, Not(HasSubstr("inf")));
  }
  EXPECT_EQ(LatencyTimePlot(result), "");
}

TEST(ReportHtmlTest, EveryPointOfAPlotIsWithinIt) {
  const std::string html = HtmlReport(ExampleResult());
  int points = 0;
  for (size_t at = html.find("points=\""); at != std::string::npos; at = html.find("points=\"", at)) {
    at += 8;
    double x = 0;
    double y = 0;
    int used = 0;
    while (std::sscanf(&html[at], "%lf,%lf %n", &x, &y, &used) == 2) {
      EXPECT_TRUE(x >= 86 && x <= 830 && y >= 34 && y <= 276) << x << "," << y;
      at += static_cast<size_t>(used);
      ++points;
    }
  }
  EXPECT_GT(points, 80);
}

TEST(SvgPlotTest, LinearAxesHaveRoundTicksAroundTheData) {
  const auto format = [](double value) { return std::to_string(static_cast<int>(value)); };
  for (const double high : {0.0, 1.0, 7.0, 10.0, 59.0, 60.0, 61.0, 8e6, 14.88e6}) {
    const Axis axis = Axis::Linear("", 0, high, format);
    EXPECT_GE(axis.high, high);
    EXPECT_LE(axis.high, std::max(1.0, high * 1.5)) << high;
    EXPECT_GE(axis.ticks.size(), 4U) << high;
    EXPECT_LE(axis.ticks.size(), 9U) << high;
  }
  EXPECT_EQ(Axis::Linear("", 0, 60, format).ticks[1].text, "10");
}

TEST(SvgPlotTest, LogAxesAreWholeDecades) {
  const auto format = [](double value) { return std::to_string(static_cast<int>(value)); };
  const Axis axis = Axis::Log10("", 900, 1100, format);
  EXPECT_EQ(axis.low, 2);
  EXPECT_EQ(axis.high, 4);
  ASSERT_EQ(axis.ticks.size(), 3U);
  EXPECT_EQ(axis.ticks[2].text, "10000");
  EXPECT_EQ(Axis::Log10("", 1000, 1000, format).ticks.size(), 2U);
}

}  // namespace
}  // namespace bench
