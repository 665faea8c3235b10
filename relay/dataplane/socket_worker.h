// A socket worker: one thread, its own sockets, the burst loop.
#ifndef RELAYD_RELAY_DATAPLANE_SOCKET_WORKER_H_
#define RELAYD_RELAY_DATAPLANE_SOCKET_WORKER_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <span>

#include "relay/core/qsbr.h"
#include "relay/core/relay_server.h"
#include "relay/dataplane/coalescer.h"
#include "relay/dataplane/receive_batch.h"
#include "relay/dataplane/transmitter.h"
#include "relay/dataplane/udp_socket.h"

namespace relay {

class SocketWorker {
 public:
  // All are used until Run has returned. `gso` as Transmitter's.
  SocketWorker(const SocketSet& sockets, const RelayServer& server, Qsbr& qsbr, WorkerContext& context, bool gso);

  // Relays until Stop; registers itself with the Qsbr as context.id.
  void Run();
  // Any thread. Run returns soon after, and cannot be called again: the sockets are shut down.
  void Stop();

 private:
  // A message on its way through the stages.
  struct Arrival {
    Path from;
    Train train;
    Parsed header;  // Of the first segment.
    bool uniform;
  };
  // A socket's drops, as last asked for.
  struct Overflow {
    uint32_t drops = 0;
    Instant next{};
  };
  static constexpr int kBacklog = 32;  // Messages in a burst.
  static constexpr Duration kOverflowInterval = std::chrono::milliseconds(10);
  static constexpr size_t kMaxReplies = 256;

  uint32_t WaitReadable();
  bool Receive(size_t socket);
  void Parse();
  void Prefetch() const;
  void Decide();
  void DecideOn(const Path& from, const Parsed& header, const Train& train);
  void Transmit();
  void CountOverflow(size_t socket);

  const SocketSet& sockets_;
  const RelayServer& server_;
  Qsbr& qsbr_;
  WorkerContext& context_;
  Counters& counters_;
  std::atomic<bool> stop_{false};

  ReceiveBatch batch_;
  int received_ = 0;           // Messages in `batch_`.
  Instant now_{};              // Of the burst.
  uint32_t error_pauses_ = 0;  // Receive errors in a row.
  std::array<Overflow, 2> overflow_;
  size_t arrival_count_ = 0;
  std::array<Arrival, ReceiveBatch::kMaxMessages> arrivals_;
  Coalescer coalescer_;
  size_t reply_count_ = 0;
  std::array<Reply, kMaxReplies> replies_;
  Transmitter transmitter_;
};

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_SOCKET_WORKER_H_
