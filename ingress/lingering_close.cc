#include "ingress/lingering_close.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace ingress {

class LingeringCloser::Closing : public EventLoop::Handler {
 public:
  Closing(EventLoop& loop, relay::Fd fd, std::string unsent)
      : deadline(loop.now() + kTime), loop_(loop), fd_(std::move(fd)), unsent_(std::move(unsent)) {}
  ~Closing() override { loop_.Remove(fd_.get(), *this); }

  bool Watch() { return loop_.Add(fd_.get(), EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, *this); }
  // False: it is over.
  bool Step() { return Send() && Drop(); }

  const Instant deadline;
  LingeringCloser* owner = nullptr;
  std::list<std::unique_ptr<Closing>>::iterator self;

 private:
  void OnEvents(uint32_t) override {
    if (!Step()) owner->Forget(self);
  }

  bool Send() {
    while (!ended_ && !unsent_.empty()) {
      const ssize_t size = send(fd_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
      if (size < 0) return errno == EAGAIN || errno == EINTR;
      unsent_.erase(0, static_cast<size_t>(size));
    }
    if (!std::exchange(ended_, true)) shutdown(fd_.get(), SHUT_WR);
    return true;
  }

  // Until there is nothing now. Who sends faster than it is dropped is cut off.
  bool Drop() const {
    static constexpr size_t kPiece = 1 << 20;
    for (int i = 0; i < 16; ++i) {
      const ssize_t size = recv(fd_.get(), nullptr, kPiece, MSG_TRUNC);
      if (size < 0) return errno == EAGAIN || errno == EINTR;
      if (size == 0) return !unsent_.empty();
    }
    return false;
  }

  EventLoop& loop_;
  relay::Fd fd_;
  std::string unsent_;
  bool ended_ = false;
};

LingeringCloser::LingeringCloser(EventLoop& loop) : loop_(loop), timer_(loop, [this] { Expire(); }) {}
LingeringCloser::~LingeringCloser() = default;

void LingeringCloser::Close(relay::Fd fd, std::string unsent) {
  auto closing = std::make_unique<Closing>(loop_, std::move(fd), std::move(unsent));
  if (!closing->Step() || !closing->Watch()) return;
  if (closing_.size() >= kMost) Forget(closing_.begin());
  Closing& added = *closing_.emplace_back(std::move(closing));
  added.owner = this;
  added.self = std::prev(closing_.end());
  size_.Set(closing_.size());
  if (!timer_.is_set()) timer_.SetAt(closing_.front()->deadline);
}

void LingeringCloser::Forget(std::list<std::unique_ptr<Closing>>::iterator closing) {
  closing_.erase(closing);
  size_.Set(closing_.size());
}

void LingeringCloser::Expire() {
  while (!closing_.empty() && closing_.front()->deadline <= loop_.now()) Forget(closing_.begin());
  if (!closing_.empty()) timer_.SetAt(closing_.front()->deadline);
}

}  // namespace ingress
