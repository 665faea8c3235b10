#include "ingress/node/http_date.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>

#include "relay/control/text.h"

namespace ingress {
namespace {

// Not strftime's, which are the locale's.
constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

}  // namespace

std::string FormatHttpDate(int64_t unix_s) {
  using namespace std::chrono;
  const sys_seconds time{seconds(unix_s)};
  const sys_days day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(time - day);
  char text[64];
  const int size =
      std::snprintf(text, sizeof(text), "%s, %02u %s %04d %02d:%02d:%02d GMT", kDays[weekday(day).c_encoding()],
                    static_cast<unsigned>(date.day()), kMonths[static_cast<unsigned>(date.month()) - 1],
                    static_cast<int>(date.year()), static_cast<int>(clock.hours().count()),
                    static_cast<int>(clock.minutes().count()), static_cast<int>(clock.seconds().count()));
  return {text, static_cast<size_t>(size)};
}

std::optional<int64_t> ParseHttpDate(std::string_view text) {
  using namespace std::chrono;
  static constexpr size_t kSize = 29;
  if (text.size() != kSize) return std::nullopt;
  const auto number = [&](size_t at, size_t digits) {
    return static_cast<int>(relay::text::ParseNumber<unsigned>(text.substr(at, digits)).value_or(9999));
  };
  const auto* const month = std::find(kMonths.begin(), kMonths.end(), text.substr(8, 3));
  const year_month_day date(year(number(12, 4)), std::chrono::month(static_cast<unsigned>(month - kMonths.begin()) + 1),
                            day(static_cast<unsigned>(number(5, 2))));
  if (!date.ok()) return std::nullopt;
  const sys_seconds time = sys_days(date) + hours(number(17, 2)) + minutes(number(20, 2)) + seconds(number(23, 2));
  // What it was written from is what it is.
  if (FormatHttpDate(time.time_since_epoch().count()) != text) return std::nullopt;
  return time.time_since_epoch().count();
}

}  // namespace ingress
