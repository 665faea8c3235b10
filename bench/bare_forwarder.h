// The yardstick of the socket path: recvmmsg, a destination from an array by source port, sendmmsg. No lookup by VNI,
// no check, no PKTINFO, no coalescing; GRO trains go out as the GSO trains that they came in as.
#ifndef RELAYD_BENCH_BARE_FORWARDER_H_
#define RELAYD_BENCH_BARE_FORWARDER_H_

#include <netinet/in.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

namespace bench {

class BareForwarder {
 public:
  // Destination by source port (host byte order); sin_family 0 where there is none.
  using Routes = std::array<sockaddr_in, 65536>;

  // Binds a free IPv4 port, with the buffers that relayd asks for. Aborts if the kernel refuses.
  explicit BareForwarder(std::unique_ptr<Routes> routes);
  ~BareForwarder();

  uint16_t port() const { return port_; }
  // Forwards until the process ends.
  [[noreturn]] void Run();
  uint64_t packets() const { return packets_.load(std::memory_order_relaxed); }
  uint64_t receive_calls() const { return receive_calls_.load(std::memory_order_relaxed); }

 private:
  struct Batch;
  unsigned Route(unsigned received);

  std::unique_ptr<Routes> routes_;
  std::unique_ptr<Batch> batch_;
  int fd_;
  uint16_t port_ = 0;
  std::atomic<uint64_t> packets_{0};
  std::atomic<uint64_t> receive_calls_{0};
};

}  // namespace bench

#endif  // RELAYD_BENCH_BARE_FORWARDER_H_
