#include "bench/measure/stamp.h"

#include <array>
#include <bit>
#include <cassert>
#include <cstring>

namespace bench {
namespace {

constexpr uint32_t kMagic = 0xb3c4'1d5e;
constexpr size_t kHeader = 32;
constexpr size_t kChecksum = 8;

// The header as four words, which are built in registers: written field by field and read back as words it would cost a
// store-forwarding stall.
using Words = std::array<uint64_t, kHeader / 8>;

struct Header {
  uint32_t magic;
  uint32_t run;
  uint32_t flow;
  uint16_t size;
  Coverage coverage;
  uint64_t sequence;
  int64_t intended_ns;

  static Header Of(const Words& words) {
    return {.magic = static_cast<uint32_t>(words[0]),
            .run = static_cast<uint32_t>(words[0] >> 32),
            .flow = static_cast<uint32_t>(words[1]),
            .size = static_cast<uint16_t>(words[1] >> 32),
            .coverage = static_cast<Coverage>(words[1] >> 48),
            .sequence = words[2],
            .intended_ns = static_cast<int64_t>(words[3])};
  }
  Words words() const {
    return {magic | uint64_t{run} << 32, flow | uint64_t{size} << 32 | static_cast<uint64_t>(coverage) << 48, sequence,
            static_cast<uint64_t>(intended_ns)};
  }
};

__extension__ using Wide = unsigned __int128;

// Both halves of a product: every bit of either factor moves about half of the result's.
constexpr uint64_t Fold(uint64_t a, uint64_t b) {
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

// The keys are digits of pi, so that no likely field makes a factor 0.
uint64_t ChecksumOf(const Words& words) {
  const uint64_t first = Fold(words[0] ^ 0x243f'6a88'85a3'08d3, words[1] ^ 0x1319'8a2e'0370'7344);
  const uint64_t second = Fold(words[2] ^ 0xa409'3822'299f'31d0, words[3] ^ 0x082e'fa98'ec4e'6c89);
  return Fold(first ^ 0x4528'21e6'38d0'1377, second ^ 0xbe54'66cf'34e9'0c6c);
}

// The filler's pattern: noise (SplitMix64's recurrence), long enough for every start and the largest body.
constexpr size_t kStarts = 512;  // In words: a working set of 4 KiB and a body stays in the first-level cache.
constexpr size_t kPatternBytes = kStarts * 8 + kMaxBody;

const uint8_t* Pattern() {
  static const std::array<uint64_t, kPatternBytes / 8 + 1> pattern = [] {
    std::array<uint64_t, kPatternBytes / 8 + 1> words;
    uint64_t state = 0x452821e638d01377;
    for (uint64_t& word : words) {
      state += 0x9e37'79b9'7f4a'7c15;
      word = Fold(state, state ^ 0xbf58'476d'1ce4'e5b9);
    }
    return words;
  }();
  return reinterpret_cast<const uint8_t*>(pattern.data());
}

// Neighbours in a flow, and one sequence's packets in all flows, begin at different places: a filler that was swapped
// for another packet's does not match.
const uint8_t* FillerOf(const Header& header) {
  const uint64_t start = (header.sequence + uint64_t{header.flow} * 37) % kStarts;
  return Pattern() + start * 8;
}

}  // namespace

void WriteStamp(std::span<uint8_t> body, const Stamp& stamp, Coverage coverage) {
  assert(body.size() >= kMinBody && body.size() <= kMaxBody);
  const Header header = {.magic = kMagic,
                         .run = stamp.run,
                         .flow = stamp.flow,
                         .size = static_cast<uint16_t>(body.size()),
                         .coverage = coverage,
                         .sequence = stamp.sequence,
                         .intended_ns = stamp.intended_ns};
  const Words words = header.words();
  const size_t filler = body.size() - kMinBody;
  std::memcpy(body.data(), words.data(), kHeader);
  if (coverage == Coverage::kAll) std::memcpy(body.data() + kHeader, FillerOf(header), filler);
  const uint64_t checksum = ChecksumOf(words);
  std::memcpy(body.data() + kHeader + filler, &checksum, kChecksum);
}

StampStatus ReadStamp(std::span<const uint8_t> body, uint32_t run, Stamp& stamp) {
  if (body.size() < kHeader) return StampStatus::kNotOurs;
  Words words;
  std::memcpy(words.data(), body.data(), kHeader);
  const Header header = Header::Of(words);
  if (header.magic != kMagic) {
    // A few bits off, and then our run: it is the magic that was damaged.
    const bool damaged = std::popcount(header.magic ^ kMagic) <= 8 && header.run == run;
    return damaged ? StampStatus::kCorrupt : StampStatus::kNotOurs;
  }
  if (body.size() < kMinBody || header.size != body.size()) return StampStatus::kCorrupt;
  const size_t filler = body.size() - kMinBody;
  uint64_t checksum;
  std::memcpy(&checksum, body.data() + kHeader + filler, kChecksum);
  if (checksum != ChecksumOf(words)) return StampStatus::kCorrupt;
  if (header.run != run) return StampStatus::kNotOurs;
  if (header.coverage == Coverage::kAll && std::memcmp(body.data() + kHeader, FillerOf(header), filler) != 0) {
    return StampStatus::kCorrupt;
  }
  stamp = {.run = header.run, .flow = header.flow, .sequence = header.sequence, .intended_ns = header.intended_ns};
  return StampStatus::kOk;
}

}  // namespace bench
