// funnel-node: flags become NodeOptions, the parts are built in order, and scope ends them.
#include <csignal>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>

#include "ingress/event_loop.h"
#include "ingress/node/funnel_node.h"
#include "ingress/node/funnel_node_flags.h"
#include "ingress/node/https_figures.h"
#include "ingress/node/https_service.h"
#include "ingress/node/node_check.h"
#include "relay/control/log.h"

namespace {

constexpr int kFailed = 1;
constexpr int kWrongFlag = 2;

int Fail(int status, std::string_view line) {
  std::fprintf(stderr, "funnel-node: %.*s\n", static_cast<int>(line.size()), line.data());
  return status;
}

int Print(const ingress::NodeReport& report) {
  std::fputs(report.out.c_str(), stdout);
  std::fflush(stdout);
  std::fputs(report.err.c_str(), stderr);
  return report.status;
}

absl::Status Serve(const ingress::NodeOptions& options) {
  ingress::EventLoop loop;
  const auto descriptors = ingress::DescriptorShares::Of(ingress::RaiseDescriptorLimit());
  const std::unique_ptr<ingress::HttpsServer> https = ingress::MakeHttpsService(loop, {.max_files = descriptors.files});
  return ingress::RunNode(
      options, {.loop = loop,
                .https = *https,
                .more_metrics = [&](auto& out) { ingress::CollectHttps(https->stats(), https->backends(), out); },
                .drain_https = [&] { https->Drain(); },
                .descriptors = descriptors});
}

}  // namespace

int main(int argc, char** argv) {
  using Mode = ingress::NodeOptions::Mode;
  try {
    const absl::StatusOr<ingress::NodeOptions> options = ingress::ParseNodeFlags(argc, argv);
    if (!options.ok()) return Fail(kWrongFlag, std::string(options.status().message()));
    relay::SetLogLevel(options->log_level);
    std::signal(SIGPIPE, SIG_IGN);
    if (options->mode == Mode::kCheck) return Print(ingress::CheckNode(*options));
    if (options->mode == Mode::kStatus) return Print(ingress::ShowStatus(*options));
    ingress::BlockNodeSignals();  // Before there is any other thread.
    const absl::Status status = Serve(*options);
    if (status.ok()) return 0;
    const bool wrong_config = absl::IsInvalidArgument(status) || absl::IsNotFound(status);
    return Fail(wrong_config ? kWrongFlag : kFailed, std::string(status.message()));
  } catch (const std::exception& error) {  // Out of memory, or of threads.
    return Fail(kFailed, error.what());
  }
}
