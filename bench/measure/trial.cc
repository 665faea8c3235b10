#include "bench/measure/trial.h"

namespace bench {

std::string_view TrialVerdictName(TrialVerdict verdict) {
  switch (verdict) {
    case TrialVerdict::kNone:
      return "none";
    case TrialVerdict::kPassed:
      return "passed";
    case TrialVerdict::kFailed:
      return "failed";
    case TrialVerdict::kGeneratorLimited:
      return "generator_limited";
    case TrialVerdict::kTooShort:
      return "too_short";
  }
  return "unknown";
}

double Trial::GeneratorLoss() const {
  const uint64_t due = sent + generator_lost;
  return due == 0 ? 0 : static_cast<double>(generator_lost) / static_cast<double>(due);
}

}  // namespace bench
