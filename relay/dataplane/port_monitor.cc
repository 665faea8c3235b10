#include "relay/dataplane/port_monitor.h"

#include <pthread.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "relay/dataplane/threads.h"

namespace relay {

namespace {
constexpr auto kInterval = std::chrono::seconds(1);
}  // namespace

PortMonitor::PortMonitor(Qsbr& qsbr, Ports& ports, std::vector<AddrPort> local_addrs, KernelPath* kernel_path,
                         PortFigures& figures, Tell tell)
    : ports_(ports),
      local_addrs_(std::move(local_addrs)),
      watch_(ports, kernel_path, figures, std::move(tell)),
      addresses_(qsbr),
      neighbours_(qsbr) {}

PortMonitor::~PortMonitor() { Stop(); }

void PortMonitor::Refresh() {
  RefreshAddresses();
  RefreshNeighbours();
  watch_.Look();
}

// What cannot be read stays as it was.
void PortMonitor::RefreshAddresses() {
  absl::StatusOr<std::vector<IpBytes>> found = ReadHostAddresses();
  std::vector<IpBytes> addresses = found.ok() ? *std::move(found) : known_addresses_;
  // No wire brings anything for them.
  std::erase_if(addresses, [](const IpBytes& ip) { return AddrPort{.ip = ip}.IsLoopback(); });
  for (const AddrPort& local : local_addrs_) addresses.push_back(local.ip);
  std::ranges::sort(addresses);
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  if (addresses == known_addresses_) return addresses_.Reclaim();
  addresses_.Publish(std::make_unique<const AddressSet>(addresses));
  known_addresses_ = std::move(addresses);
}

void PortMonitor::RefreshNeighbours() {
  std::vector<PortInterface> interfaces;
  for (const Port& port : ports_.ports()) {
    const uint32_t interface = port.kernel_interface.Get();
    if (interface == 0) continue;
    interfaces.push_back({.link_port = static_cast<uint16_t>(port.id + 1), .interface = interface});
  }
  if (interfaces.empty()) return;
  absl::StatusOr<std::vector<Link>> found = ReadNeighbours(interfaces);
  if (!found.ok()) return;
  auto neighbours = std::make_unique<const NeighbourSet>(*std::move(found));
  if (*neighbours == neighbours_.Latest()) return neighbours_.Reclaim();
  neighbours_.Publish(std::move(neighbours));
}

void PortMonitor::Start() {
  const SignalsBlocked blocked;
  thread_ = std::thread([this] {
    std::unique_lock lock(mutex_);
    while (!stopped_.wait_for(lock, kInterval, [this] { return stop_; })) {
      lock.unlock();
      Refresh();
      lock.lock();
    }
  });
  pthread_setname_np(thread_.native_handle(), "relay-monitor");
}

void PortMonitor::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  stopped_.notify_all();
  if (thread_.joinable()) thread_.join();
}

}  // namespace relay
