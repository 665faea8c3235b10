// A GRO train: what one receive gives when the kernel (or a loopback peer's GSO send) has put datagrams of one source
// together. Bytes only, no I/O.
#ifndef RELAYD_RELAY_DATAPLANE_TRAIN_H_
#define RELAYD_RELAY_DATAPLANE_TRAIN_H_

#include <algorithm>
#include <cstdint>
#include <span>

namespace relay {

// What one UDP_SEGMENT send may carry: UDP_MAX_SEGMENTS of the older kernels, and the largest UDP payload of IPv4.
inline constexpr uint32_t kMaxTrainSegments = 64;
inline constexpr uint32_t kMaxTrainBytes = 65507;

// Datagrams back to back, all of `segment_size` bytes but the last, which may be shorter. The bytes are the receiver's.
struct Train {
  std::span<const uint8_t> bytes;
  uint32_t segment_size = 0;  // Of a single datagram: its own size.
  uint32_t segments = 1;

  // `gro_size` is UDP_GRO's word; 0 where there was none. An empty datagram is one segment.
  static Train Of(std::span<const uint8_t> bytes, uint32_t gro_size) {
    const auto size = static_cast<uint32_t>(bytes.size());
    if (gro_size == 0 || gro_size >= size) return {bytes, size, 1};
    return {bytes, gro_size, (size + gro_size - 1) / gro_size};
  }

  // Segments [first, first + count) as a train of their own; `first` < segments.
  Train Slice(uint32_t first, uint32_t count) const {
    const size_t begin = size_t{first} * segment_size;
    const size_t size = std::min(size_t{count} * segment_size, bytes.size() - begin);
    return {bytes.subspan(begin, size), static_cast<uint32_t>(std::min<size_t>(segment_size, size)),
            std::min(count, segments - first)};
  }
};

// True if the relay may decide on the whole train at once and pass it on as it is: every segment holds a Geneve header
// of version 0 with O clear, all with one VNI. A single datagram always may.
bool IsUniform(const Train& train);

}  // namespace relay

#endif  // RELAYD_RELAY_DATAPLANE_TRAIN_H_
