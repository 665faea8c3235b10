#include "relay/ctl/top.h"

#include <cstdio>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "relay/client/program.h"
#include "relay/ctl/metrics_fetch.h"
#include "relay/ctl/terminal.h"
#include "relay/ctl/top_figures.h"
#include "relay/ctl/top_render.h"

namespace relay::ctl {
namespace {

using client::ApiClient;
using Clock = std::chrono::steady_clock;

struct Taken {
  Metrics metrics;
  Clock::time_point at;
};

absl::StatusOr<Taken> Take(const ApiClient& api) {
  absl::StatusOr<Metrics> metrics = FetchMetrics(api);
  if (!metrics.ok()) return metrics.status();
  return Taken{.metrics = *std::move(metrics), .at = Clock::now()};
}

std::vector<std::string> Compare(const Taken& before, const Taken& after, const std::string& url) {
  const double seconds = std::chrono::duration<double>(after.at - before.at).count();
  return RenderTop(ComputeTop(before.metrics, after.metrics, seconds), url);
}

int Once(const ApiClient& api, std::chrono::nanoseconds interval) {
  const absl::StatusOr<Taken> before = Take(api);
  if (!before.ok()) return client::Fail(before.status());
  std::this_thread::sleep_until(before->at + interval);
  const absl::StatusOr<Taken> after = Take(api);
  if (!after.ok()) return client::Fail(after.status());
  for (const std::string& line : Compare(*before, *after, api.url())) std::printf("%s\n", line.c_str());
  return client::kExitOk;
}

// What one look after another finds, as lines to show; none yet after the first one.
class View {
 public:
  explicit View(const ApiClient& api) : api_(api) {}

  const std::vector<std::string>& lines() const { return lines_; }

  void Look() {
    absl::StatusOr<Taken> now = Take(api_);
    if (!now.ok()) {
      before_.reset();
      lines_ = {Printable(absl::StrCat("relayd at ", api_.url())), "", Printable(std::string(now.status().message())),
                "tries again"};
      return;
    }
    if (before_) {
      lines_ = Compare(*before_, *now, api_.url());
    } else {
      lines_.clear();
    }
    before_ = *std::move(now);
  }

 private:
  const ApiClient& api_;
  std::optional<Taken> before_;
  std::vector<std::string> lines_;
};

}  // namespace

int Top(const ApiClient& metrics, const TopOptions& options) {
  if (options.once) return Once(metrics, options.interval);
  Terminal terminal;
  View view(metrics);
  const std::vector<std::string> waiting = {absl::StrCat("relayd at ", metrics.url()), "", "one moment"};
  if (terminal.is_screen()) terminal.Draw(waiting);
  while (true) {
    const Clock::time_point next = Clock::now() + options.interval;
    view.Look();
    Terminal::Event event = Terminal::Event::kResized;
    while (event == Terminal::Event::kResized) {
      // main says what is wrong with stdout.
      if (!view.lines().empty() && !terminal.Draw(view.lines())) return client::kExitOk;
      event = terminal.WaitUntil(next);
    }
    if (event == Terminal::Event::kQuit) return client::kExitOk;
  }
}

}  // namespace relay::ctl
