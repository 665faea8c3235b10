// TCPForward: a client's bytes to a backend and back.
#ifndef RELAYD_INGRESS_NODE_FUNNEL_FORWARD_H_
#define RELAYD_INGRESS_NODE_FUNNEL_FORWARD_H_

#include <memory>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "ingress/byte_pump.h"
#include "ingress/event_loop.h"
#include "ingress/node/funnel_manager.h"
#include "ingress/stream.h"
#include "ingress/tcp_stream.h"

namespace ingress {

// All forwards of a manager; with it they end, by resets.
class FunnelForwards {
 public:
  FunnelForwards(EventLoop& loop, const FunnelManager::Options& options, std::shared_ptr<FunnelManager::Stats> stats);
  ~FunnelForwards();

  // Connects to `backend`, which gets `front` (a PROXY header) and then what the client sends. If it does not answer,
  // the client gets a reset.
  void Start(std::unique_ptr<Stream> client, const AddrPort& backend, std::string front);

 private:
  class Forward;

  EventLoop& loop_;
  const FunnelManager::Options options_;
  const std::shared_ptr<FunnelManager::Stats> stats_;
  absl::flat_hash_set<std::unique_ptr<Forward>> forwards_;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_FUNNEL_FORWARD_H_
