#include "bench/measure/format.h"

#include <array>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace bench {
namespace {

// Three significant digits of what is below 1000, as a scaled value is.
std::string ThreeDigits(double value) {
  const double size = std::abs(value);
  return absl::StrFormat("%.*f", size < 9.995 ? 2 : size < 99.95 ? 1 : 0, value);
}

// "1.25 M" and the unit, or "950" and the unit.
std::string Scaled(double value, const char* unit) {
  struct Scale {
    double factor;
    const char* letter;
  };
  constexpr std::array<Scale, 3> kScales = {{{1e9, " G"}, {1e6, " M"}, {1e3, " k"}}};
  for (const Scale& scale : kScales) {
    if (std::abs(value) >= 0.9995 * scale.factor) {
      return absl::StrCat(ThreeDigits(value / scale.factor), scale.letter, unit);
    }
  }
  return absl::StrFormat("%.3g%s%s", value, unit[0] == '/' ? "" : " ", unit);
}

}  // namespace

std::string FormatNs(double ns) {
  struct Scale {
    double ns;
    const char* unit;
  };
  constexpr std::array<Scale, 3> kScales = {{{1e9, " s"}, {1e6, " ms"}, {1e3, " us"}}};
  for (const Scale& scale : kScales) {
    if (std::abs(ns) >= 0.9995 * scale.ns) return ThreeDigits(ns / scale.ns) + scale.unit;
  }
  return absl::StrFormat("%.0f ns", ns);
}

std::string FormatRate(double per_s) { return Scaled(per_s, "/s"); }

std::string FormatShare(double share) {
  if (share == 0) return "0";
  if (std::abs(share) < 0.999e-6) return absl::StrFormat("%.3g ppm", share * 1e6);
  return absl::StrFormat("%.3g %%", share * 100);
}

std::string FormatCount(double count) {
  const std::string digits = absl::StrFormat("%.0f", count);
  std::string grouped;
  for (size_t i = 0; i < digits.size(); ++i) {
    const size_t left = digits.size() - i;
    if (left % 3 == 0 && i > 0 && digits[i - 1] != '-') grouped += ',';
    grouped += digits[i];
  }
  return grouped;
}

std::string FormatFigure(Unit unit, std::optional<double> value) {
  if (!value) return "not measured";
  switch (unit) {
    case Unit::kCount:
      return FormatCount(*value);
    case Unit::kShare:
      return FormatShare(*value);
    case Unit::kPerSecond:
      return FormatRate(*value);
    case Unit::kBitsPerSecond:
      return Scaled(*value, "bit/s");
    case Unit::kNs:
      return FormatNs(*value);
  }
  return absl::StrCat(*value);
}

}  // namespace bench
