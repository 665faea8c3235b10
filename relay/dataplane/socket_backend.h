// The relay over kernel UDP sockets: one worker a thread, each with its own SO_REUSEPORT sockets on one port.
#ifndef RELAYD_RELAY_DATAPLANE_SOCKET_BACKEND_H_
#define RELAYD_RELAY_DATAPLANE_SOCKET_BACKEND_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "relay/core/counters.h"
#include "relay/core/qsbr.h"
#include "relay/core/relay_server.h"
#include "relay/dataplane/udp_socket.h"

namespace relay {

class SocketBackend {
 public:
  static constexpr uint32_t kMaxWorkers = 256;
  struct Options {
    uint16_t udp_port = 40000;  // 0: one free port for all families and workers.
    uint32_t workers = 1;
    uint32_t first_worker = 0;    // Worker i is first_worker + i in the Qsbr.
    std::vector<int> cores = {};  // Worker i is pinned to cores[i]; empty: not pinned.
    bool gro = true;
    enum class Gso : uint8_t { kAuto, kOn, kOff } gso = Gso::kAuto;  // kAuto: on, but for kernels known to corrupt.
    int socket_buffer_bytes = 8 << 20;                               // Asked for; the kernel may give less.
    uint64_t worker_control_rate = 100'000;                          // Handshake messages a second and worker.
  };

  // Opens and binds all sockets; nothing runs yet. An error says which address and why, in one line.
  static absl::StatusOr<std::unique_ptr<SocketBackend>> Open(const Options& options);
  ~SocketBackend();  // Stops first, if it still runs.

  uint16_t port() const;
  uint32_t workers() const;
  bool has_ipv6() const;
  bool gso_enabled() const;
  const SocketSet& sockets() const;  // The first worker's, for sends beside it.
  int receive_buffer_bytes() const;  // What the kernel gave, of the first socket.

  // Starts the workers, once: what was stopped stays so. `server` and `qsbr` outlive Stop(); worker i registers itself
  // as first_worker + i.
  absl::Status Start(const RelayServer& server, Qsbr& qsbr);
  // Wakes and joins the workers; within 100 ms or so.
  void Stop();

  // One set a worker; valid as long as this object. Any thread may read.
  const Counters& counters(uint32_t worker) const;

 private:
  struct Impl;
  explicit SocketBackend(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_SOCKET_BACKEND_H_
