// relay-bench: plays pairs of clients against a relay, and says what became of their packets.
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <functional>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "bench/measure/format.h"
#include "bench/measure/report_csv.h"
#include "bench/measure/report_html.h"
#include "bench/measure/report_json.h"
#include "bench/measure/thresholds.h"
#include "bench/relay_bench/dpdk_link.h"
#include "bench/relay_bench/flags.h"
#include "bench/relay_bench/output_file.h"
#include "bench/relay_bench/runner.h"
#include "bench/relay_bench/socket_link.h"
#include "bench/relay_bench/tsc_clock.h"

namespace {

enum ExitStatus : int { kHolds = 0, kFails = 1, kUsage = 2, kCannotRun = 3 };

std::atomic<bool> g_stop{false};

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "relay-bench: %s\n", std::string(status.message()).c_str());
  return status.code() == absl::StatusCode::kInvalidArgument ? kUsage : kCannotRun;
}

// The first signal ends the run with a report, the second one at once.
void EndOnSignal() {
  struct sigaction action {};
  action.sa_handler = [](int) { g_stop = true; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

// Last of all, so that no other thread of ours inherits it.
absl::Status Pin(int core) {
  if (core < 0) return absl::OkStatus();
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core, &cores);
  if (sched_setaffinity(0, sizeof(cores), &cores) == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("--core=", core, ": ", std::strerror(errno)));
}

absl::Status AddKeys(const bench::Options& options, bench::Keyring& keys) {
  const uint32_t fewest = bench::KeysFor(bench::Runner::AllPairs(options));
  if (options.client_keys != 0 && options.client_keys < fewest) {
    return absl::InvalidArgumentError(absl::StrCat("--client_keys=", options.client_keys, ": ",
                                                   bench::Runner::AllPairs(options), " pairs need ", fewest));
  }
  for (uint32_t i = 0; i < std::max(fewest, options.client_keys); ++i) keys.Add(disco::PrivateKey::Generate());
  return absl::OkStatus();
}

// What a run writes; null: nothing, or stdout.
struct Outputs {
  std::unique_ptr<bench::OutputFile> json, csv, html, endpoints;
};

absl::StatusOr<Outputs> OpenOutputs(const bench::Options& options) {
  using For = bench::OutputFile::For;
  struct Wanted {
    const std::string& path;
    For whom;
    std::unique_ptr<bench::OutputFile>& file;
  };
  Outputs outputs;
  for (const Wanted& wanted : {Wanted{options.json, For::kAll, outputs.json},
                               {options.csv, For::kAll, outputs.csv},
                               {options.html, For::kAll, outputs.html},
                               {options.save_endpoints, For::kOwner, outputs.endpoints}}) {
    if (wanted.path.empty() || wanted.path == "-") continue;
    auto file = bench::OutputFile::Open(wanted.path, wanted.whom);
    if (!file.ok()) return file.status();
    wanted.file = *std::move(file);
  }
  return outputs;
}

absl::Status Write(const std::string& path, bench::OutputFile* file, const std::string& text) {
  if (path == "-") std::fwrite(text.data(), 1, text.size(), stdout);
  if (file == nullptr) return absl::OkStatus();
  if (absl::Status written = file->Write(text); !written.ok()) return written;
  return file->Commit();
}

std::unique_ptr<bench::Link> MakeLink(const bench::Options& options, const bench::SizeMix& sizes,
                                      absl::Status& status) {
  const uint32_t legs = bench::Runner::Legs(options);
  const uint32_t extra = bench::Runner::Extra(options);
  const auto room = std::max<uint32_t>(2048, sizes.largest());
  if (options.io == bench::Io::kSocket) {
    bench::SocketOptions socket = options.socket;
    socket.payload_room = room;
    return std::make_unique<bench::SocketLink>(socket, legs, extra);
  }
  auto link = bench::OpenDpdkLink(options.dpdk, legs + extra, options.wait);
  status = link.status();
  return link.ok() ? *std::move(link) : nullptr;
}

// For people: every metric that was measured, then the notes.
void PrintSummary(const bench::Result& result, FILE* out) {
  for (const bench::Metric& metric : bench::Metrics()) {
    const auto value = metric.of(result);
    if (!value) continue;
    std::fprintf(out, "%-28s %s\n", std::string(metric.name).c_str(), bench::FormatFigure(metric.unit, value).c_str());
  }
  for (const std::string& note : result.notes) std::fprintf(out, "# %s\n", note.c_str());
}

int Report(const bench::Options& options, const bench::Result& result, const Outputs& outputs) {
  const auto requirements = bench::ParseRequirements(options.require);
  const std::vector<bench::Judgement> judgements = bench::Judge(*requirements, result);
  PrintSummary(result, options.json == "-" || options.csv == "-" ? stderr : stdout);
  for (const bench::Judgement& judgement : judgements) std::fprintf(stderr, "%s\n", judgement.Line().c_str());
  for (const absl::Status& written : {Write(options.json, outputs.json.get(), bench::JsonReport(result) + "\n"),
                                      Write(options.csv, outputs.csv.get(), bench::CsvReport(result)),
                                      Write(options.html, outputs.html.get(), bench::HtmlReport(result, judgements))}) {
    if (!written.ok()) return Fail(written);
  }
  const std::string no_rate = bench::WhyNoRate(result);
  if (!no_rate.empty()) std::fprintf(stderr, "relay-bench: %s\n", no_rate.c_str());
  return no_rate.empty() && bench::AllPassed(judgements) ? kHolds : kFails;
}

}  // namespace

int main(int argc, char** argv) {
  disco::InitCrypto();
  absl::StatusOr<bench::Options> options = bench::ParseFlags(argc, argv);
  if (!options.ok()) return Fail(options.status());
  const absl::StatusOr<bench::SizeMix> sizes = bench::SizeMix::Parse(options->sizes);
  if (!sizes.ok()) return Fail(sizes.status());
  const absl::StatusOr<Outputs> outputs = OpenOutputs(*options);
  if (!outputs.ok()) return Fail(outputs.status());
  EndOnSignal();

  // The ports first: a relay at their other end may be waiting for them.
  absl::Status status;
  const std::unique_ptr<bench::Link> link = MakeLink(*options, *sizes, status);
  if (link == nullptr) return Fail(status);
  if (sizes->largest() > link->max_payload()) {
    return Fail(absl::InvalidArgumentError(
        absl::StrCat("--sizes=", options->sizes, ": at most ", link->max_payload(), " bytes fit a packet here")));
  }

  bench::Keyring keys;
  std::vector<std::array<uint32_t, 2>> pair_keys;
  std::unique_ptr<bench::EndpointSource> source;
  if (!options->reflector) {
    const uint32_t pairs = bench::Runner::AllPairs(*options);
    if (options->endpoints_file.empty()) status = AddKeys(*options, keys);
    if (!status.ok()) return Fail(status);
    auto opened = options->endpoints_file.empty()
                      ? bench::AllocateOverHttp({.url = options->relay_api,
                                                 .token = options->token,
                                                 .connections = options->api_connections,
                                                 .pairs = pairs,
                                                 .wait = options->wait},
                                                keys)
                      : bench::ReadEndpoints(options->endpoints_file, pairs, keys, pair_keys);
    if (!opened.ok()) return Fail(opened.status());
    source = *std::move(opened);
  }

  // Sockets sleep by the kernel's clock, ports never do.
  std::function<relay::Instant()> clock = [] { return std::chrono::steady_clock::now(); };
  if (options->io == bench::Io::kDpdk) clock = [tsc = bench::TscClock()] { return tsc.now(); };
  const bool terminal = isatty(STDERR_FILENO) == 1;
  bench::Runner runner(*options, *sizes, *link, source.get(), keys, std::move(pair_keys),
                       {.clock = std::move(clock),
                        .show = [](std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); },
                        .terminal = terminal,
                        .stop = &g_stop,
                        .save = outputs->endpoints.get()});
  const bench::Machine machine = bench::ThisMachine();  // With all the cores that we may use.
  if (status = Pin(options->core); !status.ok()) return Fail(status);
  absl::StatusOr<bench::Result> result = runner.Run();
  if (!result.ok()) return Fail(result.status());
  result->target = options->reflector ? "reflector" : options->relay_api + options->endpoints_file;
  result->date = bench::UtcDate(std::time(nullptr));
  result->machine = machine;
  result->settings.emplace_back("command line", absl::StrJoin(options->command_line, " "));
  return Report(*options, *result, *outputs);
}
