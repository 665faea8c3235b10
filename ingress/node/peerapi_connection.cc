#include "ingress/node/peerapi_connection.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

#include "ingress/tcp_socket.h"

namespace ingress {
namespace {

constexpr size_t kReadBytes = 16'384;  // A head, and the first bytes of the client's behind it.

}  // namespace

PeerApiConnection::PeerApiConnection(EventLoop& loop, relay::Fd fd, const AddrPort& remote,
                                     const PeerApiServer::Options& options, Done done)
    : loop_(loop), fd_(std::move(fd)), remote_(remote), options_(options), done_(std::move(done)), timer_(loop, [this] {
        OnTimeout();
      }) {
  timer_.Set(options_.idle_time);
}

PeerApiConnection::~PeerApiConnection() { Release(); }

bool PeerApiConnection::Watch() { return loop_.Add(fd_.get(), EPOLLIN, *this); }

relay::Fd PeerApiConnection::Release() {
  if (fd_.get() >= 0) loop_.Remove(fd_.get(), *this);
  return std::move(fd_);
}

void PeerApiConnection::OnEvents(uint32_t) {
  std::array<char, kReadBytes> bytes;
  const ssize_t size = recv(fd_.get(), bytes.data(), bytes.size(), 0);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size <= 0) return Finish(End::kGone);
  if (!std::exchange(begun_, true)) timer_.Set(options_.request_time);
  unread_.append(bytes.data(), static_cast<size_t>(size));
  unread_.erase(0, parser_.Put(unread_));
  if (parser_.head_complete()) {
    parser_.request().remote = remote_;
    parser_.request().local = LocalAddr(fd_.get());
    return Finish(End::kRequest);
  }
  if (parser_.state() == relay::HttpParser::State::kMalformed) return Finish(End::kMalformed);
  if (parser_.state() == relay::HttpParser::State::kHeadTooBig) return Finish(End::kHeadTooBig);
}

void PeerApiConnection::OnTimeout() { Finish(begun_ ? End::kTimeout : End::kGone); }

void PeerApiConnection::Finish(End end) {
  timer_.Cancel();
  if (const Done done = std::exchange(done_, {}); done) done(*this, end);
}

}  // namespace ingress
