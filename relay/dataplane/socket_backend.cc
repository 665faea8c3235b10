#include "relay/dataplane/socket_backend.h"

#include <pthread.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "relay/dataplane/gso.h"
#include "relay/dataplane/socket_worker.h"
#include "relay/dataplane/threads.h"
#include "relay/dataplane/udp_socket.h"

namespace relay {

namespace {

bool WantsGso(SocketBackend::Options::Gso choice) {
  if (choice != SocketBackend::Options::Gso::kAuto) return choice == SocketBackend::Options::Gso::kOn;
  utsname kernel{};
  return uname(&kernel) == 0 && !KernelCorruptsTrains(kernel.release);
}

}  // namespace

struct SocketBackend::Impl {
  struct Worker {
    Counters counters;
    WorkerContext context;
    std::unique_ptr<SocketWorker> loop;
    std::thread thread;
  };

  Options options;
  bool gso = false;
  bool started = false;
  std::vector<SocketSet> sockets;  // By worker.
  std::vector<std::unique_ptr<Worker>> workers;
};

absl::StatusOr<std::unique_ptr<SocketBackend>> SocketBackend::Open(const Options& options) {
  if (options.workers == 0 || options.workers > kMaxWorkers) {
    return absl::InvalidArgumentError(absl::StrCat("workers must be 1 to ", kMaxWorkers));
  }
  if (!options.cores.empty() && options.cores.size() != options.workers) {
    return absl::InvalidArgumentError(
        absl::StrCat(options.cores.size(), " cores given for ", options.workers, " workers"));
  }
  absl::StatusOr<std::vector<SocketSet>> sockets = OpenSocketSets({.port = options.udp_port,
                                                                   .workers = options.workers,
                                                                   .gro = options.gro,
                                                                   .buffer_bytes = options.socket_buffer_bytes});
  if (!sockets.ok()) return sockets.status();
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  impl->sockets = *std::move(sockets);
  impl->gso = WantsGso(options.gso) && impl->sockets.front().front().HasGso();
  for (uint32_t i = 0; i < options.workers; ++i) {
    auto& worker = *impl->workers.emplace_back(std::make_unique<Impl::Worker>());
    worker.context.id = static_cast<uint16_t>(options.first_worker + i);
    worker.context.counters = &worker.counters;
    worker.context.control_bucket = WorkerControlBucket(options.worker_control_rate);
  }
  return std::unique_ptr<SocketBackend>(new SocketBackend(std::move(impl)));
}

SocketBackend::SocketBackend(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

SocketBackend::~SocketBackend() { Stop(); }

uint16_t SocketBackend::port() const { return impl_->sockets.front().front().port(); }

uint32_t SocketBackend::workers() const { return impl_->options.workers; }

bool SocketBackend::has_ipv6() const {
  const SocketSet& set = impl_->sockets.front();
  return std::ranges::any_of(set, [](const UdpSocket& s) { return s.family() != UdpSocket::Family::kIpv4; });
}

bool SocketBackend::gso_enabled() const { return impl_->gso; }

const SocketSet& SocketBackend::sockets() const { return impl_->sockets.front(); }

int SocketBackend::receive_buffer_bytes() const { return impl_->sockets.front().front().receive_buffer_bytes(); }

absl::Status SocketBackend::Start(const RelayServer& server, Qsbr& qsbr) {
  if (impl_->started) return absl::FailedPreconditionError("the socket workers have been started before");
  impl_->started = true;
  const SignalsBlocked blocked;
  for (size_t i = 0; i < impl_->workers.size(); ++i) {
    Impl::Worker& worker = *impl_->workers[i];
    worker.loop = std::make_unique<SocketWorker>(impl_->sockets[i], server, qsbr, worker.context, impl_->gso);
    worker.thread = std::thread([loop = worker.loop.get()] { loop->Run(); });
    pthread_setname_np(worker.thread.native_handle(), absl::StrCat("relay-worker", i).c_str());
    if (impl_->options.cores.empty()) continue;
    if (const absl::Status status = Pin(worker.thread, impl_->options.cores[i]); !status.ok()) {
      Stop();
      return status;
    }
  }
  return absl::OkStatus();
}

void SocketBackend::Stop() {
  for (const auto& worker : impl_->workers) {
    if (worker->loop) worker->loop->Stop();
  }
  for (const auto& worker : impl_->workers) {
    if (worker->thread.joinable()) worker->thread.join();
    worker->loop.reset();
  }
}

const Counters& SocketBackend::counters(uint32_t worker) const { return impl_->workers[worker]->counters; }

}  // namespace relay
