// MetricsServer: prometheus-cpp's Exposer over CollectMetrics.
#include <netinet/in.h>
#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <prometheus/metric_family.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <exception>
#include <string>
#include <thread>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "relay/control/metrics.h"
#include "relay/control/text.h"

namespace relay {
namespace {

using disco::AddrPort;

// Calls bind or connect with `addr` as the system takes it.
int WithSockaddr(int (*call)(int, const sockaddr*, socklen_t), int fd, const AddrPort& addr) {
  if (addr.IsIpv4()) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(addr.port);
    std::memcpy(&v4.sin_addr, addr.ip.data() + 12, sizeof(v4.sin_addr));
    return call(fd, reinterpret_cast<const sockaddr*>(&v4), sizeof(v4));
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(addr.port);
  v6.sin6_scope_id = addr.scope;
  std::copy(addr.ip.begin(), addr.ip.end(), v6.sin6_addr.s6_addr);
  return call(fd, reinterpret_cast<const sockaddr*>(&v6), sizeof(v6));
}

int OpenSocket(const AddrPort& addr) {
  return socket(addr.IsIpv4() ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

// The Exposer's error does not say why it cannot listen, so the address is tried once before. errno, or 0.
int TryListen(const AddrPort& addr) {
  const int fd = OpenSocket(addr);
  if (fd < 0) return errno;
  const absl::Cleanup close_fd = [fd] { close(fd); };
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  return WithSockaddr(bind, fd, addr) == 0 && listen(fd, 1) == 0 ? 0 : errno;
}

void Poke(const AddrPort& addr) {
  const int fd = OpenSocket(addr);
  if (fd < 0) return;
  WithSockaddr(connect, fd, addr);
  close(fd);
}

}  // namespace

class MetricsServer::Source : public prometheus::Collectable {
 public:
  explicit Source(MetricSources sources) : sources_(std::move(sources)) {}
  std::vector<prometheus::MetricFamily> Collect() const override { return CollectMetrics(sources_); }

 private:
  MetricSources sources_;
};

MetricsServer::MetricsServer(const AddrPort& local, MetricSources sources)
    : local_(local), source_(std::make_shared<Source>(std::move(sources))) {
  // A scrape is short: an idle client gives its thread back soon, and the end of the process waits for it.
  const std::vector<std::string> options = {
      "listening_ports", local.ToString(), "num_threads", "8", "request_timeout_ms", "1000"};
  exposer_ = std::make_unique<prometheus::Exposer>(options);
  exposer_->RegisterCollectable(source_);
  const std::vector<int> ports = exposer_->GetListeningPorts();
  if (!ports.empty()) local_.port = static_cast<uint16_t>(ports[0]);
}

// civetweb looks whether it is to stop only every two seconds, or when somebody connects: relayd has not that long to
// end.
MetricsServer::~MetricsServer() {
  if (exposer_ == nullptr) return;
  std::atomic<bool> stopped{false};
  std::thread waker([&] {
    while (!stopped) {
      Poke(local_);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  });
  exposer_.reset();
  stopped = true;
  waker.join();
}

absl::StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Open(const AddrPort& listen, MetricSources sources) {
  const std::string failed = text::Cat("cannot serve metrics on ", listen.ToString(), ": ");
  if (const int error = TryListen(listen); error != 0) return absl::UnavailableError(failed + std::strerror(error));
  try {
    return std::unique_ptr<MetricsServer>(new MetricsServer(listen, std::move(sources)));
  } catch (const std::exception& e) {
    return absl::UnavailableError(failed + e.what());
  }
}

}  // namespace relay
