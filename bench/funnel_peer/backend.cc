#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>
#include <unordered_set>

#include "bench/funnel_peer/peer.h"
#include "bench/funnel_peer/sockets.h"

namespace bench {
namespace {

using ingress::EventLoop;

constexpr std::string_view kSwitching = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
char g_buffer[1 << 18];  // One thread.
const std::string g_answer(1 << 18, 'a');

class Backend;

class Connection : public EventLoop::Handler {
 public:
  Connection(Backend& backend, relay::Fd fd) : backend_(backend), fd_(std::move(fd)) {}
  int fd() const { return fd_.get(); }
  void OnEvents(uint32_t) override;

 private:
  bool Read();   // False: it is over.
  bool Write();  // The same.

  Backend& backend_;
  relay::Fd fd_;
  std::string head_;
  bool in_head_ = true;
  uint64_t read_ = 0, written_ = 0;
  bool ended_ = false;
};

class Backend : public EventLoop::Handler {
 public:
  Backend(EventLoop& loop, const BackendOptions& options) : loop_(loop), options_(options), listener_(MakeTcp()) {}

  bool Listen() {
    sockaddr_in addr = ToSockaddr(options_.listen);
    socklen_t size = sizeof(addr);
    if (bind(listener_.get(), reinterpret_cast<sockaddr*>(&addr), size) != 0 || listen(listener_.get(), 16'384) != 0) {
      return false;
    }
    getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&addr), &size);
    std::printf("ready %s:%u\n", options_.listen.IpToString().c_str(), ntohs(addr.sin_port));
    std::fflush(stdout);
    return loop_.Add(listener_.get(), EPOLLIN, *this);
  }

  void OnEvents(uint32_t) override {
    for (int i = 0; i < 64; ++i) {
      relay::Fd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (fd.get() < 0) return;
      auto* const connection = new Connection(*this, std::move(fd));
      open_.insert(connection);
      loop_.Add(connection->fd(), EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, *connection);
    }
  }

  void End(Connection* connection) {
    loop_.Remove(connection->fd(), *connection);
    open_.erase(connection);
    delete connection;
  }

  const BackendOptions& options() const { return options_; }

 private:
  EventLoop& loop_;
  const BackendOptions options_;
  relay::Fd listener_;
  std::unordered_set<Connection*> open_;
};

void Connection::OnEvents(uint32_t) {
  if (!Read() || !Write()) backend_.End(this);
}

bool Connection::Read() {
  for (;;) {
    const ssize_t size = read(fd_.get(), g_buffer, sizeof(g_buffer));
    if (size < 0) return errno == EAGAIN;
    if (size == 0) {
      ended_ = true;
      return true;
    }
    if (!backend_.options().peerapi || !in_head_) {
      read_ += static_cast<uint64_t>(size);
      continue;
    }
    head_.append(g_buffer, static_cast<size_t>(size));
    const size_t end = head_.find("\r\n\r\n");
    if (end == std::string::npos) continue;
    in_head_ = false;
    read_ = head_.size() - end - 4;
    head_ = {};
    if (write(fd_.get(), kSwitching.data(), kSwitching.size()) != static_cast<ssize_t>(kSwitching.size())) return false;
  }
}

bool Connection::Write() {
  const BackendOptions& options = backend_.options();
  if (read_ < options.request_bytes) return !ended_;
  while (written_ < options.answer_bytes) {
    const size_t wanted = std::min<uint64_t>(g_answer.size(), options.answer_bytes - written_);
    const ssize_t size = write(fd_.get(), g_answer.data(), wanted);
    if (size < 0) return errno == EAGAIN;
    written_ += static_cast<uint64_t>(size);
  }
  return options.hold && !ended_;
}

}  // namespace

int RunBackend(const BackendOptions& options) {
  EventLoop loop;
  StopAtSignal stop(loop);
  Backend backend(loop, options);
  if (!backend.Listen()) {
    std::perror("funnel_peer: listen");
    return 1;
  }
  loop.Run();
  return 0;
}

}  // namespace bench
