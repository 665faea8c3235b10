// A forwarder in a process of its own, pinned to one core, so that its CPU time is told apart from the generator's.
#ifndef RELAYD_BENCH_FORWARDER_PROCESS_H_
#define RELAYD_BENCH_FORWARDER_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>

#include "bench/client_pairs.h"

namespace bench {

struct Snapshot {
  uint64_t packets = 0;  // Forwarded.
  uint64_t receive_calls = 0;
  uint64_t send_calls = 0;
  int64_t cpu_ns = 0;  // Of the whole process.
};

class ForwarderProcess {
 public:
  static constexpr int kCore = 0;

  // relayd's SocketBackend with an endpoint for each pair, VNI 1 for the first; the bare forwarder from each pair's
  // sender to its sink.
  static std::unique_ptr<ForwarderProcess> Relay(const ClientPairs& pairs);
  static std::unique_ptr<ForwarderProcess> Bare(const ClientPairs& pairs);
  ~ForwarderProcess();

  uint16_t port() const { return port_; }
  Snapshot Read() const;

 private:
  // What runs in the child: the port, and the counters whenever it is asked.
  struct Child {
    uint16_t port;
    std::function<Snapshot()> read;
  };
  explicit ForwarderProcess(const std::function<Child()>& start);

  pid_t pid_ = -1;
  int channel_ = -1;
  uint16_t port_ = 0;
};

}  // namespace bench

#endif  // RELAYD_BENCH_FORWARDER_PROCESS_H_
