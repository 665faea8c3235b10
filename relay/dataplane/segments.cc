#include "relay/dataplane/segments.h"

#include <rte_ip.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace relay {

void Shorten(rte_mbuf* m, uint32_t bytes) {
  if (m->pkt_len <= bytes) return;
  m->pkt_len = bytes;
  rte_mbuf* last = m;
  for (; last->next != nullptr && last->data_len < bytes; last = last->next) bytes -= last->data_len;
  last->data_len = static_cast<uint16_t>(bytes);
  rte_mbuf* rest = std::exchange(last->next, nullptr);
  while (rest != nullptr) {
    rte_mbuf* const next = rest->next;
    rte_pktmbuf_free_seg(rest);
    --m->nb_segs;
    rest = next;
  }
}

bool PullUp(rte_mbuf* m, uint16_t bytes) {
  if (m->data_len >= bytes) return true;
  if (bytes - m->data_len > rte_pktmbuf_tailroom(m)) return false;
  while (m->data_len < bytes) {
    rte_mbuf* const next = m->next;
    const auto moved = std::min(static_cast<uint16_t>(bytes - m->data_len), next->data_len);
    std::memcpy(rte_pktmbuf_mtod_offset(m, uint8_t*, m->data_len), rte_pktmbuf_mtod(next, const uint8_t*), moved);
    m->data_len = static_cast<uint16_t>(m->data_len + moved);
    if (moved < next->data_len) {
      next->data_off = static_cast<uint16_t>(next->data_off + moved);
      next->data_len = static_cast<uint16_t>(next->data_len - moved);
      return true;
    }
    m->next = next->next;
    --m->nb_segs;
    rte_pktmbuf_free_seg(next);
  }
  return true;
}

uint16_t SumOf(const rte_mbuf* m, uint32_t offset, uint32_t bytes) {
  for (; offset >= m->data_len && m->next != nullptr; m = m->next) offset -= m->data_len;
  uint32_t sum = 0;
  bool odd = false;  // So many bytes are behind us: what stands first in a word is the other half of it.
  for (; bytes != 0 && m != nullptr; m = m->next) {
    const uint32_t here = std::min<uint32_t>(bytes, m->data_len - offset);
    const uint16_t part = rte_raw_cksum(rte_pktmbuf_mtod_offset(m, const uint8_t*, offset), here);
    sum += odd ? __builtin_bswap16(part) : part;
    odd ^= (here & 1) != 0;
    bytes -= here;
    offset = 0;
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

}  // namespace relay
