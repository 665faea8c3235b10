// The way to the kernel and back, for ports that DPDK owns: a TAP interface a port, and the kernel's UDP sockets for
// what leaves by them. One thread serves it all; workers only touch bounded rings, so nothing here delays them.
#ifndef RELAYD_RELAY_DATAPLANE_KERNEL_PATH_H_
#define RELAYD_RELAY_DATAPLANE_KERNEL_PATH_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "relay/core/counters.h"
#include "relay/core/path.h"
#include "relay/core/port_counters.h"
#include "relay/dataplane/port.h"

struct rte_mbuf;

namespace relay {

class KernelPath {
 public:
  // Sends a UDP payload to to.remote from to.local_ip out of a kernel socket. 0, or the errno of the kernel's refusal.
  // Runs on the kernel path's thread.
  using SocketSend = std::function<int(const Path& to, std::span<const uint8_t> payload)>;

  struct Options {
    bool tap = true;  // Else there are no TAP interfaces, and only ToSocket works.
    std::string tap_prefix = "relay";
    uint32_t workers = 1;
    uint32_t ring_size = 1024;  // A worker and direction.
    // Of a port's transmit queue: so many of the kernel's frames may wait there for the driver to free them.
    uint16_t tx_descriptors = 1024;
    // Called on the kernel path's thread when there are frames for a worker that may be asleep. May be empty.
    std::function<void(uint32_t worker)> wake_worker{};
  };

  // Opens a TAP for each port that is not steered, with the port's MAC address and MTU, sets it up, and sets
  // port.kernel_interface. An error is one line. `port_owner[i]`: the worker that sends what the kernel has for
  // ports[i].
  static absl::StatusOr<std::unique_ptr<KernelPath>> Open(const Options& options, std::vector<Port>& ports,
                                                          std::vector<uint32_t> port_owner, SocketSend send);
  // Stops, and frees what is in the rings; no worker runs any more. Before the ports' pools go, and best after the
  // ports are stopped: a pool of which a port still holds frames is left to the end of the process.
  ~KernelPath();

  void Start();
  void Stop();

  // ---- The port monitor, while it runs.
  bool IsGone(uint16_t port_index) const;  // Somebody deleted the port's TAP.
  // Makes that one again, without its addresses and routes; its index, which is the one it had if it is free.
  absl::StatusOr<uint32_t> MakeAnew(uint16_t port_index, const Port& port);

  // ---- Worker `worker`, on its own thread. None of these blocks, allocates or makes a system call, but for one write
  // to wake the thread, if that sleeps.
  bool HasTap(uint16_t port_index) const;
  // Frames as they came by ports[port_index], in mbufs with a note. Takes the first n and returns n; the others stay
  // the caller's. (All, if the port has no TAP.)
  uint16_t ToTap(uint32_t worker, uint16_t port_index, rte_mbuf* const* frames, uint16_t count);
  // A bare UDP payload, with NoteOf(m).to (and transports and payload_bytes) filled in. False: no room, still the
  // caller's.
  bool ToSocket(uint32_t worker, rte_mbuf* payload);
  // What the kernel wants sent: frames, NoteOf().kind kFromKernel, mbuf->port the DPDK port id. Also frees the
  // buffers that ToTap and ToSocket took and that are done with (buffers are freed by workers alone, because a thread
  // that may be preempted must not hold up their pools). Called at every poll; costs two loads when there is nothing.
  uint16_t FromKernel(uint32_t worker, rte_mbuf** frames, uint16_t most);

  // What became of ToSocket's datagrams: forwarded, too_big or send_failed. (They were received by a worker.) Written
  // by the kernel path's thread.
  const Counters& counters() const;
  const KernelFrames& frames() const;

 private:
  struct Impl;
  explicit KernelPath(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_KERNEL_PATH_H_
