#include "bench/measure/svg_plot.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace bench {
namespace {

constexpr double kWidth = 860;
constexpr double kHeight = 330;
constexpr double kLeft = 86;
constexpr double kRight = 30;
constexpr double kTop = 34;
constexpr double kBottom = 54;

double Place(double value, const Axis& axis, double from, double to) {
  const double span = axis.high - axis.low;
  const double share = span > 0 && std::isfinite(value) ? std::clamp((value - axis.low) / span, 0.0, 1.0) : 0;
  return from + share * (to - from);
}
double PlaceX(double value, const Axis& axis) { return Place(value, axis, kLeft, kWidth - kRight); }
double PlaceY(double value, const Axis& axis) { return Place(value, axis, kHeight - kBottom, kTop); }

void AppendAxes(std::string& svg, const Plot& plot) {
  for (const Axis::Tick& tick : plot.x.ticks) {
    const double x = PlaceX(tick.at, plot.x);
    absl::StrAppendFormat(&svg, "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>", x, kTop, x,
                          kHeight - kBottom);
    absl::StrAppendFormat(&svg, "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n", x,
                          kHeight - kBottom + 17, EscapeHtml(tick.text));
  }
  for (const Axis::Tick& tick : plot.y.ticks) {
    const double y = PlaceY(tick.at, plot.y);
    absl::StrAppendFormat(&svg, "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>", kLeft, y,
                          kWidth - kRight, y);
    absl::StrAppendFormat(&svg, "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", kLeft - 7,
                          y + 4, EscapeHtml(tick.text));
  }
  absl::StrAppendFormat(&svg, "<path class=\"axis\" d=\"M%.1f %.1fV%.1fH%.1f\"/>\n", kLeft, kTop, kHeight - kBottom,
                        kWidth - kRight);
  absl::StrAppendFormat(&svg, "<text class=\"label\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n",
                        (kLeft + kWidth - kRight) / 2, kHeight - 12, EscapeHtml(plot.x.label));
  absl::StrAppendFormat(&svg, "<text class=\"label\" transform=\"translate(16 %.1f) rotate(-90)\" ",
                        (kTop + kHeight - kBottom) / 2);
  absl::StrAppend(&svg, "text-anchor=\"middle\">", EscapeHtml(plot.y.label), "</text>\n");
}

void AppendSeries(std::string& svg, const Plot& plot, const Series& series) {
  if (series.points.empty()) return;
  if (!series.dots) {
    absl::StrAppendFormat(&svg, "<polyline class=\"line series-%d\" points=\"", series.colour);
    for (const Series::Point& point : series.points) {
      absl::StrAppendFormat(&svg, "%.1f,%.1f ", PlaceX(point.x, plot.x), PlaceY(point.y, plot.y));
    }
    absl::StrAppend(&svg, "\"/>\n");
    return;
  }
  for (const Series::Point& point : series.points) {
    absl::StrAppendFormat(&svg, "<circle class=\"dot series-%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"5\"><title>%s</title>",
                          series.colour, PlaceX(point.x, plot.x), PlaceY(point.y, plot.y), EscapeHtml(point.hint));
    absl::StrAppend(&svg, "</circle>\n");
  }
}

// On the title's line, at the right.
void AppendLegend(std::string& svg, const Plot& plot) {
  double x = kWidth - kRight;
  for (auto series = plot.series.rbegin(); series != plot.series.rend(); ++series) {
    if (series->points.empty()) continue;
    x -= 7.0 * static_cast<double>(series->name.size());
    absl::StrAppendFormat(&svg, "<text class=\"tick\" x=\"%.1f\" y=\"18\">%s</text>", x, EscapeHtml(series->name));
    x -= 18;
    absl::StrAppendFormat(&svg, "<circle class=\"dot series-%d\" cx=\"%.1f\" cy=\"14\" r=\"5\"/>\n", series->colour,
                          x + 9);
    x -= 8;
  }
}

}  // namespace

std::string EscapeHtml(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c == '\n' || static_cast<unsigned char>(c) >= 0x20 ? c : ' ';
    }
  }
  return escaped;
}

Axis Axis::Linear(std::string label, double low, double high, const Format& format) {
  constexpr double kAbout = 6;  // Ticks.
  const double span = high > low && std::isfinite(high - low) ? high - low : 1;
  const double decade = std::pow(10.0, std::floor(std::log10(span / kAbout)));
  double step = decade;
  for (const double nicer : {2.0, 5.0, 10.0}) {
    if (step * kAbout < span) step = nicer * decade;
  }
  Axis axis{.label = std::move(label), .low = std::floor(low / step) * step, .high = 0, .ticks = {}};
  const int steps = static_cast<int>(std::ceil((low + span - axis.low) / step - 1e-9));
  for (int i = 0; i <= steps; ++i) {
    const double at = axis.low + i * step;
    axis.ticks.push_back({at, format(at)});
  }
  axis.high = axis.ticks.back().at;
  return axis;
}

Axis Axis::Log10(std::string label, double low, double high, const Format& format) {
  const double from = std::floor(std::log10(low) + 1e-9);
  const double to = std::max(from + 1, std::ceil(std::log10(high) - 1e-9));
  Axis axis{.label = std::move(label), .low = from, .high = to, .ticks = {}};
  for (double at = from; at <= to; ++at) axis.ticks.push_back({at, format(std::pow(10.0, at))});
  return axis;
}

std::string SvgOf(const Plot& plot) {
  std::string svg = absl::StrFormat("<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"%s\">\n", kWidth, kHeight,
                                    EscapeHtml(plot.title));
  absl::StrAppendFormat(&svg, "<text class=\"title\" x=\"%.1f\" y=\"18\">%s</text>\n", kLeft, EscapeHtml(plot.title));
  AppendAxes(svg, plot);
  for (const Series& series : plot.series) AppendSeries(svg, plot, series);
  AppendLegend(svg, plot);
  return svg + "</svg>\n";
}

}  // namespace bench
