// Frames that lie in several mbufs: the slow paths of a worker, in which most frames never are.
#ifndef RELAYD_RELAY_DATAPLANE_SEGMENTS_H_
#define RELAYD_RELAY_DATAPLANE_SEGMENTS_H_

#include <cstdint>

struct rte_mbuf;

namespace relay {

// Cuts the frame to `bytes`, wherever the segments' borders are (rte_pktmbuf_trim cuts within the last one alone).
void Shorten(rte_mbuf* m, uint32_t bytes);

// Brings the frame's first `bytes` into its first segment; it has so many. False: no room there.
bool PullUp(rte_mbuf* m, uint16_t bytes);

// One's complement sum of 16-bit words in the order of memory, folded; the frame has these bytes. (In
// rte_raw_cksum_mbuf of DPDK 22.11 carries get lost behind a segment of odd length.)
uint16_t SumOf(const rte_mbuf* m, uint32_t offset, uint32_t bytes);

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_SEGMENTS_H_
