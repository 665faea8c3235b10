#include "relay/dataplane/dpdk_backend.h"

#include <pthread.h>
#include <rte_cycles.h>
#include <rte_ring.h>

#include <algorithm>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "relay/dataplane/dpdk_worker.h"
#include "relay/dataplane/eal.h"
#include "relay/dataplane/kernel_path.h"
#include "relay/dataplane/kernel_sender.h"
#include "relay/dataplane/port.h"
#include "relay/dataplane/port_monitor.h"
#include "relay/dataplane/reassembler.h"
#include "relay/dataplane/telemetry.h"
#include "relay/dataplane/threads.h"
#include "relay/dataplane/worker_layout.h"

namespace relay {

namespace {

struct RingFree {
  void operator()(rte_ring* ring) const {
    void* frame = nullptr;
    while (rte_ring_dequeue(ring, &frame) == 0) rte_pktmbuf_free(static_cast<rte_mbuf*>(frame));
    rte_ring_free(ring);
  }
};
using Ring = std::unique_ptr<rte_ring, RingFree>;

}  // namespace

struct DpdkBackend::Impl {
  struct Worker {
    Counters counters;
    WorkerContext context;
    std::unique_ptr<Reassembler> reassembler;  // Null without --reassemble.
    std::unique_ptr<DpdkWorker> loop;
    std::thread thread;
  };

  void AddFigures();
  absl::Status AddHandoffs();
  absl::Status AddWorkers(uint32_t first_worker);
  DpdkWorker::Config ConfigOf(uint32_t worker) const;

  DpdkOptions options;
  uint16_t udp_port = 0;
  Qsbr* qsbr = nullptr;
  bool started = false;
  std::vector<int> cores;
  // In the order of construction: each stands on those above it.
  std::unique_ptr<Eal> eal;
  std::unique_ptr<Ports> ports;
  PortFigures figures;
  std::unique_ptr<KernelPath> kernel_path;
  std::unique_ptr<PortMonitor> monitor;
  std::vector<Ring> handoffs;  // By port; null where every worker has a queue.
  std::vector<std::unique_ptr<Worker>> workers;
  std::unique_ptr<Telemetry> telemetry;
};

absl::StatusOr<std::unique_ptr<DpdkBackend>> DpdkBackend::Open(const DpdkOptions& options, const Relay& relay,
                                                               Qsbr& qsbr) {
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  impl->udp_port = relay.udp_port;
  impl->qsbr = &qsbr;
  impl->cores = WorkerCores(options);
  if (impl->cores.size() < options.workers) {
    return absl::InvalidArgumentError(
        absl::StrCat(options.workers, " workers, but only ", impl->cores.size(), " cores to run them on"));
  }
  KeepOff(impl->cores);
  absl::StatusOr<std::unique_ptr<Eal>> eal = Eal::Start(options, relay.udp_port, Leftovers::kRemove);
  if (!eal.ok()) return eal.status();
  impl->eal = *std::move(eal);
  impl->options.cores = impl->cores;
  absl::StatusOr<std::unique_ptr<Ports>> ports = Ports::Open(impl->options, relay.udp_port);
  if (!ports.ok()) return ports.status();
  impl->ports = *std::move(ports);

  std::vector<uint32_t> owners;
  for (size_t i = 0; i < impl->ports->ports().size(); ++i) {
    uint32_t owner = 0;
    while (!QueueOf(owner, options.workers, i, impl->ports->ports()[i].tx_queues)) ++owner;
    owners.push_back(owner);
  }
  auto kernel_path = KernelPath::Open({.tap = options.kernel_path == DpdkOptions::KernelPath::kTap,
                                       .tap_prefix = options.tap_prefix,
                                       .workers = options.workers,
                                       .ring_size = 1024,
                                       .tx_descriptors = options.tx_descriptors,
                                       .wake_worker = {}},
                                      impl->ports->ports(), owners, KernelSender(relay.kernel_sockets));
  if (!kernel_path.ok()) return kernel_path.status();
  impl->kernel_path = *std::move(kernel_path);
  impl->AddFigures();
  if (absl::Status status = impl->AddHandoffs(); !status.ok()) return status;
  impl->monitor = std::make_unique<PortMonitor>(qsbr, *impl->ports, options.local_addrs, impl->kernel_path.get(),
                                                impl->figures, relay.tell);
  if (absl::Status status = impl->AddWorkers(relay.first_worker); !status.ok()) return status;
  std::vector<const Counters*> counters;
  for (const auto& worker : impl->workers) counters.push_back(&worker->counters);
  impl->telemetry = std::make_unique<Telemetry>(impl->figures, std::move(counters));
  return std::unique_ptr<DpdkBackend>(new DpdkBackend(std::move(impl)));
}

void DpdkBackend::Impl::AddFigures() {
  figures.cycles_per_second = static_cast<double>(rte_get_tsc_hz());
  figures.kernel = &kernel_path->frames();
  for (const Port& port : ports->ports()) {
    auto& out = *figures.ports.emplace_back(std::make_unique<PortFigures::Port>());
    out.name = port.name;
    out.driver = port.driver;
  }
  for (uint32_t worker = 0; worker < options.workers; ++worker) {
    figures.workers.push_back(std::make_unique<PollCounters>());
    auto& by_port = figures.by_worker.emplace_back();
    for (size_t i = 0; i < ports->ports().size(); ++i) by_port.push_back(std::make_unique<PortCounters>());
  }
}

absl::Status DpdkBackend::Impl::AddHandoffs() {
  for (const Port& port : ports->ports()) {
    Ring& ring = handoffs.emplace_back();
    if (port.tx_queues >= options.workers) continue;
    ring.reset(rte_ring_create(absl::StrCat("relayd_out_", port.id).c_str(), kHandoffRing, port.numa, RING_F_SC_DEQ));
    if (ring == nullptr)
      return absl::ResourceExhaustedError(absl::StrCat("port ", port.name, ": no memory for a ring"));
  }
  return absl::OkStatus();
}

absl::Status DpdkBackend::Impl::AddWorkers(uint32_t first_worker) {
  for (uint32_t i = 0; i < options.workers; ++i) {
    Worker& worker = *workers.emplace_back(std::make_unique<Worker>());
    worker.context.id = static_cast<uint16_t>(first_worker + i);
    worker.context.counters = &worker.counters;
    worker.context.control_bucket = WorkerControlBucket(options.worker_control_rate);
    if (!options.reassemble) continue;
    const int numa = ports->ports()[i % ports->ports().size()].numa;
    auto reassembler = Reassembler::Create(numa, Reassembler::kMaxDatagrams, Reassembler::kTimeout);
    if (!reassembler.ok()) return reassembler.status();
    worker.reassembler = *std::move(reassembler);
  }
  return absl::OkStatus();
}

DpdkWorker::Config DpdkBackend::Impl::ConfigOf(uint32_t worker) const {
  DpdkWorker::Config config{.ports = {},
                            .index = worker,
                            .udp_port = udp_port,
                            .kernel_path = kernel_path.get(),
                            .addresses = &monitor->addresses(),
                            .neighbours = &monitor->neighbours(),
                            .poll_counters = figures.workers[worker].get(),
                            .reassembler = workers[worker]->reassembler.get(),
                            .idle = options.idle,
                            .idle_after = options.idle_after,
                            .idle_sleep = options.idle_sleep};
  for (size_t i = 0; i < ports->ports().size(); ++i) {
    const Port& port = ports->ports()[i];
    const std::optional<uint16_t> tx_queue = QueueOf(worker, options.workers, i, port.tx_queues);
    // One consumer: the worker that has the port's first queue.
    const bool uses_ring = !tx_queue || *tx_queue == 0;
    config.ports.push_back({.port = &port,
                            .rx_queue = QueueOf(worker, options.workers, i, port.rx_queues),
                            .tx_queue = tx_queue,
                            .handoff = uses_ring ? handoffs[i].get() : nullptr,
                            .counters = figures.by_worker[worker][i].get()});
  }
  return config;
}

DpdkBackend::DpdkBackend(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

DpdkBackend::~DpdkBackend() { Stop(); }

uint32_t DpdkBackend::workers() const { return impl_->options.workers; }

std::vector<std::string> DpdkBackend::warnings() const { return impl_->ports->Warnings(); }

absl::Status DpdkBackend::Start(const RelayServer& server) {
  if (impl_->started) return absl::FailedPreconditionError("the workers have been started before");
  impl_->started = true;
  if (absl::Status status = impl_->ports->Start(); !status.ok()) return status;
  impl_->monitor->Refresh();
  impl_->monitor->Start();
  impl_->kernel_path->Start();
  const SignalsBlocked blocked;
  for (uint32_t i = 0; i < impl_->options.workers; ++i) {
    Impl::Worker& worker = *impl_->workers[i];
    worker.loop = std::make_unique<DpdkWorker>(impl_->ConfigOf(i), server, *impl_->qsbr, worker.context);
    worker.thread = std::thread([loop = worker.loop.get()] { loop->Run(); });
    pthread_setname_np(worker.thread.native_handle(), absl::StrCat("relay-poll", i).c_str());
    if (absl::Status status = Pin(worker.thread, impl_->cores[i]); !status.ok()) {
      Stop();
      return status;
    }
  }
  return absl::OkStatus();
}

void DpdkBackend::Stop() {
  for (const auto& worker : impl_->workers) {
    if (worker->loop) worker->loop->Stop();
  }
  for (const auto& worker : impl_->workers) {
    if (worker->thread.joinable()) worker->thread.join();
  }
  for (const auto& worker : impl_->workers) {
    if (worker->loop) worker->loop->Settle();
    worker->loop.reset();
  }
  impl_->kernel_path->Stop();
  impl_->monitor->Stop();
  impl_->ports->Stop();
}

const Counters& DpdkBackend::counters(uint32_t worker) const { return impl_->workers[worker]->counters; }

const Counters& DpdkBackend::kernel_counters() const { return impl_->kernel_path->counters(); }

const PortFigures& DpdkBackend::figures() const { return impl_->figures; }

}  // namespace relay
