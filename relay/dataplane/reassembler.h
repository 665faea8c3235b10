// Makes datagrams whole of their IP fragments (DPDK's rte_ip_frag), for one worker. Needs EAL's memory.
#ifndef RELAYD_RELAY_DATAPLANE_REASSEMBLER_H_
#define RELAYD_RELAY_DATAPLANE_REASSEMBLER_H_

#include <rte_ip_frag.h>

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "relay/core/time.h"
#include "relay/dataplane/frame.h"

namespace relay {

// How it counts, so that received = forwarded + ... + dropped holds: a fragment that is held is not received yet. A
// datagram that becomes whole is received once, when Add returns it, and goes on as a frame of its own. Every fragment
// that ends otherwise (refused, timed out, flushed) is received and dropped when TakeDropped() reports it.
//
// Memory is bounded by `max_datagrams` incomplete ones of at most eight fragments each; beyond that, fragments of new
// datagrams are refused until old ones time out. Fragments that overlap make their datagram be dropped (RFC 5722).
class Reassembler {
 public:
  // What a worker has: for so long, so many datagrams, and with that so many buffers of any port's pool at most (but
  // for fragments that come in several).
  static constexpr Duration kTimeout = std::chrono::seconds(1);
  static constexpr uint32_t kMaxDatagrams = 512;
  static constexpr uint32_t kMostHeld = kMaxDatagrams * RTE_LIBRTE_IP_FRAG_MAX_FRAG;

  static absl::StatusOr<std::unique_ptr<Reassembler>> Create(int numa, uint32_t max_datagrams, Duration timeout);
  ~Reassembler();  // Frees what is still held.
  Reassembler(const Reassembler&) = delete;
  Reassembler& operator=(const Reassembler&) = delete;

  // Takes `fragment`, a whole frame that ParseFrame called kFragment, its IP header in the first segment. Returns the
  // datagram's frame, of several segments, if this was the last missing one: Ethernet header, IP header (IPv4: options
  // and ECN) are the first fragment's, so that ParseFrame takes it as if it had come whole. `tsc` never goes back.
  rte_mbuf* Add(rte_mbuf* fragment, const Frame& frame, uint64_t tsc);
  // Frees what has waited for too long. Add does so only by the way: call this now and then.
  void Expire(uint64_t tsc);
  // Frees all that is held, as if it had timed out.
  void Flush() { Expire(UINT64_MAX); }

  // Fragments that were dropped since the last call.
  uint64_t TakeDropped() { return std::exchange(dropped_, 0); }
  // Fragments that wait for others.
  uint64_t held() const { return held_; }

 private:
  explicit Reassembler(rte_ip_frag_tbl* table) : table_(table) {}
  rte_mbuf* AddIpv4(rte_mbuf* fragment, uint64_t tsc);
  rte_mbuf* AddIpv6(rte_mbuf* fragment, uint64_t tsc);
  rte_mbuf* Whole(rte_mbuf* datagram, size_t ip_packet_bytes);
  rte_mbuf* Refuse(rte_mbuf* fragment);
  void Bury();

  rte_ip_frag_tbl* const table_;
  rte_ip_frag_death_row death_row_{};
  uint64_t held_ = 0;
  uint64_t dropped_ = 0;
};

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_REASSEMBLER_H_
