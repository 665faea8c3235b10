// For tests: a loop on a thread of its own, and ordinary blocking sockets to speak to what runs on it.
#ifndef RELAYD_INGRESS_LOOP_FIXTURE_H_
#define RELAYD_INGRESS_LOOP_FIXTURE_H_

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <chrono>
#include <cstring>
#include <functional>
#include <future>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "ingress/event_loop.h"
#include "ingress/tcp_socket.h"
#include "relay/control/fd.h"

namespace ingress {

class LoopThread {
 public:
  LoopThread() : thread_([this] { loop.Run(); }) {}
  ~LoopThread() { Join(); }
  void Join() {
    if (!thread_.joinable()) return;
    loop.Stop();
    thread_.join();
  }
  // Runs `work` on the loop's thread, and waits for it.
  template <typename Work>
  auto Call(Work work) {
    std::packaged_task<decltype(work())()> task(std::move(work));
    auto result = task.get_future();
    loop.Post([&task] { task(); });
    return result.get();
  }
  // Until `condition`, looked at on the loop's thread, holds.
  bool Await(const std::function<bool()>& condition, std::chrono::seconds most = std::chrono::seconds(20)) {
    const auto deadline = std::chrono::steady_clock::now() + most;
    while (!Call(condition)) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
  }

  EventLoop loop;

 private:
  std::thread thread_;
};

// A blocking socket; nothing on it takes longer than 20 s.
class Peer {
 public:
  explicit Peer(relay::Fd fd) : fd_(std::move(fd)) {
    const timeval most{.tv_sec = 20, .tv_usec = 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most));
    setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &most, sizeof(most));
  }
  static Peer Connect(const AddrPort& addr, int receive_buffer = 0) {
    relay::Fd fd(socket(addr.IsIpv4() ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (receive_buffer > 0) {
      setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
    }
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(addr.port);
    std::memcpy(&v4.sin_addr, addr.ip.data() + 12, sizeof(v4.sin_addr));
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<const sockaddr*>(&v4), sizeof(v4)), 0) << std::strerror(errno);
    return Peer(std::move(fd));
  }
  bool Send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t size = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (size <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(size));
    }
    return true;
  }
  // At most `most` bytes; "" is the end, and "reset" in their place a reset, "timeout" neither.
  std::string Receive(size_t most = 65'536) const {
    std::string bytes(most, '\0');
    const ssize_t size = recv(fd_.get(), bytes.data(), bytes.size(), 0);
    if (size < 0) return errno == ECONNRESET ? "reset" : "timeout";
    bytes.resize(static_cast<size_t>(size));
    return bytes;
  }
  std::string ReceiveExactly(size_t size) const {
    std::string bytes(size, '\0');
    const ssize_t got = recv(fd_.get(), bytes.data(), bytes.size(), MSG_WAITALL);
    bytes.resize(got < 0 ? 0 : static_cast<size_t>(got));
    return bytes;
  }
  std::string ReceiveAll() const {
    std::string all;
    for (;;) {
      const std::string some = Receive();
      if (some.empty()) return all;
      all += some;
      if (some == "reset" || some == "timeout") return all;
    }
  }
  void EndWrite() const { shutdown(fd_.get(), SHUT_WR); }
  void Reset() {
    ResetOnClose(fd_.get());
    fd_ = relay::Fd();
  }
  void Close() { fd_ = relay::Fd(); }
  int fd() const { return fd_.get(); }

 private:
  relay::Fd fd_;
};

// A listening socket that a test accepts from.
class TestListener {
 public:
  TestListener() {
    auto fd = ListenTcp(*AddrPort::Parse("127.0.0.1:0"), 512);
    EXPECT_TRUE(fd.ok());
    fd_ = *std::move(fd);
  }
  AddrPort addr() const { return LocalAddr(fd_.get()); }
  // Waits for one: blocking, or as streams want it.
  relay::Fd AcceptRaw(AddrPort* remote = nullptr) const {
    AddrPort ignored;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    for (;;) {
      relay::Fd fd = AcceptTcp(fd_.get(), remote == nullptr ? ignored : *remote);
      if (fd.get() >= 0 || std::chrono::steady_clock::now() > deadline) return fd;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  Peer Accept() const {
    relay::Fd fd = AcceptRaw();
    EXPECT_GE(fd.get(), 0);
    fcntl(fd.get(), F_SETFL, fcntl(fd.get(), F_GETFL) & ~O_NONBLOCK);
    return Peer(std::move(fd));
  }
  int fd() const { return fd_.get(); }

 private:
  relay::Fd fd_;
};

// An address where nobody listens, and that no other process is given meanwhile: it is bound, and nothing more. Who
// asks for it by name may listen there.
class ReservedAddr {
 public:
  ReservedAddr() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const int on = 1;
    setsockopt(fd_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(fd_.get(), reinterpret_cast<const sockaddr*>(&v4), sizeof(v4)), 0);
  }
  AddrPort addr() const { return LocalAddr(fd_.get()); }

 private:
  relay::Fd fd_;
};

// Two ends of one TCP connection.
struct TcpPair {
  explicit TcpPair(int receive_buffer = 0)
      : peer(Peer::Connect(listener.addr(), receive_buffer)), ours(listener.AcceptRaw()) {}
  TestListener listener;
  Peer peer;
  relay::Fd ours;  // Non-blocking.
};

inline size_t OpenDescriptors() {
  DIR* const folder = opendir("/proc/self/fd");
  size_t count = 0;
  while (readdir(folder) != nullptr) ++count;
  closedir(folder);
  return count;
}

}  // namespace ingress

#endif  // RELAYD_INGRESS_LOOP_FIXTURE_H_
