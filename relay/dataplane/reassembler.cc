#include "relay/dataplane/reassembler.h"

#include <rte_cycles.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <cstring>

#include "absl/status/status.h"
#include "relay/dataplane/segments.h"

namespace relay {
namespace {

constexpr uint32_t kBucketEntries = 8;
constexpr size_t kFragmentHeaderBytes = 8;
constexpr size_t kMaxIpPacket = 0xffff;
constexpr uint32_t kPrefetch = 3;
static_assert(sizeof(rte_ipv6_fragment_ext) == kFragmentHeaderBytes);

uint16_t Be16(const uint8_t* p) { return static_cast<uint16_t>(p[0] << 8 | p[1]); }
void StoreBe16(uint8_t* p, size_t value) {
  p[0] = static_cast<uint8_t>(value >> 8);
  p[1] = static_cast<uint8_t>(value);
}

// A fragment's first segment is known by its l2_len, which the library needs there and lets stand; so what it chained
// and then gave up can still be counted in fragments.
void Mark(rte_mbuf* fragment, size_t l2, size_t l3) {
  for (rte_mbuf* segment = fragment; segment != nullptr; segment = segment->next) segment->tx_offload = 0;
  fragment->l2_len = l2;
  fragment->l3_len = l3;
}
uint64_t CountFragments(const rte_mbuf* chain) {
  uint64_t fragments = 0;
  for (; chain != nullptr; chain = chain->next) fragments += chain->l2_len != 0 ? 1 : 0;
  return fragments;
}

// What the library does not look at: a length that no sender cuts a datagram to, and an end that no datagram can have.
bool IsPossible(size_t offset, size_t bytes, bool more, size_t header) {
  if (bytes == 0 || (more && bytes % 8 != 0)) return false;
  return header + offset + bytes <= kMaxIpPacket;
}

void WriteHeaderChecksum(uint8_t* ip, size_t bytes) {
  StoreBe16(ip + 10, 0);
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes; i += 2) sum += Be16(ip + i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  StoreBe16(ip + 10, ~sum & 0xffff);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Reassembler>> Reassembler::Create(int numa, uint32_t max_datagrams, Duration timeout) {
  // Twice the entries that are used: a datagram finds a place in one of two buckets.
  const uint32_t buckets = std::max(1u, (max_datagrams + kBucketEntries - 1) / kBucketEntries);
  const auto cycles =
      static_cast<uint64_t>(std::chrono::duration<double>(timeout).count() * static_cast<double>(rte_get_tsc_hz()));
  rte_ip_frag_tbl* const table = rte_ip_frag_table_create(buckets, kBucketEntries, max_datagrams, cycles, numa);
  if (table == nullptr) return absl::ResourceExhaustedError("no memory for the reassembly of fragments");
  return std::unique_ptr<Reassembler>(new Reassembler(table));
}

Reassembler::~Reassembler() {
  Flush();
  rte_ip_frag_table_destroy(table_);
}

rte_mbuf* Reassembler::Add(rte_mbuf* fragment, const Frame& frame, uint64_t tsc) {
  ++held_;
  // So that one which is refused counts as one.
  Mark(fragment, frame.ip_offset, 0);
  rte_mbuf* const datagram = frame.ipv4 ? AddIpv4(fragment, tsc) : AddIpv6(fragment, tsc);
  Bury();
  return datagram;
}

rte_mbuf* Reassembler::AddIpv4(rte_mbuf* fragment, uint64_t tsc) {
  const size_t l2 = fragment->l2_len;
  if (fragment->data_len < l2 + kIpv4Bytes) return Refuse(fragment);
  auto* const ip = rte_pktmbuf_mtod_offset(fragment, uint8_t*, l2);
  const size_t header = size_t{ip[0] & 0x0fu} * 4;
  const size_t total = Be16(ip + 2);
  const uint16_t flags_and_offset = Be16(ip + 6);
  const bool more = (flags_and_offset & RTE_IPV4_HDR_MF_FLAG) != 0;
  const size_t offset = size_t{flags_and_offset & 0x1fffu} * 8;
  if (header < kIpv4Bytes || total < header || fragment->data_len < l2 + header || fragment->pkt_len < l2 + total ||
      !IsPossible(offset, total - header, more, header)) {
    return Refuse(fragment);
  }
  Shorten(fragment, static_cast<uint32_t>(l2 + total));
  Mark(fragment, l2, header);
  rte_mbuf* const datagram =
      rte_ipv4_frag_reassemble_packet(table_, &death_row_, fragment, tsc, reinterpret_cast<rte_ipv4_hdr*>(ip));
  if (datagram == nullptr) return nullptr;
  auto* const whole = rte_pktmbuf_mtod_offset(datagram, uint8_t*, datagram->l2_len);
  WriteHeaderChecksum(whole, datagram->l3_len);
  return Whole(datagram, Be16(whole + 2));
}

rte_mbuf* Reassembler::AddIpv6(rte_mbuf* fragment, uint64_t tsc) {
  const size_t l2 = fragment->l2_len;
  const size_t l3 = kIpv6Bytes + kFragmentHeaderBytes;
  if (fragment->data_len < l2 + l3) return Refuse(fragment);
  auto* const ip = rte_pktmbuf_mtod_offset(fragment, uint8_t*, l2);
  uint8_t* const extension = ip + kIpv6Bytes;
  const size_t payload = Be16(ip + 4);
  const uint16_t offset_and_more = Be16(extension + 2);
  const bool more = (offset_and_more & 1) != 0;
  const size_t offset = offset_and_more & 0xfff8u;
  // (The limit of IPv6 is that of the payload, without the header.)
  if (payload < kFragmentHeaderBytes || fragment->pkt_len < l2 + kIpv6Bytes + payload ||
      !IsPossible(offset, payload - kFragmentHeaderBytes, more, 0)) {
    return Refuse(fragment);
  }
  Shorten(fragment, static_cast<uint32_t>(l2 + kIpv6Bytes + payload));
  if (offset == 0 && !more) {  // An atomic fragment has nothing to wait for (RFC 6946).
    ip[6] = extension[0];
    StoreBe16(ip + 4, payload - kFragmentHeaderBytes);
    auto* const begin = rte_pktmbuf_mtod(fragment, uint8_t*);
    std::memmove(begin + kFragmentHeaderBytes, begin, l2 + kIpv6Bytes);
    rte_pktmbuf_adj(fragment, kFragmentHeaderBytes);
    return Whole(fragment, kIpv6Bytes + payload - kFragmentHeaderBytes);
  }
  Mark(fragment, l2, l3);
  rte_mbuf* const datagram =
      rte_ipv6_frag_reassemble_packet(table_, &death_row_, fragment, tsc, reinterpret_cast<rte_ipv6_hdr*>(ip),
                                      reinterpret_cast<rte_ipv6_fragment_ext*>(extension));
  if (datagram == nullptr) return nullptr;
  auto* const whole = rte_pktmbuf_mtod_offset(datagram, uint8_t*, datagram->l2_len);
  return Whole(datagram, kIpv6Bytes + Be16(whole + 4));
}

rte_mbuf* Reassembler::Whole(rte_mbuf* datagram, size_t ip_packet_bytes) {
  // The first fragment's header may be longer than those that IsPossible has seen: the sum must have fitted its field.
  if (datagram->pkt_len != datagram->l2_len + ip_packet_bytes) return Refuse(datagram);
  held_ -= CountFragments(datagram);
  for (rte_mbuf* segment = datagram; segment != nullptr; segment = segment->next) segment->tx_offload = 0;
  return datagram;
}

rte_mbuf* Reassembler::Refuse(rte_mbuf* fragment) {
  death_row_.row[death_row_.cnt++] = fragment;
  return nullptr;
}

// What the library gave up is on the death row, as chains in part.
void Reassembler::Bury() {
  uint64_t fragments = 0;
  for (uint32_t i = 0; i < death_row_.cnt; ++i) fragments += CountFragments(death_row_.row[i]);
  rte_ip_frag_free_death_row(&death_row_, kPrefetch);
  held_ -= fragments;
  dropped_ += fragments;
}

void Reassembler::Expire(uint64_t tsc) {
  // A full death row ends the library's sweep early.
  uint64_t before = 0;
  do {
    before = dropped_;
    rte_ip_frag_table_del_expired_entries(table_, &death_row_, tsc);
    Bury();
  } while (dropped_ != before);
}

}  // namespace relay
