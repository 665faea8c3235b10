#include "disco/go_duration.h"

#include <array>

namespace disco {
namespace {

constexpr uint64_t kLimit = uint64_t{1} << 63;  // One more than the largest; the smallest without its sign.

struct Unit {
  std::string_view name;
  uint64_t ns;
};
// Micro is written with U+00B5; U+03BC and "us" are read too.
constexpr std::array<Unit, 8> kUnits = {{{"ns", 1},
                                         {"us", 1'000},
                                         {"\u00b5s", 1'000},
                                         {"\u03bcs", 1'000},
                                         {"ms", 1'000'000},
                                         {"s", 1'000'000'000},
                                         {"m", 60'000'000'000},
                                         {"h", 3'600'000'000'000}}};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Takes the digits at the front of `text`; nullopt if they are more than kLimit.
std::optional<uint64_t> TakeInteger(std::string_view& text) {
  uint64_t value = 0;
  for (; !text.empty() && IsDigit(text.front()); text.remove_prefix(1)) {
    if (value > kLimit / 10) return std::nullopt;
    value = value * 10 + static_cast<uint64_t>(text.front() - '0');
    if (value > kLimit) return std::nullopt;
  }
  return value;
}

// Takes the digits of a fraction; those past what 63 bits hold are below a nanosecond and passed over.
struct Fraction {
  uint64_t value = 0;
  double scale = 1;
};
Fraction TakeFraction(std::string_view& text) {
  Fraction f;
  bool full = false;
  for (; !text.empty() && IsDigit(text.front()); text.remove_prefix(1)) {
    if (full || f.value > (kLimit - 1) / 10) {
      full = true;
      continue;
    }
    f.value = f.value * 10 + static_cast<uint64_t>(text.front() - '0');
    f.scale *= 10;
  }
  return f;
}

std::optional<uint64_t> TakeUnit(std::string_view& text) {
  size_t end = 0;
  while (end < text.size() && text[end] != '.' && !IsDigit(text[end])) ++end;
  const std::string_view name = text.substr(0, end);
  text.remove_prefix(end);
  for (const Unit& unit : kUnits) {
    if (unit.name == name) return unit.ns;
  }
  return std::nullopt;
}

// Takes one number with its unit, e.g. "1.5h", in nanoseconds, at most kLimit.
std::optional<uint64_t> TakeTerm(std::string_view& text) {
  const size_t before = text.size();
  const std::optional<uint64_t> whole = TakeInteger(text);
  if (!whole) return std::nullopt;
  size_t digits = before - text.size();
  Fraction fraction;
  if (!text.empty() && text.front() == '.') {
    text.remove_prefix(1);
    const size_t dot = text.size();
    fraction = TakeFraction(text);
    digits += dot - text.size();
  }
  if (digits == 0) return std::nullopt;
  const std::optional<uint64_t> unit = TakeUnit(text);
  if (!unit || *whole > kLimit / *unit) return std::nullopt;
  // The fraction is below one unit, and Go cuts it to nanoseconds in double precision too.
  const double part = static_cast<double>(fraction.value) * (static_cast<double>(*unit) / fraction.scale);
  const uint64_t value = *whole * *unit + static_cast<uint64_t>(part);
  if (value > kLimit) return std::nullopt;
  return value;
}

// `value` / 10^digits, without trailing zeros in the fraction.
std::string Decimal(uint64_t value, int digits) {
  std::string fraction;
  for (; digits > 0; --digits, value /= 10) {
    const char digit = static_cast<char>('0' + value % 10);
    if (digit != '0' || !fraction.empty()) fraction.insert(fraction.begin(), digit);
  }
  return std::to_string(value) + (fraction.empty() ? "" : "." + fraction);
}

}  // namespace

std::string FormatGoDuration(std::chrono::nanoseconds d) {
  if (d.count() == 0) return "0s";
  const std::string sign = d.count() < 0 ? "-" : "";
  const uint64_t ns = d.count() < 0 ? 0 - static_cast<uint64_t>(d.count()) : static_cast<uint64_t>(d.count());
  if (ns < 1'000) return sign + Decimal(ns, 0) + "ns";
  if (ns < 1'000'000) return sign + Decimal(ns, 3) + "\u00b5s";
  if (ns < 1'000'000'000) return sign + Decimal(ns, 6) + "ms";
  constexpr uint64_t kMinute = 60'000'000'000;
  const uint64_t minutes = ns / kMinute;
  std::string out = sign;
  if (minutes >= 60) out += std::to_string(minutes / 60) + "h";
  if (minutes > 0) out += std::to_string(minutes % 60) + "m";
  return out + Decimal(ns % kMinute, 9) + "s";
}

std::optional<std::chrono::nanoseconds> ParseGoDuration(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text == "0") return std::chrono::nanoseconds(0);
  if (text.empty()) return std::nullopt;
  uint64_t sum = 0;
  while (!text.empty()) {
    const std::optional<uint64_t> term = TakeTerm(text);
    if (!term || *term > kLimit - sum) return std::nullopt;
    sum += *term;
  }
  if (negative) return std::chrono::nanoseconds(static_cast<int64_t>(0 - sum));
  if (sum == kLimit) return std::nullopt;
  return std::chrono::nanoseconds(static_cast<int64_t>(sum));
}

}  // namespace disco
