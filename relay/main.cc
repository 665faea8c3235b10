// relayd: flags become Options, the parts are built in order, and scope ends them.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "disco/key.h"
#include "ingress/frontend/frontend.h"
#include "ingress/frontend/route_book.h"
#include "ingress/node/descriptor_shares.h"
#include "ingress/node/embedded_node.h"
#include "prometheus/metric_family.h"
#include "relay/check.h"
#include "relay/control/allocator.h"
#include "relay/control/control_plane.h"
#include "relay/control/log.h"
#include "relay/control/metrics.h"
#include "relay/core/endpoint_table.h"
#include "relay/core/qsbr.h"
#include "relay/core/relay_server.h"
#include "relay/dataplane/dpdk_backend.h"
#include "relay/dataplane/socket_backend.h"
#include "relay/flags.h"

namespace {

constexpr int kFailed = 1;
constexpr int kWrongFlag = 2;

// For the log; "off" if there are none.
std::string Listeners(const ingress::Frontend& funnel) {
  std::string text;
  for (const relay::AddrPort& addr : funnel.local()) text += (text.empty() ? "" : ",") + addr.ToString();
  return text.empty() ? "off" : text;
}

absl::Status Run(const relay::Options& options) {
  disco::InitCrypto();
  relay::Qsbr qsbr(options.io.workers + (options.dpdk ? options.dpdk_io.workers : 0));
  relay::EndpointTable table(options.max_endpoints, qsbr);
  relay::Allocator allocator(table, disco::PrivateKey::Generate(), options.allocator);
  const relay::RelayServer server(table, allocator.server_key(), relay::ServerCrypto::Production(), options.server);

  auto backend = relay::SocketBackend::Open(options.io);
  if (!backend.ok()) return backend.status();
  relay::SocketBackend& io = **backend;
  // The kernel's sockets stay beside the ports: they hold the UDP port, and relay what slips to the kernel.
  std::unique_ptr<relay::DpdkBackend> dpdk;
  if (options.dpdk) {
    auto opened =
        relay::DpdkBackend::Open(options.dpdk_io,
                                 {.udp_port = io.port(),
                                  .first_worker = io.workers(),
                                  .kernel_sockets = io.sockets(),
                                  .tell =
                                      [](bool bad, const std::string& line) {
                                        relay::Log(bad ? relay::LogLevel::kWarning : relay::LogLevel::kInfo, line);
                                      }},
                                 qsbr);
    if (!opened.ok()) return opened.status();
    dpdk = *std::move(opened);
  }
  // A node's connections are fitted to a quarter of the descriptors, and the public ones to what they leave.
  const auto node_share = ingress::DescriptorShares::Of(ingress::RaiseDescriptorLimit() / 4);
  ingress::FrontendOptions funnel_options = options.funnel;
  if (!options.serve_config.empty()) funnel_options.descriptors_of_others = node_share.total();
  // Without listeners too, so that routes can be looked at.
  auto frontend = ingress::Frontend::Open(funnel_options);
  if (!frontend.ok()) return frontend.status();
  ingress::Frontend& funnel = **frontend;
  ingress::RouteBook routes(funnel);

  std::unique_ptr<ingress::EmbeddedNode> node;
  if (!options.serve_config.empty()) {
    auto started = ingress::EmbeddedNode::Start(options.serve_config, options.OwnListeners(), node_share);
    if (!started.ok()) return started.status();
    node = *std::move(started);
  }

  auto plane = relay::ControlPlane::Open(options.control, {.table = table,
                                                           .allocator = allocator,
                                                           .udp_port = io.port(),
                                                           .ipv6 = io.has_ipv6(),
                                                           .funnel = &routes,
                                                           .ingress = node.get()});
  if (!plane.ok()) return plane.status();
  relay::ControlPlane& control = **plane;

  std::vector<relay::WorkerSource> workers;
  for (uint32_t i = 0; dpdk && i < dpdk->workers(); ++i) workers.push_back({std::to_string(i), &dpdk->counters(i)});
  for (uint32_t i = 0; i < io.workers(); ++i) {
    workers.push_back({(dpdk ? "socket" : "") + std::to_string(i), &io.counters(i)});
  }
  if (dpdk) workers.push_back({"kernel", &dpdk->kernel_counters()});
  auto metrics = relay::MetricsServer::Open(options.metrics_listen, {.workers = workers,
                                                                     .ports = dpdk ? &dpdk->figures() : nullptr,
                                                                     .table = &table,
                                                                     .allocator = &allocator,
                                                                     .tasks = &control.tasks(),
                                                                     .api = &control.api_stats(),
                                                                     .extra = {[&](auto& out) {
                                                                       funnel.Collect(out);
                                                                       if (node) node->Collect(out);
                                                                     }}});
  if (!metrics.ok()) return metrics.status();

  if (io.receive_buffer_bytes() < options.io.socket_buffer_bytes) {
    relay::Log(relay::LogLevel::kWarning,
               "small socket buffers: bursts may be lost; raise net.core.rmem_max and wmem_max",
               {{"wanted_bytes", options.io.socket_buffer_bytes}, {"receive_bytes", io.receive_buffer_bytes()}});
  }
  if (absl::Status started = io.Start(server, qsbr); !started.ok()) return started;
  if (dpdk) {
    if (absl::Status started = dpdk->Start(server); !started.ok()) return started;
    for (const std::string& warning : dpdk->warnings()) relay::Log(relay::LogLevel::kWarning, warning);
  }
  funnel.Start();
  for (const std::string& warning : funnel.warnings()) relay::Log(relay::LogLevel::kWarning, warning);
  relay::Log(relay::LogLevel::kInfo, "ready",
             {{"udp_port", io.port()},
              {"api", control.api_address().ToString()},
              {"metrics", (*metrics)->local().ToString()},
              {"version", RELAYD_VERSION},
              {"server_disco", server.public_key().ShortText()},
              {"io", dpdk ? "dpdk" : "socket"},
              {"funnel", Listeners(funnel)},
              {"gso", io.gso_enabled() ? "on" : "off"},
              {"table_bytes", table.memory_bytes() + allocator.memory_bytes()}});
  control.Run();
  if (dpdk) dpdk->Stop();
  io.Stop();
  return absl::OkStatus();
}

int Fail(int status, std::string_view line) {
  std::fprintf(stderr, "relayd: %.*s\n", static_cast<int>(line.size()), line.data());
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const absl::StatusOr<relay::Options> options = relay::ParseFlags(argc, argv);
    if (!options.ok()) return Fail(kWrongFlag, std::string(options.status().message()));
    relay::SetLogLevel(options->log_level);
    std::signal(SIGPIPE, SIG_IGN);
    relay::ControlPlane::BlockSignals();  // Before there is any other thread.
    ingress::RaiseDescriptorLimit();      // The API alone takes 1,024, which is many a machine's soft limit.
    std::string report;
    const absl::Status status = options->check ? relay::Check(*options, report) : Run(*options);
    std::fputs(report.c_str(), stdout);
    if (status.ok()) return 0;
    // A file that a flag names is missing or wrong, or the machine does not let us.
    const bool wrong_flag = absl::IsInvalidArgument(status) || absl::IsNotFound(status);
    return Fail(wrong_flag ? kWrongFlag : kFailed, std::string(status.message()));
  } catch (const std::exception& error) {  // Out of memory, or of threads.
    return Fail(kFailed, error.what());
  }
}
