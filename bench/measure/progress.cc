#include "bench/measure/progress.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/measure/format.h"

namespace bench {
namespace {

constexpr int64_t kTerminalNs = 200'000'000;
constexpr int64_t kPlainNs = 1'000'000'000;

std::string Describe(const ProgressState& state, double received_per_s) {
  const double loss = state.sent == 0 ? 0 : static_cast<double>(state.lost) / static_cast<double>(state.sent);
  std::string line = absl::StrFormat("%6.1f s  ", static_cast<double>(state.elapsed_ns) * 1e-9);
  if (!state.label.empty()) absl::StrAppend(&line, std::string(state.label), "  ");
  absl::StrAppendFormat(&line, "sent %s  received %s  lost %s (%s)  %.3f Mpps",
                        FormatCount(static_cast<double>(state.sent)), FormatCount(static_cast<double>(state.received)),
                        FormatCount(static_cast<double>(state.lost)), FormatShare(loss), received_per_s * 1e-6);
  if (state.p50_ns > 0) {
    absl::StrAppendFormat(&line, "  p50 %s  p99 %s", FormatNs(static_cast<double>(state.p50_ns)),
                          FormatNs(static_cast<double>(state.p99_ns)));
  }
  if (state.generator_lost > 0) {
    absl::StrAppend(&line, "  generator lost ", FormatCount(static_cast<double>(state.generator_lost)));
  }
  return line;
}

}  // namespace

std::string Progress::Line(const ProgressState& state, int64_t since_ns, uint64_t since_received) {
  const auto elapsed_ns = static_cast<double>(state.elapsed_ns - since_ns);
  const auto more = static_cast<double>(state.received - std::min(state.received, since_received));
  std::string line = Describe(state, elapsed_ns > 0 ? more * 1e9 / elapsed_ns : 0);
  written_ns_ = state.elapsed_ns;
  received_ = state.received;
  if (!terminal_) return line;
  const size_t width = line.size();
  if (width < width_) line.append(width_ - width, ' ');
  width_ = width;
  return "\r" + line;
}

std::string Progress::Update(const ProgressState& state) {
  if (written_ns_ >= 0 && state.elapsed_ns - written_ns_ < (terminal_ ? kTerminalNs : kPlainNs)) return "";
  std::string line = Line(state, std::max<int64_t>(written_ns_, 0), received_);
  return terminal_ ? line : line + "\n";
}

std::string Progress::Finish(const ProgressState& state) {
  std::string line = Line(state, 0, 0) + "\n";
  written_ns_ = -1;
  received_ = 0;
  width_ = 0;
  return line;
}

}  // namespace bench
