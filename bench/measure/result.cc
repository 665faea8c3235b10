#include "bench/measure/result.h"

#include <chrono>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/measure/format.h"

namespace bench {

std::string WhyNoRate(const Result& result) {
  if (!result.searched || result.figures) return "";
  const Trial* lowest = nullptr;
  for (const Trial& trial : result.trials) {
    if (trial.verdict == TrialVerdict::kTooShort) continue;
    if (lowest == nullptr || trial.rate_per_s <= lowest->rate_per_s) lowest = &trial;
  }
  if (lowest == nullptr) return "the search found no rate that holds: no trial ran to its end";
  const std::string tried = absl::StrCat("the search found no rate that holds: at the lowest that it tried, ",
                                         FormatRate(lowest->rate_per_s), ", ");
  if (lowest->verdict == TrialVerdict::kGeneratorLimited) {
    return absl::StrCat(tried, "the generator could not send ", FormatShare(lowest->GeneratorLoss()));
  }
  return absl::StrCat(tried, FormatShare(lowest->Loss()), " were lost (--loss_bound: ", FormatShare(result.loss_bound),
                      ")");
}

std::string UtcDate(int64_t unix_seconds) {
  using std::chrono::days;
  using std::chrono::seconds;
  const std::chrono::sys_seconds time{seconds(unix_seconds)};
  const auto midnight = std::chrono::floor<days>(time);
  const std::chrono::year_month_day date(midnight);
  const std::chrono::hh_mm_ss clock(time - midnight);
  return absl::StrFormat("%04d-%02d-%02dT%02d:%02d:%02dZ", static_cast<int>(date.year()),
                         static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                         clock.minutes().count(), clock.seconds().count());
}

}  // namespace bench
