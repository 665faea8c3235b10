// The worker's second half: what the verdict says, done to the frame.
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <cstring>

#include "relay/dataplane/dpdk_worker.h"
#include "relay/dataplane/icmp.h"
#include "relay/dataplane/segments.h"
#include "relay/dataplane/usual_frame.h"

namespace relay {
namespace {

// "Too big" answers of a worker: path MTU discovery needs one a path now and then, and a flood of them helps nobody.
constexpr TokenBucket kIcmpBucket = TokenBucket::Of(100, 100);

// Flags that say how the buffer is held; all others are of the receive, and would mean something else to a transmit.
constexpr uint64_t kBufferFlags = RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;

uint8_t TransportOf(bool ipv4) { return static_cast<uint8_t>(ipv4 ? Transport::kUdp4 : Transport::kUdp6); }

// The headers are in the first segment, ParseAny has seen to it. Apart, so that Reshape is inlined.
[[gnu::noinline]] bool ReshapeChain(rte_mbuf* m, int shift, uint32_t bytes, bool may_be_chain) {
  m->data_off = static_cast<uint16_t>(m->data_off + shift);
  m->data_len = static_cast<uint16_t>(m->data_len - shift);
  m->pkt_len = static_cast<uint32_t>(static_cast<int64_t>(m->pkt_len) - shift);
  Shorten(m, bytes);
  return may_be_chain || rte_pktmbuf_linearize(m) == 0;
}

// Makes the frame begin `shift` bytes later (or earlier, if negative) and have `bytes` in all: padding is cut. In one
// mbuf, unless `may_be_chain`. False: no room for that.
[[gnu::always_inline]] inline bool Reshape(rte_mbuf* m, int shift, uint32_t bytes, bool may_be_chain) {
  const int data_off = m->data_off + shift;
  if (data_off < 0) return false;
  m->ol_flags &= kBufferFlags;
  if (m->nb_segs != 1) [[unlikely]]
    return ReshapeChain(m, shift, bytes, may_be_chain);
  m->data_off = static_cast<uint16_t>(data_off);
  m->data_len = static_cast<uint16_t>(bytes);
  m->pkt_len = bytes;
  return true;
}

[[gnu::noinline]] void FinishChecksum(rte_mbuf* m, const Path& to, size_t udp_offset, size_t udp_bytes) {
  uint8_t* const field = rte_pktmbuf_mtod_offset(m, uint8_t*, udp_offset + 6);
  const uint16_t zero = 0;
  std::memcpy(field, &zero, sizeof(zero));
  const uint16_t sum = SumOf(m, static_cast<uint32_t>(udp_offset), static_cast<uint32_t>(udp_bytes));
  const uint16_t checksum = ChecksumOf(PseudoHeaderSum(to, udp_bytes), sum);
  std::memcpy(field, &checksum, sizeof(checksum));
}

}  // namespace

// Into such a frame again, in place: all that changes lies in the headers. False: it takes more than that, and nothing
// was done.
[[gnu::always_inline]] inline bool DpdkWorker::SendUsual(const Lane& lane, const Arrival& arrival, const Ipv4Path& to) {
  const UsualFrame& frame = arrival.usual;
  rte_mbuf* const m = arrival.m;
  Lane* const out = LaneOf(to.link_port());
  if (out == nullptr || frame.udp_checksum == 0) [[unlikely]]
    return false;
  const Port& port = *out->share.port;
  const uint32_t bytes = uint32_t{usual::kUdp} + frame.udp_bytes;
  if (bytes > kEthernetBytes + port.mtu.Get() || lane.share.port->udp_checksum != UdpChecksum::kUpdate) [[unlikely]]
    return false;
  m->ol_flags &= kBufferFlags;
  m->data_len = static_cast<uint16_t>(bytes);  // Padding is cut.
  m->pkt_len = bytes;
  WriteUsual(frame, to, port.mac, rte_pktmbuf_mtod(m, uint8_t*));
  out->out->Add(m, SentAs(TransportOf(true), TransportOf(true), frame.udp_bytes - uint32_t{kUdpBytes}));
  return true;
}

// Data in a usual frame, decided and sent. False: it is not that, or the core has more to say.
[[gnu::always_inline]] inline bool DpdkWorker::ForwardUsual(Lane& lane, Arrival& arrival) {
  if (!arrival.is_usual || arrival.sender.endpoint == nullptr) [[unlikely]]
    return false;
  const UsualFrame& frame = arrival.usual;
  Ipv4Path to;
  bool other_mac = false;
  if (!RelayServer::ForwardIpv4(context_, arrival.sender, frame.from, frame.udp_bytes - kUdpBytes, 1, now_, to,
                                other_mac)) [[unlikely]]
    return false;
  if (!other_mac && SendUsual(lane, arrival, to)) [[likely]]
    return true;
  ForwardParsed(lane, arrival, to, other_mac);
  return true;
}

// The same, the general way.
[[gnu::noinline]] void DpdkWorker::ForwardParsed(Lane& lane, Arrival& arrival, const Ipv4Path& to, bool other_mac) {
  Complete(arrival.usual, arrival.frame);
  if (other_mac) FollowLink(arrival);
  Path path;
  to.Store(path);
  Forward(lane, arrival, path);
}

void DpdkWorker::Forward(Lane& lane, Arrival& arrival, const Path& to) {
  const Frame& frame = arrival.frame;
  if (to.link.port == 0) return ForwardToSocket(arrival, to);
  Lane* const out = LaneOf(to.link.port);
  if (out == nullptr) return Drop(arrival.m, DropReason::kSendFailed);
  rte_mbuf* const m = arrival.m;
  const Port& port = *out->share.port;
  if (const uint16_t mtu = port.mtu.Get(); IpPacketBytes(to, frame.udp_bytes) > mtu) {
    AnswerTooBig(lane, arrival, to, mtu);
    return Drop(m, DropReason::kTooBig);
  }
  const size_t outer = OuterBytes(to);
  if (!Reshape(m, frame.udp_offset - static_cast<int>(outer), static_cast<uint32_t>(outer + frame.udp_bytes),
               port.tx_multi_segment)) {
    return Drop(m, DropReason::kNoMbuf);
  }
  const bool finished = WriteOuter(frame, to, port.mac, rte_pktmbuf_mtod(m, uint8_t*));
  const bool compute = lane.share.port->udp_checksum == UdpChecksum::kCompute && frame.udp_checksum != 0;
  if (!finished || compute) FinishChecksum(m, to, outer, frame.udp_bytes);
  out->out->Add(m, SentAs(TransportOf(frame.ipv4), TransportOf(to.IsIpv4()), frame.udp_bytes - uint32_t{kUdpBytes}));
}

// Data that has to do with IPv6, VLANs, or one address for both legs; and what is to be dropped.
[[gnu::noinline]] void DpdkWorker::DecideData(Lane& lane, Arrival& arrival) {
  if (arrival.is_usual) Complete(arrival.usual, arrival.frame);
  const Frame& frame = arrival.frame;
  DataVerdict verdict =  // Not const, or g++ 12 keeps it in memory.
      server_.DecideData(context_, arrival.header, frame.from, frame.udp_bytes - kUdpBytes, 1, now_);
  if (!verdict.forward) [[unlikely]]
    return Drop(arrival.m, verdict.reason);
  if (verdict.other_mac) [[unlikely]]
    FollowLink(arrival);
  Path to;
  verdict.to.Store(to);
  Forward(lane, arrival, to);
}

// In arrival order: an answer binds the leg that the datagram behind it needs.
[[gnu::noinline]] void DpdkWorker::Decide(Lane& lane, uint16_t count) {
  for (uint16_t i = 0; i < count; ++i) {
    Arrival& arrival = arrivals_[i];
    if (ForwardUsual(lane, arrival)) [[likely]]
      continue;
    if (arrival.header.kind == Parsed::Kind::kData) {
      DecideData(lane, arrival);
    } else {
      DecideOther(lane, arrival);
    }
  }
}

// Control, and what is not for the relay. Apart, so that the registers are the data's.
[[gnu::noinline]] void DpdkWorker::DecideOther(Lane& lane, Arrival& arrival) {
  const Frame& frame = arrival.frame;
  if (frame.fate != Frame::Fate::kRelay) {
    if (arrival.m == nullptr) return;  // The reassembler has it.
    if (frame.fate == Frame::Fate::kDrop) return Drop(arrival.m, frame.reason);
    if (frame.fate == Frame::Fate::kKernel) return ToKernel(lane, arrival.m, DropReason::kNotLocal);
    return ToKernel(lane, arrival.m, DropReason::kFragment);
  }
  const Verdict verdict = server_.Decide(context_, arrival.header, frame.from, Payload(arrival), 1, now_, reply_);
  switch (verdict.action) {
    case Verdict::Action::kReply:
      return Answer(lane, arrival, verdict.to);
    case Verdict::Action::kAccepted:
      counters_.accepted.Add(1);
      return rte_pktmbuf_free(arrival.m);
    case Verdict::Action::kForward:  // Only of data.
    case Verdict::Action::kDrop:
      return Drop(arrival.m, verdict.reason);
  }
}

// In one piece if the core reads it: of all but control only the size counts, and nobody makes us copy that.
std::span<const uint8_t> DpdkWorker::Payload(const Arrival& arrival) {
  const auto offset = static_cast<uint32_t>(arrival.frame.udp_offset + kUdpBytes);
  const auto bytes = static_cast<uint32_t>(arrival.frame.udp_bytes - kUdpBytes);
  const void* data = rte_pktmbuf_mtod_offset(arrival.m, const uint8_t*, offset);
  if (arrival.header.kind == Parsed::Kind::kControl) data = rte_pktmbuf_read(arrival.m, offset, bytes, scratch_.data());
  return {static_cast<const uint8_t*>(data), bytes};
}

// The leg was bound by a kernel socket: what leaves to it goes out by one too.
[[gnu::noinline]] void DpdkWorker::ForwardToSocket(Arrival& arrival, const Path& to) {
  rte_mbuf* const m = arrival.m;
  const size_t headers = arrival.frame.udp_offset + kUdpBytes;
  const size_t payload_bytes = arrival.frame.udp_bytes - kUdpBytes;
  if (config_.kernel_path == nullptr) return Drop(m, DropReason::kSendFailed);
  Reshape(m, static_cast<int>(headers), static_cast<uint32_t>(payload_bytes), /*may_be_chain=*/true);
  MbufNote& note = NoteOf(m);
  note.to = to;
  note.kind = MbufNote::Kind::kToSocket;
  note.payload_bytes = static_cast<uint16_t>(payload_bytes);
  note.transport_in = TransportOf(arrival.frame.ipv4);
  note.transport_out = TransportOf(to.IsIpv4());
  if (!config_.kernel_path->ToSocket(config_.index, m)) Drop(m, DropReason::kKernelPathFull);
}

// In the buffer that the request came in: a reply is never longer.
void DpdkWorker::Answer(Lane& lane, Arrival& arrival, const Path& to) {
  rte_mbuf* const m = arrival.m;
  const size_t outer = OuterBytes(to);
  const size_t udp_bytes = kUdpBytes + reply_.size;
  if (!Reshape(m, arrival.frame.udp_offset - static_cast<int>(outer), static_cast<uint32_t>(outer + udp_bytes),
               /*may_be_chain=*/false)) {
    return Drop(m, DropReason::kNoMbuf);
  }
  uint8_t* const start = rte_pktmbuf_mtod(m, uint8_t*);
  WriteOwnOuter(to, lane.share.port->mac, reply_.size, start);
  std::memcpy(start + outer + kUdpBytes, reply_.bytes.data(), reply_.size);
  FinishChecksum(m, to, outer, udp_bytes);
  lane.out->Add(m, SentAs(MbufNote::Kind::kAnswer));
}

[[gnu::noinline]] void DpdkWorker::AnswerTooBig(Lane& lane, const Arrival& arrival, const Path& to, uint16_t out_mtu) {
  if (!kIcmpBucket.Take(icmp_bucket_ns_, now_)) return;
  rte_mbuf* const m = rte_pktmbuf_alloc(lane.share.port->pool);
  if (m == nullptr) return;
  const std::span<const uint8_t> original{rte_pktmbuf_mtod(arrival.m, const uint8_t*), arrival.m->data_len};
  const std::span<uint8_t> room{rte_pktmbuf_mtod(m, uint8_t*), rte_pktmbuf_tailroom(m)};
  const size_t size =
      WriteTooBig(arrival.frame, original, TooBigMtu(arrival.frame, out_mtu, to), lane.share.port->mac, room);
  if (size == 0) return rte_pktmbuf_free(m);
  m->data_len = static_cast<uint16_t>(size);
  m->pkt_len = static_cast<uint32_t>(size);
  counters_.icmp_too_big.Add(1);
  lane.out->Add(m, SentAs(MbufNote::Kind::kOther));
}

// A gateway may fail over to another one; but nobody who merely spoofs a client's address draws its traffic to a MAC
// address that the kernel has not resolved itself.
[[gnu::noinline]] void DpdkWorker::FollowLink(const Arrival& arrival) {
  if (config_.neighbours == nullptr || !config_.neighbours->Load().Contains(arrival.frame.from.link)) {
    return counters_.link_refused.Add(1);
  }
  if (server_.FollowLink(arrival.header.vni, arrival.frame.from, now_)) counters_.link_followed.Add(1);
}

}  // namespace relay
