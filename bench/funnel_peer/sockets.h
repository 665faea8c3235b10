// Non-blocking TCP sockets and a loop that ends with SIGTERM.
#ifndef RELAYD_BENCH_FUNNEL_PEER_SOCKETS_H_
#define RELAYD_BENCH_FUNNEL_PEER_SOCKETS_H_

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

#include "disco/addr_port.h"
#include "ingress/event_loop.h"
#include "relay/control/fd.h"

namespace bench {

// IPv4 alone: measurements run on loopback and in a namespace of their own.
inline sockaddr_in ToSockaddr(const disco::AddrPort& addr) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(addr.port);
  std::memcpy(&out.sin_addr, addr.ip.data() + 12, 4);
  return out;
}

inline relay::Fd MakeTcp() {
  relay::Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  return fd;
}

// Stops the loop at SIGTERM and SIGINT, which no other thread gets.
class StopAtSignal : public ingress::EventLoop::Handler {
 public:
  explicit StopAtSignal(ingress::EventLoop& loop) : loop_(loop) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    fd_ = relay::Fd(signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC));
    loop_.Add(fd_.get(), EPOLLIN | EPOLLET, *this);
  }
  void OnEvents(uint32_t) override { loop_.Stop(); }

 private:
  ingress::EventLoop& loop_;
  relay::Fd fd_;
};

}  // namespace bench

#endif  // RELAYD_BENCH_FUNNEL_PEER_SOCKETS_H_
