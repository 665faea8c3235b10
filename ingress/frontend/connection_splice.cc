// From a node's 101 to the end: both ways.
#include <sys/socket.h>

#include <utility>

#include "ingress/frontend/connection.h"
#include "ingress/tcp_socket.h"

namespace ingress {

void Connection::BeginSplice() {
  state_ = State::kSplice;
  spliced_ = true;
  node_.fd = dialer_->TakeSocket();
  node_counted_ = true;
  dial_took_ = home_.loop.now() - began_ - *hello_took_;
  home_.stats.dial.Observe(*dial_took_);
  if (!dialer_->may_have_more()) node_.seen &= kLastBytes;
  again_.emplace(home_.loop, [this] { Again(); });

  // What the node has said behind its answer, and the hello.
  const SplicePump::Visit to_client = to_client_.pump.Put(client_.fd.get(), dialer_->rest());
  const SplicePump::Visit to_node = to_node_.pump.Put(node_.fd.get(), intake_->bytes());
  dialer_.reset();
  intake_.reset();
  active_ = home_.loop.now();
  timer_.Set(home_.shared.options.idle_timeout);
  if (!Moved(to_client_, to_client) || !Moved(to_node_, to_node)) return;
  // What the loop has told already it does not tell again.
  if (client_.seen != 0 && !Carry(to_node_, client_.seen)) return;
  if (node_.seen != 0) Carry(to_client_, node_.seen);
}

// `seen`, of the side that is read from.
bool Connection::Carry(Way& way, uint32_t& seen) {
  if ((seen & kLastBytes) != 0) way.pump.ExpectEnd();
  const bool reset = (seen & EPOLLERR) != 0;
  seen &= kLastBytes;
  // Bytes that came before a reset go first, if they can go at once.
  if (reset && (way.pump.ended() || way.pump.blocked() || way.paused)) {
    Reset();
    return false;
  }
  if (way.queued || way.paused || way.pump.ended() || way.pump.blocked()) return true;
  return Visit(way);
}

bool Connection::Visit(Way& way) {
  const bool out = &way == &to_node_;
  const int from = (out ? client_ : node_).fd.get();
  const int to = (out ? node_ : client_).fd.get();
  if (way.pump.blocked()) {
    const SplicePump::Visit flushed = way.pump.Run(from, to, 0, home_.tools());
    if (!Moved(way, flushed)) return false;
    if (flushed.outcome != SplicePump::Outcome::kMore) return true;
  }
  const size_t allowed = Allowance(way);
  if (allowed == 0) return true;
  const SplicePump::Visit visit = way.pump.Run(from, to, allowed, home_.tools());
  if (route_->paced() && visit.read < allowed) route_->ReturnBytes(allowed - visit.read);
  if (visit.outcome == SplicePump::Outcome::kMore) {
    way.queued = true;
    again_->Schedule();
  }
  return Moved(way, visit);
}

// 0: paused, and woken in time.
size_t Connection::Allowance(Way& way) {
  if (!route_->paced()) return kCopyBytes;
  Instant again = home_.loop.now();
  const size_t allowed = route_->TakeBytes(kCopyBytes, home_.loop.now(), again);
  if (allowed > 0) return allowed;
  way.paused = true;
  if (!pace_) pace_ = std::make_unique<Timer>(home_.loop, [this] { Resume(); });
  pace_->SetAt(again);
  return 0;
}

bool Connection::Moved(Way& way, const SplicePump::Visit& visit) {
  if (visit.read + visit.written > 0) active_ = home_.loop.now();
  Count(way, visit.written);
  if (visit.outcome == SplicePump::Outcome::kFailed) {
    Reset();
    return false;
  }
  if (visit.outcome != SplicePump::Outcome::kEnded) return true;
  const bool out = &way == &to_node_;
  if ((out ? to_client_ : to_node_).pump.ended()) {
    Close({CloseReason::kDone});
    return false;
  }
  shutdown((out ? node_ : client_).fd.get(), SHUT_WR);
  return true;
}

// One visit of each way that has more: it is queued again if it still has.
void Connection::Again() {
  for (Way* const way : {&to_node_, &to_client_}) {
    if (std::exchange(way->queued, false) && !Visit(*way)) return;
  }
}

void Connection::Resume() {
  for (Way* const way : {&to_node_, &to_client_}) {
    if (std::exchange(way->paused, false) && !Visit(*way)) return;
  }
}

void Connection::Count(const Way& way, size_t written) {
  if (written == 0) return;
  if (&way == &to_node_) {
    bytes_to_node_ += written;
    home_.stats.to_node_bytes.Add(written);
    if (series_) series_->of(home_.index).to_node_bytes.Add(written);
  } else {
    bytes_to_client_ += written;
    home_.stats.to_client_bytes.Add(written);
    if (series_) series_->of(home_.index).to_client_bytes.Add(written);
  }
}

// What one side did, the other one gets.
void Connection::Reset() {
  ResetOnClose(client_.fd.get());
  ResetOnClose(node_.fd.get());
  Close({CloseReason::kReset});
}

}  // namespace ingress
