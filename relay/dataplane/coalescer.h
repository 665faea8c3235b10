// Merges a burst's datagrams for one destination into UDP_SEGMENT sends, in order and without copying: a batch with 100
// interleaved conversations becomes one message a conversation. No I/O.
#ifndef RELAYD_RELAY_DATAPLANE_COALESCER_H_
#define RELAYD_RELAY_DATAPLANE_COALESCER_H_

#include <array>
#include <cstdint>
#include <span>

#include "relay/core/counters.h"
#include "relay/core/path.h"
#include "relay/dataplane/train.h"

namespace relay {

// One send: datagrams for one destination, each of `segment_size` bytes but the last, which may be shorter.
struct Outgoing {
  Path to;
  uint32_t segment_size = 0;
  uint32_t segments = 0;
  uint32_t bytes = 0;
  uint16_t first = 0;  // Chain of pieces.
  uint16_t last = 0;
  uint16_t pieces = 0;
  bool is_reply = false;  // Ours, not a relayed datagram.
  // Of the relayed datagrams, by the transport that they came in by.
  std::array<uint32_t, 2> packets_by_transport{};
  std::array<uint32_t, 2> bytes_by_transport{};
};

class Coalescer {
 public:
  // A run of bytes within a message; the bytes stay where they were received.
  struct Piece {
    Train train;
    uint16_t next = 0;
    Transport transport_in{};
  };
  static constexpr uint32_t kMaxPieces = 1024;  // UIO_MAXIOV: one sendmmsg takes as many messages.
  // The most pieces that one train falls into: 65,535 bytes in segments of eight, 64 segments a piece.
  static constexpr uint32_t kMaxPiecesPerTrain = 65535 / 8 / kMaxTrainSegments + 1;

  // `merge` false: what was received apart is sent apart (GSO is off).
  explicit Coalescer(bool merge) : merge_(merge) {}

  // False: send and Clear before the next Add.
  bool HasRoom() const { return piece_count_ + kMaxPiecesPerTrain <= kMaxPieces; }

  // Relays `train`, whose segments hold eight bytes at least; the bytes stay valid until Clear.
  void Add(const Path& to, const Train& train, Transport transport_in);
  // A reply of ours: never merged with anything.
  void AddReply(const Path& to, std::span<const uint8_t> reply);
  void Clear();

  // In the order in which they have to leave.
  std::span<const Outgoing> messages() const { return std::span(messages_).first(message_count_); }
  const Piece& piece(uint16_t index) const { return pieces_[index]; }

 private:
  // Open-addressed, by destination: the message that still takes datagrams. A full neighbourhood only means that
  // nothing is merged, so probing is bounded and chosen collisions cost nothing.
  static constexpr uint32_t kSlots = 2048;
  static constexpr uint32_t kMaxProbes = 8;
  struct Slot {
    uint32_t epoch = 0;  // Of an older burst: empty.
    uint16_t message = 0;
  };

  void AddPiece(const Path& to, const Train& train, Transport transport_in);
  Slot* FindSlot(const Path& to);
  Outgoing& NewMessage(const Path& to, const Train& train);
  void Append(Outgoing& message, const Train& train, Transport transport_in);

  const bool merge_;
  uint32_t piece_count_ = 0;
  uint32_t message_count_ = 0;
  uint32_t epoch_ = 1;
  std::array<Piece, kMaxPieces> pieces_;
  std::array<Outgoing, kMaxPieces> messages_;
  std::array<Slot, kSlots> slots_{};
};

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_COALESCER_H_
