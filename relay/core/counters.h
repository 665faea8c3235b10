// What a worker counts. One set a worker: written by that worker alone, read by any thread.
#ifndef RELAYD_RELAY_CORE_COUNTERS_H_
#define RELAYD_RELAY_CORE_COUNTERS_H_

#include <array>
#include <atomic>
#include <cstdint>

#include "relay/core/drop_reason.h"

namespace relay {

// A number with one writer: no locked instruction, and a reader never sees it torn.
class Counter {
 public:
  void Add(uint64_t n) { value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }
  void Set(uint64_t n) { value_.store(n, std::memory_order_relaxed); }
  uint64_t Get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

enum class Transport : uint8_t { kUdp4, kUdp6 };
enum class HandshakeResult : uint8_t { kChallenged, kBound, kRebound };

// All in datagrams: a GRO train counts as its segments. At rest
//   received = forwarded + answered + accepted + to_kernel + dropped.
// The worker adds to `received` what it takes in, and to exactly one of the others where the datagram's life ends.
struct alignas(64) Counters {
  Counter received;
  // [in][out], indexed by Transport; after a successful send; bytes are UDP payload.
  std::array<std::array<Counter, 2>, 2> forwarded_packets;
  std::array<std::array<Counter, 2>, 2> forwarded_bytes;
  Counter answered;   // Challenges sent.
  Counter accepted;   // Valid answers; nothing is sent.
  Counter to_kernel;  // Passed to the kernel (DPDK only): by the exception path, or out of a kernel socket.
  std::array<Counter, kDropReasonCount> dropped;
  std::array<Counter, 3> handshakes;  // Indexed by HandshakeResult; counted by the core.
  Counter socket_overflow;            // SO_RXQ_OVFL: lost before they were received.
  Counter receive_calls;              // recvmmsg calls that returned something.
  Counter send_calls;
  Counter gso_trains;     // Sends of more than one datagram in one message.
  Counter gso_fallbacks;  // Trains that were refused and repeated as single datagrams.
  // DPDK only; beside the identity, not in it.
  Counter fragments;      // IP fragments for the relay's addresses, wherever they went.
  Counter reassembled;    // Datagrams made whole of fragments here (--reassemble); each was received as its fragments.
  Counter icmp_too_big;   // "Too big" answers sent.
  Counter link_followed;  // Next hops that followed data packets to another MAC address.
  Counter link_refused;   // Those that did not, because the kernel does not know that neighbour.

  void Drop(DropReason reason, uint64_t packets) { dropped[static_cast<size_t>(reason)].Add(packets); }
  void Handshake(HandshakeResult result) { handshakes[static_cast<size_t>(result)].Add(1); }
};

}  // namespace relay

#endif  // RELAYD_RELAY_CORE_COUNTERS_H_
