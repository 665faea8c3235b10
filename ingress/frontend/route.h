// A route at work: whom it admits, which node is next, how each node does. Outlives its place in the table as long as a
// connection holds it.
#ifndef RELAYD_INGRESS_FRONTEND_ROUTE_H_
#define RELAYD_INGRESS_FRONTEND_ROUTE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "disco/addr_port.h"
#include "relay/control/funnel_policy.h"
#include "relay/core/time.h"

namespace ingress {

using disco::AddrPort;
using relay::Duration;
using relay::Instant;

// Any thread.
class Route {
 public:
  explicit Route(relay::FunnelRoute config);
  // Of the same name, replaced in the table: connections, limits' buckets and the health of nodes that stay go over.
  Route(relay::FunnelRoute config, const Route& before);

  const relay::FunnelRoute& config() const { return config_; }
  bool Admits(const AddrPort& client) const;

  // A place among max_connections, held until it is destroyed.
  class Ticket {
   public:
    Ticket() = default;
    explicit Ticket(std::shared_ptr<std::atomic<uint64_t>> count) : count_(std::move(count)) {}  // Counted already.
    Ticket(Ticket&& other) noexcept = default;
    Ticket& operator=(Ticket&& other) noexcept {
      count_.swap(other.count_);
      return *this;
    }
    ~Ticket() {
      if (count_) count_->fetch_sub(1, std::memory_order_relaxed);
    }

   private:
    std::shared_ptr<std::atomic<uint64_t>> count_;
  };
  // new_per_second and max_connections.
  enum class Admission : uint8_t { kAdmitted, kTooMany, kTooFast };
  Admission Admit(Instant now, Ticket& out);

  // The node to dial for `port`: of those not yet tried (bit i of `tried`: config().peerapi[i]) the healthy one with
  // the fewest connections, equal ones in turn; if none is healthy, the one that failed least recently. -1: all were
  // tried. A node whose time out is over is given to one caller, and is out again until that one has reported.
  int Pick(uint16_t port, uint64_t tried, Instant now) const;
  // How a dial went. `failed`: no connection, no answer in time, or 5xx; a 4xx is not the node's fault. A failed node
  // is out for 5 s, twice as long each time that it fails again after that, 60 s at most; one success forgives all.
  void Report(uint16_t port, int node, bool failed, Instant now);
  // A dial that was given up says nothing of the node: if its time out was over, the next caller may try. Else clients
  // that leave at once could keep it out.
  void GiveUp(uint16_t port, int node, Instant now);
  // Connections that a node carries, from the dial on.
  void AddConnection(int node, int delta);

  // Both ways together: how many of `wanted` bytes may go now, by bytes_per_second; 0: none before `again`. Those who
  // are put off get a turn each. Bursts are of a quarter of a second, or of 64 KiB if that is more.
  size_t TakeBytes(size_t wanted, Instant now, Instant& again);
  void ReturnBytes(size_t unused);
  bool paced() const { return config_.bytes_per_second != 0; }

  uint64_t connections() const;
  bool Healthy(int node) const;  // Its last dial, on each port, was no failure.

 private:
  struct Shared;  // What goes over to the route that replaces this one.
  struct Node;    // So do those of the nodes that stay.

  Route(relay::FunnelRoute config, std::shared_ptr<Shared> shared, const Route* before);

  const relay::FunnelRoute config_;
  const std::shared_ptr<Shared> shared_;
  std::vector<std::shared_ptr<Node>> nodes_;  // As in config_.peerapi.
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_FRONTEND_ROUTE_H_
