#include "ingress/frontend/node_dialer.h"

#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include "ingress/frontend/ingress_answer.h"
#include "ingress/frontend/public_socket.h"
#include "ingress/tcp_socket.h"

namespace ingress {
namespace {

// Of ours, not of the node's: descriptors, memory, local ports.
bool OutOfResources(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM || error == EADDRNOTAVAIL ||
         error == EAGAIN;
}

}  // namespace

NodeDialer::State NodeDialer::Next() {
  Drop();
  if (tries_ == kMaxTries) return State::kFailed;
  const int node = target_.route->Pick(target_.port, tried_, home_.loop.now());
  if (node < 0) return State::kFailed;
  ++tries_;
  tried_ |= uint64_t{1} << node;
  node_ = node;
  target_.route->AddConnection(node, 1);
  counted_ = true;
  return Connect(target_.route->config().peerapi[static_cast<size_t>(node)]);
}

NodeDialer::State NodeDialer::Connect(const AddrPort& node) {
  fd_ = relay::Fd(socket(node.IsIpv4() ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd_.get() < 0) return State::kNoResources;
  SetConnectionOptions(fd_.get(), std::chrono::duration_cast<std::chrono::seconds>(home_.shared.options.keepalive));
  sockaddr_storage address{};
  const socklen_t size = ToSockaddr(node, address);
  if (connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 && errno != EINPROGRESS) {
    return OutOfResources(errno) ? State::kNoResources : Fail({CloseReason::kDialFailed});
  }
  if (!home_.loop.Add(fd_.get(), kSocketEvents, events_)) return State::kNoResources;
  request_ = IngressRequest(node, target_.client, target_.name, target_.port);
  asked_ = false;
  timer_.Set(home_.shared.options.dial_timeout);
  return State::kDialing;
}

NodeDialer::State NodeDialer::OnEvents(uint32_t events) {
  if (!asked_) {
    if ((events & (EPOLLERR | EPOLLHUP)) != 0) return Fail({CloseReason::kDialFailed});
    const int tries = tries_;
    const State state = (events & EPOLLOUT) != 0 ? Ask() : State::kDialing;
    if (state != State::kDialing || tries_ != tries || !asked_) return state;
  }
  return (events & kReadable) != 0 ? ReadAnswer((events & kLastBytes) != 0) : State::kDialing;
}

NodeDialer::State NodeDialer::Ask() {
  const ssize_t sent = send(fd_.get(), request_.data(), request_.size(), MSG_NOSIGNAL);
  if (sent < 0) return errno == EAGAIN ? State::kDialing : Fail({CloseReason::kDialFailed});
  request_.erase(0, static_cast<size_t>(sent));
  asked_ = request_.empty();
  if (asked_) timer_.Set(home_.shared.options.dial_timeout);
  return State::kDialing;
}

NodeDialer::State NodeDialer::ReadAnswer(bool last) {
  const ssize_t got = recv(fd_.get(), home_.buffer.data(), home_.buffer.size(), 0);
  if (got < 0 && errno == EAGAIN) return State::kDialing;
  if (got <= 0) return Fail({CloseReason::kDialFailed});
  may_have_more_ = static_cast<size_t>(got) == home_.buffer.size();
  std::string_view bytes(home_.buffer.data(), static_cast<size_t>(got));
  if (!answer_.empty()) bytes = answer_.append(bytes);
  const IngressAnswer answer = ReadIngressAnswer(bytes);
  if (answer.state == IngressAnswer::State::kDone) return Answered(answer, bytes);
  if (answer.state == IngressAnswer::State::kMalformed) return Fail({CloseReason::kDialFailed});
  if (answer_.empty()) answer_ = bytes;
  // An end that has been told with these bytes is not told again.
  return last ? ReadAnswer(last) : State::kDialing;
}

NodeDialer::State NodeDialer::Answered(const IngressAnswer& answer, std::string_view bytes) {
  if (answer.status != 101) return Fail({CloseReason::kRefused, answer.status});
  target_.route->Report(target_.port, node_, false, home_.loop.now());
  timer_.Cancel();
  counted_ = false;  // It is the caller's.
  rest_ = bytes.substr(answer.head_size);
  return State::kOpen;
}

NodeDialer::State NodeDialer::Fail(CloseCause cause) {
  const bool answered = cause.reason == CloseReason::kRefused && cause.status < 500;
  target_.route->Report(target_.port, node_, !answered, home_.loop.now());
  cause_ = cause;
  return Next();
}

void NodeDialer::Drop() {
  timer_.Cancel();
  answer_.clear();
  if (fd_.get() >= 0) home_.loop.Forget(events_);
  fd_ = relay::Fd();
  if (counted_) target_.route->AddConnection(node_, -1);
  counted_ = false;
}

}  // namespace ingress
