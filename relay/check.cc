#include "relay/check.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <latch>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "disco/key.h"
#include "ingress/frontend/frontend.h"
#include "ingress/frontend/route_book.h"
#include "ingress/node/serve_config.h"
#include "relay/control/address_list.h"
#include "relay/control/allocator.h"
#include "relay/control/control_plane.h"
#include "relay/control/metrics.h"
#include "relay/control/text.h"
#include "relay/core/endpoint_table.h"
#include "relay/core/qsbr.h"
#include "relay/dataplane/cores.h"
#include "relay/dataplane/eal.h"
#include "relay/dataplane/hugepages.h"
#include "relay/dataplane/kernel_interface.h"
#include "relay/dataplane/port.h"
#include "relay/dataplane/tap_device.h"
#include "relay/dataplane/threads.h"
#include "relay/dataplane/worker_layout.h"

namespace relay {
namespace {

class Report {
 public:
  explicit Report(std::string& out) : out_(out) {}

  template <typename... Pieces>
  void Line(std::string_view name, const Pieces&... pieces) {
    static constexpr size_t kColumn = 13;
    out_ += name;
    out_.append(name.size() < kColumn ? kColumn - name.size() : 1, ' ');
    text::AppendAll(out_, pieces...);
    out_ += '\n';
  }
  // Notes an error; true if there is none.
  bool Good(const absl::Status& status) {
    if (status.ok()) return true;
    Line("error", std::string(status.message()));
    first_error_.Update(status);
    return false;
  }
  const absl::Status& first_error() const { return first_error_; }

 private:
  std::string& out_;
  absl::Status first_error_;
};

constexpr std::string_view YesNo(bool yes) { return yes ? "yes" : "no"; }

// As a worker will try it: isolated cores are none of those that we run on now, and may be pinned to all the same.
absl::Status TryToPin(int core) {
  std::latch tried(1);
  std::thread thread([&] { tried.wait(); });
  const absl::Status status = Pin(thread, core);
  tried.count_down();
  thread.join();
  return status;
}

void ReportCore(Report& report, uint32_t worker, int core) {
  if (!report.Good(TryToPin(core))) return;
  report.Line(text::Cat("worker ", worker), "core ", core, ", NUMA node ", NodeOfCore(core),
              IsIsolatedCore(core) ? ", isolated" : ", not isolated: it has other threads, too");
}

// What both kinds of I/O have: the kernel's sockets. Nothing if they cannot be opened.
std::unique_ptr<SocketBackend> CheckSockets(const Options& options, Report& report) {
  absl::StatusOr<std::unique_ptr<SocketBackend>> opened = SocketBackend::Open(options.io);
  if (!report.Good(opened.status())) return nullptr;
  const SocketBackend& io = **opened;
  report.Line("sockets", "UDP port ", io.port(), ", ", io.has_ipv6() ? "IPv4 and IPv6" : "IPv4 alone", ", GSO ",
              YesNo(io.gso_enabled()), ", GRO ", YesNo(options.io.gro), ", buffers of ", io.receive_buffer_bytes(),
              " bytes");
  if (io.receive_buffer_bytes() < options.io.socket_buffer_bytes) {
    report.Line("warning", "socket buffers of ", io.receive_buffer_bytes(), " bytes where ",
                options.io.socket_buffer_bytes, " were asked for: raise net.core.rmem_max and wmem_max");
  }
  return *std::move(opened);
}

void CheckSocketCores(const SocketBackend::Options& io, Report& report) {
  if (io.cores.empty()) {
    report.Line("workers", io.workers, ", not pinned; ", AllowedCores().size(), " cores");
    return;
  }
  report.Line("workers", io.workers);
  for (uint32_t worker = 0; worker < io.workers; ++worker) ReportCore(report, worker, io.cores[worker]);
}

void CheckHugepages(Report& report) {
  for (const HugepageSize& size : ReadHugepages()) {
    report.Line("hugepages", size.free, " free of ", size.total, " of ", size.kilobytes, " kB");
  }
}

bool CheckDpdkCores(const DpdkOptions& dpdk, Report& report) {
  static constexpr const char* kIdle[] = {"poll", "sleep", "wait for interrupts"};
  report.Line("workers", dpdk.workers, ", which ", kIdle[static_cast<size_t>(dpdk.idle)], " when idle");
  for (size_t worker = 0; worker < dpdk.cores.size(); ++worker) {
    ReportCore(report, static_cast<uint32_t>(worker), dpdk.cores[worker]);
  }
  const std::set<int> cores(dpdk.cores.begin(), dpdk.cores.end());
  if (cores.size() < dpdk.cores.size())
    report.Line("warning", "several workers share a core, and each polls all of it");
  if (dpdk.cores.size() >= dpdk.workers) return true;
  return report.Good(absl::InvalidArgumentError(
      text::Cat(dpdk.workers, " workers, but only ", dpdk.cores.size(), " cores to run them on")));
}

std::string KernelPathOf(const Port& port, size_t index, const DpdkOptions& dpdk) {
  if (const auto kernel = ReadKernelInterface(port.kernel_interface.Get())) {
    return text::Cat("beside us on ", kernel->name, " (", kernel->driver, ")");
  }
  if (port.steered) return "what is not the relay's stays in the NIC's own (flow isolation)";
  if (dpdk.kernel_path == DpdkOptions::KernelPath::kNone) return "none: what is not the relay's is dropped";
  return text::Cat("by TAP interface ", dpdk.tap_prefix, index);
}

void ReportPort(Report& report, const Ports& ports, size_t index, const DpdkOptions& dpdk) {
  const Port& port = ports.ports()[index];
  char mac[18];
  std::snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", port.mac[0], port.mac[1], port.mac[2], port.mac[3],
                port.mac[4], port.mac[5]);
  PortGauges gauges;
  ports.Read(index, gauges);
  report.Line(text::Cat("port ", index), port.name, ", driver ", port.driver, ", ", std::string(mac), ", MTU ",
              port.mtu.Get(), ", link ", gauges.link_up.Get() != 0 ? "up" : "down", ", ", gauges.link_mbps.Get(),
              " Mbit/s, NUMA node ", port.numa);
  for (uint32_t worker = 0; worker < dpdk.workers; ++worker) {
    const std::optional<uint16_t> rx = QueueOf(worker, dpdk.workers, index, port.rx_queues);
    const std::optional<uint16_t> tx = QueueOf(worker, dpdk.workers, index, port.tx_queues);
    report.Line("", "worker ", worker, ": ", rx ? text::Cat("receive queue ", *rx) : "no receive queue", ", ",
                tx ? text::Cat("transmit queue ", *tx) : "sends by another worker's queue");
  }
  report.Line("", "descriptors ", port.rx_descriptors, " and ", port.tx_descriptors, ", ", gauges.pool_size.Get(),
              " buffers of ", dpdk.mbuf_size, " bytes");
  report.Line("", "offloads: IPv4 checksum ", YesNo(port.rx_ip_checksum_offload), ", large frames in several buffers ",
              YesNo(port.rx_scatter), " in, ", YesNo(port.tx_multi_segment), " out, RSS ", YesNo(port.rss),
              ", receive interrupts ", YesNo(port.rx_interrupts));
  report.Line("", "UDP checksums: ", port.udp_checksum == UdpChecksum::kUpdate ? "update" : "compute",
              ", kernel: ", KernelPathOf(port, index, dpdk));
}

// Makes the interfaces that KernelPath would; they are gone at once, but for persistent ones.
void CheckTaps(const Ports& ports, const std::string& prefix, Report& report) {
  for (size_t i = 0; i < ports.ports().size(); ++i) {
    const Port& port = ports.ports()[i];
    if (port.steered) continue;
    report.Good(TapDevice::Open({.name = text::Cat(prefix, i), .mac = port.mac, .mtu = port.mtu.Get()}).status());
  }
}

void CheckPorts(const DpdkOptions& dpdk, uint16_t udp_port, Report& report) {
  absl::StatusOr<std::vector<std::string>> arguments = EalArguments(dpdk, "(steering program)");
  if (!report.Good(arguments.status())) return;
  std::string words;
  for (const std::string& argument : *arguments) text::AppendAll(words, words.empty() ? "" : " ", argument);
  report.Line("EAL", words);
  absl::StatusOr<std::unique_ptr<Eal>> eal = Eal::Start(dpdk, udp_port, Leftovers::kKeep);
  if (absl::IsUnavailable(eal.status())) {
    report.Line("warning", "ports not looked at: ", std::string(eal.status().message()));
    return;
  }
  if (!report.Good(eal.status())) return;
  absl::StatusOr<std::unique_ptr<Ports>> opened = Ports::Open(dpdk, udp_port);
  if (!report.Good(opened.status())) return;
  Ports& ports = **opened;
  if (!report.Good(ports.Start())) return;
  for (size_t i = 0; i < ports.ports().size(); ++i) ReportPort(report, ports, i, dpdk);
  for (const std::string& warning : ports.Warnings()) report.Line("warning", warning);
  if (dpdk.kernel_path == DpdkOptions::KernelPath::kTap) CheckTaps(ports, dpdk.tap_prefix, report);
}

// `io`: null if the UDP port is somebody's. A relayd's, perhaps, which has the ports: they are left alone.
void CheckDpdk(DpdkOptions dpdk, const SocketBackend* io, Report& report) {
  dpdk.cores = WorkerCores(dpdk);
  CheckHugepages(report);
  const bool good_cores = CheckDpdkCores(dpdk, report);
  if (io == nullptr) {
    report.Line("ports",
                "not looked at: without the UDP port relayd would not get so far, and who has it may have them");
  } else if (good_cores) {
    CheckPorts(dpdk, io->port(), report);
  }
}

void CheckAdvertised(const ControlOptions& control, const SocketBackend& io, Report& report) {
  absl::StatusOr<std::vector<AddrPort>> addresses = control.addr_ports;
  if (addresses->empty()) addresses = DiscoverAddresses(io.port(), io.has_ipv6());
  if (!report.Good(addresses.status())) return;
  for (const AddrPort& address : *addresses) report.Line("advertised", address.ToString());
  if (addresses->empty()) report.Line("warning", "no address to advertise: give them in --addr_ports");
}

// Its listeners, and how many routes the policy gives it.
void ReportFunnel(const Options& options, const ingress::Frontend& frontend, size_t routes, Report& report) {
  const std::vector<AddrPort> local = frontend.local();
  if (local.empty()) return report.Line("funnel", "off: --funnel_listen names no address");
  for (size_t i = 0; i < local.size(); ++i) {
    const uint16_t seen = i < options.funnel.listen.size() ? options.funnel.listen[i].public_port : 0;
    report.Line("funnel", local[i].ToString(), ", public port ", seen != 0 ? seen : local[i].port);
  }
  report.Line("", routes, " routes in the policy, ", options.funnel.threads, " threads");
  for (const std::string& warning : frontend.warnings()) report.Line("warning", warning);
}

void CheckControl(const Options& options, const SocketBackend& io, Report& report) {
  Qsbr qsbr(1);
  EndpointTable table(options.max_endpoints, qsbr);
  Allocator allocator(table, disco::PrivateKey::Generate(), options.allocator);
  absl::StatusOr<std::unique_ptr<ingress::Frontend>> frontend = ingress::Frontend::Open(options.funnel);
  std::unique_ptr<ingress::RouteBook> routes;
  if (report.Good(frontend.status())) routes = std::make_unique<ingress::RouteBook>(**frontend);
  absl::StatusOr<std::unique_ptr<ControlPlane>> plane = ControlPlane::Open(
      options.control,
      {.table = table, .allocator = allocator, .udp_port = io.port(), .ipv6 = io.has_ipv6(), .funnel = routes.get()});
  if (!report.Good(plane.status())) return;
  if (!options.serve_config.empty()) {
    const auto config = ingress::ServeConfig::Load(options.serve_config, options.OwnListeners());
    if (report.Good(config.status())) report.Line("node", "serves by ", options.serve_config);
  }
  if (routes != nullptr) ReportFunnel(options, **frontend, routes->size(), report);
  report.Line("api", (*plane)->api_address().ToString(), options.control.tls_cert.empty() ? "" : ", TLS",
              options.control.policy_file.empty() ? ", loopback callers alone"
                                                  : text::Cat(", policy ", options.control.policy_file));
  auto metrics = MetricsServer::Open(options.metrics_listen, {.workers = {},
                                                              .table = &table,
                                                              .allocator = &allocator,
                                                              .tasks = &(*plane)->tasks(),
                                                              .api = &(*plane)->api_stats()});
  if (report.Good(metrics.status())) report.Line("metrics", (*metrics)->local().ToString());
  report.Line("endpoints", options.max_endpoints, " at most, in ", table.memory_bytes() + allocator.memory_bytes(),
              " bytes");
}

}  // namespace

absl::Status Check(const Options& options, std::string& out) {
  disco::InitCrypto();
  Report report(out);
  report.Line("io", options.dpdk ? "dpdk" : "socket");
  const std::unique_ptr<SocketBackend> io = CheckSockets(options, report);
  if (options.dpdk) {
    CheckDpdk(options.dpdk_io, io.get(), report);
  } else {
    CheckSocketCores(options.io, report);
  }
  if (io != nullptr) {
    CheckAdvertised(options.control, *io, report);
    CheckControl(options, *io, report);
  }
  report.Line("check", report.first_error().ok() ? "relayd would start" : "relayd would not start");
  return report.first_error();
}

}  // namespace relay
