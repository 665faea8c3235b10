// Finds a node that takes a connection: dials one's peerAPI, asks, reads the answer; if it is no 101, tries another.
#ifndef RELAYD_INGRESS_FRONTEND_NODE_DIALER_H_
#define RELAYD_INGRESS_FRONTEND_NODE_DIALER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ingress/event_loop.h"
#include "ingress/frontend/connection_home.h"
#include "ingress/frontend/frontend_stats.h"
#include "ingress/frontend/route.h"
#include "relay/control/fd.h"

namespace ingress {

// On its home's thread.
class NodeDialer {
 public:
  static constexpr int kMaxTries = 3;

  enum class State : uint8_t {
    kDialing,
    kOpen,         // A 101 is here: take socket, node and rest.
    kFailed,       // No node takes it: cause().
    kNoResources,  // We have no descriptor or port to dial with: no node's fault.
  };
  struct Target {
    std::shared_ptr<Route> route;
    AddrPort client;
    std::string_view name;  // Outlives the dialer.
    uint16_t port;
  };

  // `events`: told of the node's socket, and to call OnEvents. `timer`: the dialer sets it; OnTimeout is its function.
  NodeDialer(ConnectionHome& home, EventLoop::Handler& events, Timer& timer, Target target)
      : home_(home), events_(events), timer_(timer), target_(std::move(target)) {}
  ~NodeDialer() { Drop(); }
  NodeDialer(const NodeDialer&) = delete;
  NodeDialer& operator=(const NodeDialer&) = delete;

  State Begin() { return Next(); }
  State OnEvents(uint32_t events);
  State OnTimeout() { return Fail({CloseReason::kDialFailed}); }

  // Of kOpen. The socket stays with the loop, under the same handler; the node counts one connection, which is the
  // caller's to end now (Route::AddConnection).
  relay::Fd TakeSocket() { return std::exchange(fd_, relay::Fd()); }
  std::string_view rest() const { return rest_; }  // Bytes behind the answer's head; in the home's buffer, or here.
  bool may_have_more() const { return may_have_more_; }
  // The node that was tried last; -1: none.
  int node() const { return node_; }
  CloseCause cause() const { return cause_; }  // Of kFailed.

 private:
  State Next();
  State Connect(const AddrPort& node);
  State Ask();
  State ReadAnswer(bool last);  // `last`: the node has ended, behind what can be read.
  State Answered(const struct IngressAnswer& answer, std::string_view bytes);
  State Fail(CloseCause cause);
  void Drop();  // This try.

  ConnectionHome& home_;
  EventLoop::Handler& events_;
  Timer& timer_;
  const Target target_;
  uint64_t tried_ = 0;
  int tries_ = 0;
  int node_ = -1;
  bool counted_ = false;  // The node counts our connection.
  relay::Fd fd_;
  std::string request_;  // What is left to be written of it.
  bool asked_ = false;
  std::string answer_;  // If it comes in pieces: what is here.
  std::string_view rest_;
  bool may_have_more_ = false;
  CloseCause cause_{CloseReason::kDialFailed};
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_FRONTEND_NODE_DIALER_H_
