#include "relay/dataplane/coalescer.h"

#include <bit>

namespace relay {

namespace {

using WordsOfPath = std::array<uint64_t, sizeof(Path) / sizeof(uint64_t)>;

bool SamePath(const Path& a, const Path& b) {
  const auto x = std::bit_cast<WordsOfPath>(a), y = std::bit_cast<WordsOfPath>(b);
  uint64_t differs = 0;
  for (size_t i = 0; i < x.size(); ++i) differs |= x[i] ^ y[i];
  return differs == 0;
}

uint32_t Hash(const Path& to) {
  const auto words = std::bit_cast<WordsOfPath>(to);
  uint64_t hash = words[0] ^ words[3];                            // High half of both addresses.
  hash = (hash ^ words[1]) * 0x9E3779B97F4A7C15u;                 // Low half of the remote one: IPv4.
  hash = (hash ^ words[2] ^ (hash >> 32)) * 0xC2B2AE3D27D4EB4Fu;  // Scope and port.
  return static_cast<uint32_t>(hash >> 40);
}

// Only the last segment of a send may be short; what ends in a short one takes nothing more.
bool EndsShort(const Outgoing& message) { return message.bytes % message.segment_size != 0; }

bool Merges(const Outgoing& message, const Train& train) {
  const bool fits =
      train.segment_size == message.segment_size || (train.segments == 1 && train.segment_size < message.segment_size);
  return fits && !EndsShort(message) && message.segments + train.segments <= kMaxTrainSegments &&
         message.bytes + train.bytes.size() <= kMaxTrainBytes;
}

}  // namespace

void Coalescer::Add(const Path& to, const Train& train, Transport transport_in) {
  const uint32_t per_piece = std::clamp(kMaxTrainBytes / train.segment_size, uint32_t{1}, kMaxTrainSegments);
  for (uint32_t at = 0; at < train.segments; at += per_piece) AddPiece(to, train.Slice(at, per_piece), transport_in);
}

void Coalescer::AddPiece(const Path& to, const Train& train, Transport transport_in) {
  Slot* const slot = merge_ ? FindSlot(to) : nullptr;
  if (slot != nullptr && slot->epoch == epoch_) {
    Outgoing& open = messages_[slot->message];
    if (Merges(open, train)) return Append(open, train, transport_in);
  }
  // The older message, if there is one, stands before this one: order is kept.
  if (slot != nullptr) *slot = {.epoch = epoch_, .message = static_cast<uint16_t>(message_count_)};
  Append(NewMessage(to, train), train, transport_in);
}

void Coalescer::AddReply(const Path& to, std::span<const uint8_t> reply) {
  const Train train = Train::Of(reply, 0);
  Outgoing& message = NewMessage(to, train);
  message.is_reply = true;
  Append(message, train, Transport::kUdp4);
}

void Coalescer::Clear() {
  piece_count_ = 0;
  message_count_ = 0;
  if (++epoch_ == 0) {  // Once in 2^32 bursts.
    slots_.fill({});
    epoch_ = 1;
  }
}

Coalescer::Slot* Coalescer::FindSlot(const Path& to) {
  const uint32_t hash = Hash(to);
  for (uint32_t probe = 0; probe < kMaxProbes; ++probe) {
    Slot& slot = slots_[(hash + probe) % kSlots];
    if (slot.epoch != epoch_ || SamePath(messages_[slot.message].to, to)) return &slot;
  }
  return nullptr;
}

Outgoing& Coalescer::NewMessage(const Path& to, const Train& train) {
  Outgoing& message = messages_[message_count_++];
  message = {};
  message.to = to;
  message.segment_size = train.segment_size;
  return message;
}

void Coalescer::Append(Outgoing& message, const Train& train, Transport transport_in) {
  const auto index = static_cast<uint16_t>(piece_count_++);
  pieces_[index] = {.train = train, .next = 0, .transport_in = transport_in};
  if (message.pieces == 0) {
    message.first = index;
  } else {
    pieces_[message.last].next = index;
  }
  message.last = index;
  ++message.pieces;
  const auto size = static_cast<uint32_t>(train.bytes.size());
  message.segments += train.segments;
  message.bytes += size;
  message.packets_by_transport[static_cast<size_t>(transport_in)] += train.segments;
  message.bytes_by_transport[static_cast<size_t>(transport_in)] += size;
}

}  // namespace relay
