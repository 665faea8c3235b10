// What connections share: with all of the frontend, and with those of their own thread.
#ifndef RELAYD_INGRESS_FRONTEND_CONNECTION_HOME_H_
#define RELAYD_INGRESS_FRONTEND_CONNECTION_HOME_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <vector>

#include "ingress/event_loop.h"
#include "ingress/frontend/access_log.h"
#include "ingress/frontend/frontend.h"
#include "ingress/frontend/frontend_stats.h"
#include "ingress/frontend/pipe_pool.h"
#include "ingress/frontend/splice_pump.h"
#include "ingress/source_table.h"

namespace ingress {

class Connection;

// Of the whole frontend; any thread.
struct FrontendShared {
  FrontendShared(const FrontendOptions& o, std::unique_ptr<AccessLog> log) : options(o), access_log(std::move(log)) {}

  const FrontendOptions options;
  const std::unique_ptr<AccessLog> access_log;
  SourceTable sources;
  std::atomic<uint64_t> connections{0};  // Open now.
  std::atomic<uint64_t> pending{0};      // Those of them whose hello is not here yet.
};

// The policy's limits, fitted to the descriptors that there are. Replaced whole.
struct FrontendLimits {
  uint64_t max_connections = 0;
  uint64_t max_pending = 0;
  std::vector<relay::Prefix> proxy_protocol_from;

  bool FromProxy(const AddrPort& peer) const {
    return std::any_of(proxy_protocol_from.begin(), proxy_protocol_from.end(),
                       [&](const relay::Prefix& prefix) { return prefix.Contains(peer); });
  }
};

// Of one thread; on that thread alone, but for `stats`.
struct ConnectionHome {
  ConnectionHome(FrontendShared& all, size_t thread, size_t max_pipes);
  ~ConnectionHome();  // Without connections.

  SplicePump::Tools tools() { return {buffer, pipes}; }

  FrontendShared& shared;
  const size_t index;
  EventLoop loop;
  ThreadStats stats;
  std::vector<char> buffer = std::vector<char>(kCopyBytes);  // Of nobody between two calls.
  PipePool pipes;
  AccessLogBuffer log;
  std::shared_ptr<const Routing> routing;
  std::shared_ptr<const FrontendLimits> limits;
  std::list<Connection> connections;
};

// Events of a connection's socket. Edge-triggered, so that a socket is told to epoll once.
inline constexpr uint32_t kSocketEvents = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
inline constexpr uint32_t kReadable = EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR;
inline constexpr uint32_t kLastBytes = EPOLLRDHUP | EPOLLHUP | EPOLLERR;  // The other side's end, or reset.

}  // namespace ingress

#endif  // RELAYD_INGRESS_FRONTEND_CONNECTION_HOME_H_
