// The relay over DPDK ports: EAL, ports, the way to the kernel, poll-mode workers.
#ifndef RELAYD_RELAY_DATAPLANE_DPDK_BACKEND_H_
#define RELAYD_RELAY_DATAPLANE_DPDK_BACKEND_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "relay/core/counters.h"
#include "relay/core/port_counters.h"
#include "relay/core/qsbr.h"
#include "relay/core/relay_server.h"
#include "relay/dataplane/dpdk_options.h"
#include "relay/dataplane/port_watch.h"
#include "relay/dataplane/udp_socket.h"

namespace relay {

class DpdkBackend {
 public:
  struct Relay {
    uint16_t udp_port;                // Which the kernel sockets hold: no other relayd lives on it.
    uint32_t first_worker;            // Worker i is first_worker + i in the Qsbr.
    const SocketSet& kernel_sockets;  // On that port, for what leaves by the kernel. They outlive the back end.
    Tell tell{};                      // What happens to the ports while it runs.
  };
  // Starts EAL, configures the ports and opens the way to the kernel; nothing runs yet. Once a process. `qsbr` outlives
  // it. An error is one line.
  static absl::StatusOr<std::unique_ptr<DpdkBackend>> Open(const DpdkOptions& options, const Relay& relay, Qsbr& qsbr);
  ~DpdkBackend();  // Stops first, if it still runs.

  uint32_t workers() const;
  std::vector<std::string> warnings() const;  // What an operator should know, a line each.

  // Once: what was stopped stays so. `server` outlives Stop().
  absl::Status Start(const RelayServer& server);
  // Joins the workers, within 10 ms or so; what is queued is given up.
  void Stop();

  // ---- Any thread, as long as this object.
  const Counters& counters(uint32_t worker) const;
  const Counters& kernel_counters() const;  // Of what left by kernel sockets; see KernelPath.
  const PortFigures& figures() const;

 private:
  struct Impl;
  explicit DpdkBackend(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_DPDK_BACKEND_H_
