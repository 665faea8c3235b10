// The bytes of frames and the words of paths, for what parses and writes frames. A Path is written and read in the
// words of eight bytes that it consists of: a struct that is written in bytes and read in words, or the other way
// round, stalls.
#ifndef RELAYD_RELAY_DATAPLANE_FRAME_WORDS_H_
#define RELAYD_RELAY_DATAPLANE_FRAME_WORDS_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "relay/core/path.h"

namespace relay::frame_words {

static_assert(std::endian::native == std::endian::little, "paths are composed in words, low bytes first");

inline constexpr uint16_t kTypeIpv4 = 0x0800;
inline constexpr uint16_t kTypeIpv6 = 0x86dd;
inline constexpr uint16_t kTypeVlan = 0x8100;
inline constexpr uint8_t kProtocolUdp = 17;
inline constexpr uint8_t kIpv6Fragment = 44;
inline constexpr size_t kIpv6FragmentBytes = 8;
inline constexpr uint16_t kVlanId = 0x0fff;
inline constexpr uint16_t kMoreFragmentsOrOffset = 0x3fff;
inline constexpr uint8_t kTtl = 64;

template <typename T>
T Load(const uint8_t* p) {
  T out;
  std::memcpy(&out, p, sizeof(out));
  return out;
}
template <typename T>
void Store(uint8_t* p, T value) {
  std::memcpy(p, &value, sizeof(value));
}
inline uint16_t Be16(const uint8_t* p) { return __builtin_bswap16(Load<uint16_t>(p)); }
inline void StoreBe16(uint8_t* p, uint16_t value) { Store(p, __builtin_bswap16(value)); }

// One's complement sums of 16-bit words in the order of memory (RFC 1071 section 2: any order will do if it is one).
inline uint64_t Sum4(const uint8_t* p) { return Load<uint32_t>(p); }
inline uint64_t Sum16(const uint8_t* p) { return Sum4(p) + Sum4(p + 4) + Sum4(p + 8) + Sum4(p + 12); }
// 0 for 0 alone: any other multiple of 0xffff gives 0xffff. Adding the halves the other way round makes the carry go
// round by itself.
inline uint16_t Fold(uint64_t sum) {
  const auto half = static_cast<uint32_t>((sum + std::rotl(sum, 32)) >> 32);
  return static_cast<uint16_t>((half + std::rotl(half, 16)) >> 16);
}
// Of an IPv4 header without options, in words of eight bytes: what is carried out at the top comes in at the bottom.
inline bool HeaderChecksumIsRight(const uint8_t* ip) {
  const auto first = Load<uint64_t>(ip);
  uint64_t sum = first + Load<uint64_t>(ip + 8);
  sum += sum < first ? 1 : 0;
  const uint64_t last = Sum4(ip + 16);
  sum += last;
  sum += sum < last ? 1 : 0;
  return Fold(sum) == 0xffff;
}
// Addresses that no packet on a wire comes from (RFC 1122 section 3.2.1.3): answering them would end within this host,
// or nowhere.
inline bool IsMartianIpv4(const uint8_t* ip) { return ip[0] == 0 || ip[0] == 127 || ip[0] >= 224; }

// The second word of a v4-mapped address, from the IPv4 one as it stands in a packet.
constexpr uint64_t MappedWord(uint32_t ipv4) { return uint64_t{0xffff} << 16 | uint64_t{ipv4} << 32; }

// The words of a Path, written whole: a struct that is written in bytes and read in words stalls.
class PathWriter {
 public:
  explicit PathWriter(Path& path) : at_(reinterpret_cast<uint8_t*>(&path)) {}
  void Ipv4(size_t offset, const uint8_t* ip) {
    Word(offset, 0);
    Word(offset + 8, MappedWord(Load<uint32_t>(ip)));
  }
  void Ipv6(size_t offset, const uint8_t* ip) {
    Word(offset, Load<uint64_t>(ip));
    Word(offset + 8, Load<uint64_t>(ip + 8));
  }
  void Word(size_t offset, uint64_t value) { Store(at_ + offset, value); }

 private:
  uint8_t* at_;
};
inline constexpr size_t kRemoteIp = offsetof(Path, remote);
inline constexpr size_t kRemotePort = offsetof(Path, remote) + 16;  // Scope, port, zero.
inline constexpr size_t kLocalIp = offsetof(Path, local_ip);
inline constexpr size_t kLocalPort =
    offsetof(Path, local_port);                      // Local port, link's port, VLAN, the MAC's first two bytes.
inline constexpr size_t kLastWord = kLocalPort + 8;  // The MAC's other four bytes, interface.

// What the datagram's checksum becomes by the difference between the old addresses and ports and the new ones. The
// pseudo header's other fields, protocol and length, are the same in both families. Subtracted from a multiple of
// 0xffff, which is 0 in one's complement.
[[gnu::always_inline]] inline uint16_t UpdatedChecksum(uint16_t old, uint64_t old_sum, uint64_t new_sum) {
  constexpr uint64_t kZero = uint64_t{0xffff} << 24;
  const auto checksum = static_cast<uint16_t>(~Fold(new_sum + (kZero - old_sum) + static_cast<uint16_t>(~old)));
  return checksum == 0 ? uint16_t{0xffff} : checksum;
}

}  // namespace relay::frame_words

#endif  // RELAYD_RELAY_DATAPLANE_FRAME_WORDS_H_
