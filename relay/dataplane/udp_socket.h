// A UDP socket on a wildcard address, with the options that the relay's workers need.
#ifndef RELAYD_RELAY_DATAPLANE_UDP_SOCKET_H_
#define RELAYD_RELAY_DATAPLANE_UDP_SOCKET_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace relay {

class UdpSocket {
 public:
  enum class Family : uint8_t { kDual, kIpv4, kIpv6 };
  // A blocking receive returns empty-handed after this long, so that a worker at rest brings its figures up to date.
  static constexpr int kIdleWaitMs = 250;

  struct Options {
    Family family = Family::kDual;
    uint16_t port = 0;     // 0: the kernel picks a free one.
    bool gro = true;       // Where the kernel has it.
    int buffer_bytes = 0;  // Both directions; the kernel may give less.
    // The first socket on a port excludes everybody; with `shares` it then lets further ones of ours in (which have
    // joins = true), so that a port in use is always noticed and there is no moment in which somebody else could take
    // it.
    bool joins = false;
    bool shares = false;
  };

  // An error says which address and why. kUnimplemented: this machine lacks the family, or dual-stack sockets.
  static absl::StatusOr<UdpSocket> Open(const Options& options);

  UdpSocket(UdpSocket&& other) noexcept;
  UdpSocket& operator=(UdpSocket&& other) noexcept;
  ~UdpSocket();

  int fd() const { return fd_; }
  Family family() const { return family_; }
  uint16_t port() const { return port_; }
  int receive_buffer_bytes() const;  // What the kernel gave.
  // What the kernel has dropped for want of room since the socket's birth; it wraps. The number that SO_RXQ_OVFL
  // attaches to datagrams, asked for now and then: attached to each, it cost 3 % of what a train costs
  // (bench/socket_bench).
  uint32_t drops() const;
  bool HasGso() const;  // UDP_SEGMENT is known to this kernel.
  // Ends a blocking receive in another thread, for good: from now on receives return nothing at once.
  void Shutdown() const;

 private:
  UdpSocket(int fd, Family family) : fd_(fd), family_(family) {}
  absl::Status SetOptions(const Options& options) const;
  absl::Status Bind(const Options& options);

  int fd_ = -1;
  Family family_ = Family::kDual;
  uint16_t port_ = 0;
};

// One worker's sockets: a dual-stack one where there is IPv6, an IPv4 one where there is none, or one of each where the
// machine refuses dual-stack sockets.
using SocketSet = std::vector<UdpSocket>;

// Opens `workers` sets, all on one port, which is free in all families if `port` is 0. `gro` and `buffer_bytes` as
// above.
struct SocketSetOptions {
  uint16_t port = 0;
  uint32_t workers = 1;
  bool gro = true;
  int buffer_bytes = 0;
  bool allow_dual = true;  // Tests turn it off.
};
absl::StatusOr<std::vector<SocketSet>> OpenSocketSets(const SocketSetOptions& options);

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_UDP_SOCKET_H_
