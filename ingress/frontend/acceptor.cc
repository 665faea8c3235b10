#include "ingress/frontend/acceptor.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "ingress/tcp_socket.h"
#include "relay/control/log.h"

namespace ingress {
namespace {

constexpr Duration kWarnEvery = std::chrono::seconds(10);

relay::Fd OpenSpare() { return relay::Fd(open("/dev/null", O_RDONLY | O_CLOEXEC)); }

int AcceptOne(const PublicListener& listener, AddrPort& peer) {
  sockaddr_storage address;  // Not cleared: the kernel fills what it says.
  socklen_t size = sizeof(address);
  const int fd = accept4(listener.fd.get(), reinterpret_cast<sockaddr*>(&address), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0) peer = FromSockaddr(address);
  return fd;
}

}  // namespace

Acceptor::Acceptor(EventLoop& loop, Accepted accepted)
    : loop_(loop), accepted_(std::move(accepted)), spare_(OpenSpare()), pause_(loop, [this] { WatchAll(); }) {}

void Acceptor::Start(std::shared_ptr<const PublicListeners> listeners) {
  listeners_ = std::move(listeners);
  for (const PublicListener& listener : *listeners_) watches_.emplace_back(*this, listener);
  WatchAll();
}

void Acceptor::WatchAll() {
  for (Watch& watch : watches_) loop_.Add(watch.listener.fd.get(), EPOLLIN | EPOLLEXCLUSIVE, watch);
}

void Acceptor::WatchNone() {
  for (Watch& watch : watches_) loop_.Remove(watch.listener.fd.get(), watch);
}

void Acceptor::Stop() {
  pause_.Cancel();
  WatchNone();
  watches_.clear();
  listeners_.reset();
}

void Acceptor::Visit(const PublicListener& listener) {
  for (int i = 0; i < kMostAVisit; ++i) {
    AddrPort peer;
    const int fd = AcceptOne(listener, peer);
    if (fd >= 0) {
      accepted_(relay::Fd(fd), peer, listener.port);
    } else if (errno == EAGAIN || !Failed(errno, listener)) {
      return;
    }
  }
}

bool Acceptor::Failed(int error, const PublicListener& listener) {
  // Gone before we took it, or its network said no (accept(2)): the next one is another's.
  if (error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM)
    return error != EINVAL && error != EBADF;
  if (loop_.now() - warned_at_ >= kWarnEvery) {
    warned_at_ = loop_.now();
    relay::Log(relay::LogLevel::kWarning, "a public connection is refused: out of resources",
               {{"error", std::generic_category().message(error)}});
  }
  // The spare descriptor takes one and closes it, so that its client knows, instead of leaving it to wait.
  if (spare_.get() >= 0) {
    spare_ = relay::Fd();
    AddrPort peer;
    const int fd = AcceptOne(listener, peer);
    const int refused_error = errno;
    if (fd >= 0) close(fd);
    spare_ = OpenSpare();
    if (fd >= 0) {
      accepted_(relay::Fd(), peer, listener.port);
      return true;
    }
    if (refused_error == EAGAIN) return false;
  } else {
    spare_ = OpenSpare();
  }
  WatchNone();
  pause_.Set(kPause);
  return false;
}

}  // namespace ingress
