// A small plot as an SVG element: axes with ticks, lines or dots, a legend. Colours come from the page's style sheet
// (classes series-0 to series-5).
#ifndef RELAYD_BENCH_MEASURE_SVG_PLOT_H_
#define RELAYD_BENCH_MEASURE_SVG_PLOT_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

std::string EscapeHtml(std::string_view text);

struct Axis {
  struct Tick {
    double at;
    std::string text;
  };
  std::string label;
  double low = 0;  // Both ends in the axis' own terms, which for a logarithmic one are logarithms.
  double high = 1;
  std::vector<Tick> ticks;

  using Format = std::function<std::string(double)>;
  // From 0, or `low`, to what is round and holds `high`.
  static Axis Linear(std::string label, double low, double high, const Format& format);
  // Points must be given by their log10. Whole decades that hold `low` to `high`, both above 0.
  static Axis Log10(std::string label, double low, double high, const Format& format);
};

struct Series {
  struct Point {
    double x;
    double y;
    std::string hint;  // Shown on hovering over a dot; may be empty.
  };
  std::string name;
  int colour = 0;  // 0 to 5.
  bool dots = false;
  std::vector<Point> points;
};

struct Plot {
  std::string title;
  Axis x;
  Axis y;
  std::vector<Series> series;
};

// Points outside the axes are drawn at their edge.
std::string SvgOf(const Plot& plot);

}  // namespace bench

#endif  // RELAYD_BENCH_MEASURE_SVG_PLOT_H_
