#include "relay/dataplane/train.h"

#include <array>
#include <bit>
#include <cstring>

#include "geneve/geneve.h"

namespace relay {

namespace {
// A Geneve header's bytes in one word, in the order in which they stand in memory.
uint64_t Word(std::span<const uint8_t, geneve::kHeaderSize> header) {
  uint64_t word;
  std::memcpy(&word, header.data(), sizeof(word));
  return word;
}

// Version and O, which have to be zero, and the VNI, which has to be the same.
constexpr std::array<uint8_t, geneve::kHeaderSize> kZeroBits = {0xC0, 0x80, 0, 0, 0, 0, 0, 0};
constexpr std::array<uint8_t, geneve::kHeaderSize> kSameBits = {0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0};
}  // namespace

bool IsUniform(const Train& train) {
  if (train.segments == 1) return true;
  const size_t last = size_t{train.segments - 1} * train.segment_size;
  if (train.bytes.size() - last < geneve::kHeaderSize) return false;  // The last is the shortest.
  // The first one's VNI and zeros are what every header has to show. No branch a segment: the loads of 64 headers, each
  // on a cache line of its own, overlap.
  const auto zero = std::bit_cast<uint64_t>(kZeroBits), same = std::bit_cast<uint64_t>(kSameBits);
  const uint64_t wanted = Word(train.bytes.first<geneve::kHeaderSize>()) & same;
  uint64_t odd = 0;
  for (size_t at = 0; at <= last; at += train.segment_size) {
    odd |= (Word(train.bytes.subspan(at).first<geneve::kHeaderSize>()) ^ wanted) & (zero | same);
  }
  return odd == 0;
}

}  // namespace relay
