// What relayd keeps beside each packet buffer, and the pools that have room for it.
#ifndef RELAYD_RELAY_DATAPLANE_MBUF_H_
#define RELAYD_RELAY_DATAPLANE_MBUF_H_

#include <rte_mbuf.h>

#include <cstdint>
#include <string>

#include "relay/core/path.h"

namespace relay {

// In the mbuf's private area: written by whoever hands the mbuf to another thread, for the one that takes it.
struct MbufNote {
  enum class Kind : uint8_t {
    kForward,     // A finished frame that was relayed: counts as forwarded once it is sent.
    kOther,       // A finished frame of another kind (challenge, ICMP): counts nowhere but in the port's `sent`.
    kAnswer,      // A challenge: counts as answered once it is sent.
    kFromKernel,  // A frame of the kernel's.
    kToTap,       // A frame for the kernel.
    kToSocket,    // A bare UDP payload that goes to `to` out of a kernel socket.
  };
  Path to;
  uint16_t payload_bytes;  // UDP payload.
  Kind kind;
  uint8_t transport_in;  // As Transport.
  uint8_t transport_out;
  uint8_t zero[3];
};
static_assert(sizeof(MbufNote) == 64);

inline MbufNote& NoteOf(rte_mbuf* m) { return *static_cast<MbufNote*>(rte_mbuf_to_priv(m)); }

// A pool of mbufs with room for a note, with the usual headroom and per-thread caches; nullptr and rte_errno if there
// is no memory. `data_room`: without headroom. `numa`: SOCKET_ID_ANY if it does not matter.
inline rte_mempool* MakePool(const std::string& name, uint32_t count, uint16_t data_room, int numa) {
  static constexpr uint32_t kCache = 256;
  return rte_pktmbuf_pool_create(name.c_str(), count, count >= 2 * kCache ? kCache : 0, sizeof(MbufNote),
                                 static_cast<uint16_t>(data_room + RTE_PKTMBUF_HEADROOM), numa);
}

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_MBUF_H_
