#include "relay/dataplane/tx_buffer.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_ring.h>

#include <algorithm>

namespace relay {

TxBuffer::~TxBuffer() { Abandon(); }

bool TxBuffer::MakeRoom() {
  if (!refused_) Send();
  return size_ < kCapacity;
}

void TxBuffer::Drop(rte_mbuf* frame, SentAs as) {
  port_counters_.tx_full.Add(1);
  // What came from the kernel and ICMP of our own were never counted as received.
  if (as.kind() == MbufNote::Kind::kForward || as.kind() == MbufNote::Kind::kAnswer) {
    counters_.Drop(DropReason::kTxFull, 1);
  }
  rte_pktmbuf_free(frame);
}

void TxBuffer::Send() {
  uint16_t sent = 0;
  if (target_.handoff != nullptr) {
    sent = HandOff();
  } else {
    sent = rte_eth_tx_burst(target_.port_id, target_.queue, frames_.data(), size_);
    CountSent(sent);
  }
  if (sent == size_) {
    size_ = 0;
    blocked_since_ = 0;
    return;
  }
  refused_ = true;
  if (sent == 0) return Wait();
  blocked_since_ = 0;
  std::copy(frames_.begin() + sent, frames_.begin() + size_, frames_.begin());
  std::copy(as_.begin() + sent, as_.begin() + size_, as_.begin());
  size_ = static_cast<uint16_t>(size_ - sent);
}

void TxBuffer::Wait() {
  const uint64_t now = rte_rdtsc();
  if (blocked_since_ == 0) blocked_since_ = now;
  const uint64_t patience = rte_get_tsc_hz() / 1'000'000 * (kPatienceNs / 1000);
  if (now - blocked_since_ > patience) Abandon();
}

// The worker that owns the queue counts them, when it has sent them.
uint16_t TxBuffer::HandOff() {
  for (uint16_t i = 0; i < size_; ++i) {
    MbufNote& note = NoteOf(frames_[i]);
    note.kind = as_[i].kind();
    note.transport_in = static_cast<uint8_t>(as_[i].transports() >> 1);
    note.transport_out = static_cast<uint8_t>(as_[i].transports() & 1);
    note.payload_bytes = as_[i].payload_bytes();
  }
  void* const* const frames = reinterpret_cast<void* const*>(frames_.data());
  return static_cast<uint16_t>(rte_ring_enqueue_burst(target_.handoff, frames, size_, nullptr));
}

// One addition a frame, whatever it is: itself and its bytes in one word. In a register while frames are of one class,
// because additions to one place in memory wait for each other (1 ns a packet, bench/ring_bench).
void TxBuffer::CountSent(uint16_t sent) {
  constexpr uint64_t kOne = uint64_t{1} << 40;
  std::array<uint64_t, SentAs::kClasses> sums{};
  for (uint16_t i = 0; i < sent;) {
    const size_t index = as_[i].class_index();
    uint64_t sum = 0;
    for (; i < sent && as_[i].class_index() == index; ++i) sum += kOne + as_[i].payload_bytes();
    sums[index] += sum;
  }
  for (size_t i = 0; i < 4; ++i) {
    if (sums[i] == 0) continue;
    counters_.forwarded_packets[i / 2][i % 2].Add(sums[i] / kOne);
    counters_.forwarded_bytes[i / 2][i % 2].Add(sums[i] % kOne);
  }
  const uint64_t answers = sums[SentAs::ClassOf(MbufNote::Kind::kAnswer)] / kOne;
  const uint64_t from_kernel = sums[SentAs::ClassOf(MbufNote::Kind::kFromKernel)] / kOne;
  if (answers != 0) counters_.answered.Add(answers);
  if (from_kernel != 0) port_counters_.from_kernel.Add(from_kernel);
  port_counters_.sent.Add(sent);
}

void TxBuffer::Abandon() {
  for (uint16_t i = 0; i < size_; ++i) Drop(frames_[i], as_[i]);
  size_ = 0;
}

}  // namespace relay
