#include "ingress/frontend/connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

namespace ingress {
namespace {

// What a client may still send behind our alert, and for how long: closed at once, the reset that its bytes cause
// could overtake the alert.
constexpr Duration kAlertLinger = std::chrono::seconds(1);
constexpr size_t kAlertDrainBytes = 65'536;

void CountRefusal(ConnectionHome& home, CloseReason reason, const AddrPort& peer, uint16_t port) {
  const CloseCause cause{reason};
  home.stats.Closed(cause);
  const std::string name = cause.ToString();
  AccessRecord record{
      .time = std::chrono::system_clock::now(), .client = peer, .port = port, .reason = name, .refused = true};
  home.log.Add(record);
}

}  // namespace

ConnectionHome::ConnectionHome(FrontendShared& all, size_t thread, size_t max_pipes)
    : shared(all), index(thread), pipes(max_pipes), log(*all.access_log, loop) {}

ConnectionHome::~ConnectionHome() = default;

void Connection::Accept(ConnectionHome& home, relay::Fd client, const AddrPort& peer, uint16_t port) {
  FrontendShared& shared = home.shared;
  home.stats.accepted.Add(1);
  if (client.get() < 0) return CountRefusal(home, CloseReason::kGlobalLimit, peer, port);
  const bool proxied = home.limits->FromProxy(peer);
  if (shared.connections.fetch_add(1, std::memory_order_relaxed) >= home.limits->max_connections) {
    shared.connections.fetch_sub(1, std::memory_order_relaxed);
    return CountRefusal(home, CloseReason::kGlobalLimit, peer, port);
  }
  home.connections.emplace_front(home, std::move(client), peer, port, proxied);
  Connection& connection = home.connections.front();
  connection.self_ = home.connections.begin();
  if (!proxied && !connection.AdmitSource()) return connection.Close({CloseReason::kSourceLimit});
  if (shared.pending.fetch_add(1, std::memory_order_relaxed) >= home.limits->max_pending) {
    shared.pending.fetch_sub(1, std::memory_order_relaxed);
    return connection.Close({CloseReason::kGlobalLimit});
  }
  connection.pending_ = true;
  connection.ReadHello();
}

Connection::Connection(ConnectionHome& home, relay::Fd client, const AddrPort& peer, uint16_t port, bool proxied)
    : home_(home),
      port_(port),
      client_(*this, &Connection::OnClient),
      node_(*this, &Connection::OnNode),
      addr_(peer),
      timer_(home.loop, [this] { OnTimer(); }),
      began_(home.loop.now()),
      active_(began_),
      intake_(std::make_unique<HelloIntake>(home.shared.options.hello_cap, proxied)) {
  client_.fd = std::move(client);
}

Connection::~Connection() {
  to_node_.pump.Release(home_.pipes);
  to_client_.pump.Release(home_.pipes);
  home_.loop.Forget(client_);
  home_.loop.Forget(node_);
  if (node_counted_) route_->AddConnection(node_index_, -1);
  if (series_) series_->of(home_.index).connections.Add(static_cast<uint64_t>(-1));
  LeavePending();
  home_.shared.connections.fetch_sub(1, std::memory_order_relaxed);
}

void Connection::OnClient(uint32_t events) {
  client_.seen |= events & kReadable;
  switch (state_) {
    case State::kHello:
      if ((events & kReadable) != 0) ReadHello();
      return;
    case State::kDial:
      if ((events & (EPOLLERR | EPOLLHUP)) != 0) Close({CloseReason::kReset});
      return;
    case State::kSplice:
      if ((events & EPOLLOUT) != 0 && to_client_.pump.blocked() && !Visit(to_client_)) return;
      if ((events & kReadable) != 0) Carry(to_node_, client_.seen);
      return;
    case State::kAlert:
      if ((events & kReadable) != 0) DrainAfterAlert();
      return;
  }
}

void Connection::OnNode(uint32_t events) {
  node_.seen |= events & kReadable;
  if (state_ == State::kDial) return Dialed(dialer_->OnEvents(events));
  if (state_ != State::kSplice) return;
  if ((events & EPOLLOUT) != 0 && to_node_.pump.blocked() && !Visit(to_node_)) return;
  if ((events & kReadable) != 0) Carry(to_client_, node_.seen);
}

void Connection::OnTimer() {
  switch (state_) {
    case State::kHello:
      return Close({CloseReason::kHelloTimeout});
    case State::kDial:
      return Dialed(dialer_->OnTimeout());
    case State::kSplice: {
      const Instant idle_at = active_ + home_.shared.options.idle_timeout;
      if (idle_at <= home_.loop.now()) return Close({CloseReason::kIdle});
      return timer_.SetAt(idle_at);
    }
    case State::kAlert:
      return Close(cause_);
  }
}

void Connection::Alert(uint8_t description, CloseCause cause) {
  // A fatal alert in a record of its own (RFC 8446 section 6), with the version that every client takes before one is
  // agreed upon.
  const uint8_t alert[] = {21, 3, 1, 0, 2, 2, description};
  cause_ = cause;
  state_ = State::kAlert;
  dialer_.reset();
  intake_.reset();
  if (send(client_.fd.get(), alert, sizeof(alert), MSG_NOSIGNAL) < 0) return Close(cause);
  shutdown(client_.fd.get(), SHUT_WR);
  timer_.Set(kAlertLinger);
  if (client_.seen != 0) DrainAfterAlert();
}

void Connection::DrainAfterAlert() {
  while (drained_ < kAlertDrainBytes) {
    const ssize_t got = recv(client_.fd.get(), home_.buffer.data(), home_.buffer.size(), 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) break;
    drained_ += static_cast<size_t>(got);
  }
  Close(cause_);
}

AccessRecord Connection::Record(const std::string& reason) const {
  std::optional<AddrPort> node;
  if (node_index_ >= 0) node = route_->config().peerapi[static_cast<size_t>(node_index_)];
  return {.time = std::chrono::system_clock::now(),
          .client = addr_,
          .name = name_,
          .port = port_,
          .node = node,
          .reason = reason,
          .duration = home_.loop.now() - began_,
          .bytes_to_node = bytes_to_node_,
          .bytes_to_client = bytes_to_client_,
          .hello = hello_took_,
          .dial = dial_took_,
          .refused = !spliced_};
}

void Connection::Close(CloseCause cause) {
  home_.stats.Closed(cause);
  const std::string reason = cause.ToString();
  AccessRecord record = Record(reason);
  home_.log.Add(record);
  home_.connections.erase(self_);
}

}  // namespace ingress
