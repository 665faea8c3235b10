// DPDK's environment: started once a process.
#ifndef RELAYD_RELAY_DATAPLANE_EAL_H_
#define RELAYD_RELAY_DATAPLANE_EAL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "relay/dataplane/dpdk_options.h"
#include "relay/dataplane/leftover_steering.h"

namespace relay {

// `options.eal` as EAL's argv, with what relayd adds unless the string says otherwise:
//  - `--no-pci` unless a device is named by -a/--allow: relayd takes over no NIC that nobody named;
//  - `--in-memory` unless there is --no-huge, or --huge-dir, --huge-unlink or --legacy-mem, which want files or exclude
//  it; `--no-shconf`
//    with --no-huge, so that several can run;
//  - `-l` with the calling thread's first core unless there is -l/-c/--lcores: workers are threads of relayd's own;
//  - our steering program to each net_af_xdp vdev without xdp_prog (and busy_budget=0), whose object is `steer_object`;
//  - `--log-level=*:warning`, in front, so that the string's own levels count.
// An error: quoting that does not end, an argument that relayd has a flag for, or one that would end the process;
// a device named twice; a socket in no folder; several queues or vdevs of one AF_XDP interface under our program, which
// steers to one.
absl::StatusOr<std::vector<std::string>> EalArguments(const DpdkOptions& options, const std::string& steer_object);

// Writes the steering program, made for `udp_port`, to a file of its own for EAL to load.
absl::StatusOr<std::string> WriteSteerObject(uint16_t udp_port);

class Eal {
 public:
  // Starts EAL; the calling thread keeps its affinity. Once a process. An error is one line with EAL's own reason; it
  // is kUnavailable if all that is in the way are the `leftovers` that are to be kept (see leftover_steering.h).
  static absl::StatusOr<std::unique_ptr<Eal>> Start(const DpdkOptions& options, uint16_t udp_port,
                                                    Leftovers leftovers = Leftovers::kKeep);
  ~Eal();  // After all ports are closed. Removes the steering object's file.

 private:
  Eal() = default;
  std::string steer_object_;
  bool runs_ = false;
};

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_EAL_H_
