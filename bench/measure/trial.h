// One trial: a rate held for some time, and what became of the packets.
#ifndef RELAYD_BENCH_MEASURE_TRIAL_H_
#define RELAYD_BENCH_MEASURE_TRIAL_H_

#include <cstdint>
#include <string_view>

#include "bench/measure/flow_tracker.h"
#include "bench/measure/latency_histogram.h"

namespace bench {

enum class TrialVerdict : uint8_t {
  kNone,    // Nobody judged it: not of a search.
  kPassed,  // Its loss is within the bound.
  kFailed,
  kGeneratorLimited,  // The generator could not offer the rate: it says nothing of the relay.
  kTooShort,          // It ended early; it does not count.
};
std::string_view TrialVerdictName(TrialVerdict verdict);

struct Trial {
  int number = 0;                              // From 1. (Set by ThroughputSearch.)
  bool repeat = false;                         // The second try at a rate that failed. (Set by ThroughputSearch.)
  TrialVerdict verdict = TrialVerdict::kNone;  // (Set by ThroughputSearch.)
  double rate_per_s = 0;                       // What was asked for; 0: unlimited.
  double seconds = 0;                          // How long was sent.
  uint64_t sent = 0;                           // What the kernel or the port took.
  uint64_t generator_lost = 0;                 // What was due and could not be enqueued, or came too late.
  FlowTotals flows = {};                       // As received, the wait for stragglers over.
  LatencySummary latency = {};

  uint64_t Lost() const { return flows.Lost(sent); }
  double Loss() const { return sent == 0 ? 0 : static_cast<double>(Lost()) / static_cast<double>(sent); }
  double GeneratorLoss() const;  // Of what should have been sent.
  double SentPerS() const { return seconds > 0 ? static_cast<double>(sent) / seconds : 0; }
  double ReceivedPerS() const { return seconds > 0 ? static_cast<double>(flows.received) / seconds : 0; }
};

}  // namespace bench

#endif  // RELAYD_BENCH_MEASURE_TRIAL_H_
