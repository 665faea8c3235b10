// From the first byte to a node's 101.
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "ingress/frontend/connection.h"

namespace ingress {
namespace {

constexpr uint8_t kUnrecognizedName = 112;  // TLS alerts, RFC 8446 section 6.
constexpr uint8_t kInternalError = 80;

}  // namespace

bool Connection::AdmitSource() {
  return home_.shared.sources.Admit(addr_, home_.loop.now(), source_) == SourceTable::Verdict::kAdmitted;
}

void Connection::LeavePending() {
  if (std::exchange(pending_, false)) home_.shared.pending.fetch_sub(1, std::memory_order_relaxed);
}

// Often the hello is there at once: the loop and a timer are told of the connection only if it is not, or then.
void Connection::ReadHello() {
  const bool first = !timer_.is_set();
  HelloIntake::State state = HelloIntake::State::kReading;
  // Once more if the client's end has been told with its bytes: it is not told again.
  do {
    const size_t wanted = std::min(intake_->room(), home_.buffer.size());
    const ssize_t got = recv(client_.fd.get(), home_.buffer.data(), wanted, 0);
    if (got == 0) return Close({CloseReason::kNotTls});
    if (got < 0 && errno == EAGAIN) break;
    if (got < 0) return Close({CloseReason::kReset});
    if (static_cast<size_t>(got) < wanted) client_.seen &= kLastBytes;
    const bool awaited_proxy = intake_->awaits_proxy();
    state = intake_->Feed({home_.buffer.data(), static_cast<size_t>(got)});
    if (awaited_proxy && !intake_->awaits_proxy() && !TakeProxyHeader()) return Close({CloseReason::kSourceLimit});
    if (state == HelloIntake::State::kRefused) return Close({intake_->reason()});
  } while (state == HelloIntake::State::kReading && (client_.seen & kLastBytes) != 0);
  if (first && !home_.loop.Add(client_.fd.get(), kSocketEvents, client_)) return Close({CloseReason::kGlobalLimit});
  if (state == HelloIntake::State::kDone) return FindRoute();
  if (first) timer_.Set(home_.shared.options.hello_timeout);
}

bool Connection::TakeProxyHeader() {
  if (intake_->proxy()) {
    addr_ = intake_->proxy()->source;
    port_ = intake_->proxy()->destination.port;
  }
  return AdmitSource();
}

void Connection::FindRoute() {
  hello_took_ = home_.loop.now() - began_;
  home_.stats.hello.Observe(*hello_took_);
  timer_.Cancel();
  LeavePending();
  if (intake_->server_name().empty()) return Alert(kUnrecognizedName, {CloseReason::kNoName});
  name_ = intake_->server_name();
  route_ = home_.routing->table->Find(name_, port_);
  if (!route_) return Alert(kUnrecognizedName, {CloseReason::kUnknownName});
  if (!route_->Admits(addr_)) return Close({CloseReason::kDenied});
  if (route_->Admit(home_.loop.now(), place_) != Route::Admission::kAdmitted) return Close({CloseReason::kRouteLimit});
  const auto series = home_.routing->series.find(route_.get());
  if (series != home_.routing->series.end()) {
    series_ = series->second;
    series_->of(home_.index).accepted.Add(1);
    series_->of(home_.index).connections.Add(1);
  }
  state_ = State::kDial;
  dialer_ = std::make_unique<NodeDialer>(
      home_, node_, timer_, NodeDialer::Target{.route = route_, .client = addr_, .name = name_, .port = port_});
  Dialed(dialer_->Begin());
}

void Connection::Dialed(NodeDialer::State state) {
  if (std::exchange(node_index_, dialer_->node()) != node_index_) node_.seen = 0;  // Another socket.
  switch (state) {
    case NodeDialer::State::kDialing:
      return;
    case NodeDialer::State::kNoResources:
      return Close({CloseReason::kGlobalLimit});
    case NodeDialer::State::kFailed:
      return Alert(kInternalError, dialer_->cause());
    case NodeDialer::State::kOpen:
      return BeginSplice();
  }
}

}  // namespace ingress
