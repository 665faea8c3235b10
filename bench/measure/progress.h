// The live line: what to write to the terminal (or log) while a load runs.
#ifndef RELAYD_BENCH_MEASURE_PROGRESS_H_
#define RELAYD_BENCH_MEASURE_PROGRESS_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace bench {

// All since the load began.
struct ProgressState {
  int64_t elapsed_ns = 0;
  uint64_t sent = 0;
  uint64_t received = 0;
  uint64_t lost = 0;            // As far as known: gaps, not what may still be on its way.
  uint64_t generator_lost = 0;  // Shown if there is any.
  int64_t p50_ns = 0;
  int64_t p99_ns = 0;
  std::string_view label = {};  // "trial 3, 1.25 M/s"; may be empty. Valid during the call.
};

// On a terminal one line that is written over, five times a second at most; otherwise plain lines, one a second at
// most.
class Progress {
 public:
  explicit Progress(bool terminal) : terminal_(terminal) {}

  // What to write now; empty if it is too early. Mpps are those received since the last line.
  std::string Update(const ProgressState& state);
  // Ends the line with a last state, whose Mpps are those of the whole load, and makes ready for the next one.
  std::string Finish(const ProgressState& state);

 private:
  std::string Line(const ProgressState& state, int64_t since_ns, uint64_t since_received);

  bool terminal_;
  int64_t written_ns_ = -1;  // -1: nothing yet.
  uint64_t received_ = 0;    // As of the last line.
  size_t width_ = 0;         // Of the last line, which the next has to cover.
};

}  // namespace bench

#endif  // RELAYD_BENCH_MEASURE_PROGRESS_H_
