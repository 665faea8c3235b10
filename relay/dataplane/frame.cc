#include "relay/dataplane/frame.h"

#include <bit>
#include <cstring>

#include "geneve/wire.h"

namespace relay {
namespace {

static_assert(std::endian::native == std::endian::little, "paths are composed in words, low bytes first");

constexpr uint16_t kTypeIpv4 = 0x0800;
constexpr uint16_t kTypeIpv6 = 0x86dd;
constexpr uint16_t kTypeVlan = 0x8100;
constexpr uint8_t kProtocolUdp = 17;
constexpr uint8_t kIpv6Fragment = 44;
constexpr size_t kIpv6FragmentBytes = 8;
constexpr uint16_t kVlanId = 0x0fff;
constexpr uint16_t kMoreFragmentsOrOffset = 0x3fff;
constexpr uint8_t kTtl = 64;

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
uint16_t Be16(const uint8_t* p) { return __builtin_bswap16(Load<uint16_t>(p)); }
void StoreBe16(uint8_t* p, uint16_t value) { Store(p, __builtin_bswap16(value)); }

// One's complement sums of 16-bit words in the order of memory (RFC 1071 section 2: any order will do if it is one).
uint64_t Sum4(const uint8_t* p) { return Load<uint32_t>(p); }
uint64_t Sum16(const uint8_t* p) { return Sum4(p) + Sum4(p + 4) + Sum4(p + 8) + Sum4(p + 12); }
// 0 for 0 alone: any other multiple of 0xffff gives 0xffff. Adding the halves the other way round makes the carry go
// round by itself.
uint16_t Fold(uint64_t sum) {
  const auto half = static_cast<uint32_t>((sum + std::rotl(sum, 32)) >> 32);
  return static_cast<uint16_t>((half + std::rotl(half, 16)) >> 16);
}
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
constexpr size_t kRemoteIp = offsetof(Path, remote);
constexpr size_t kRemotePort = offsetof(Path, remote) + 16;  // Scope, port, zero.
constexpr size_t kLocalIp = offsetof(Path, local_ip);
constexpr size_t kLocalPort = offsetof(Path, local_port);  // Local port, link's port, VLAN, the MAC's first two bytes.
constexpr size_t kLastWord = kLocalPort + 8;               // The MAC's other four bytes, interface.
static_assert(kRemoteIp == 0 && kLocalIp == 24 && kLocalPort == 40 && offsetof(Path, link) == 42 &&
              offsetof(Link, mac) == 4 && offsetof(Path, interface) == 52);

bool IsMapped(const uint8_t* ip) { return Load<uint64_t>(ip) == 0 && Load<uint32_t>(ip + 8) == 0xffff0000; }
// Addresses that no packet on a wire comes from (RFC 1122 section 3.2.1.3, RFC 4291 section 2.5): answering them would
// end within this host, or nowhere.
bool IsMartianIpv4(const uint8_t* ip) { return ip[0] == 0 || ip[0] == 127 || ip[0] >= 224; }
bool IsMartianIpv6(const uint8_t* ip) {
  const bool low = Load<uint64_t>(ip) == 0 && __builtin_bswap64(Load<uint64_t>(ip + 8)) <= 1;  // :: and ::1
  return low || ip[0] == 0xff || IsMapped(ip);
}
bool IsLinkLocal(const uint8_t* ip) { return ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80; }

void Drop(DropReason reason, Frame& out) {
  out.fate = Frame::Fate::kDrop;
  out.reason = reason;
}

[[gnu::always_inline]] inline bool HeaderChecksumIsRight(const uint8_t* ip, size_t bytes) {
  uint64_t sum = Sum16(ip) + Sum4(ip + 16);
  for (size_t i = kIpv4Bytes; i < bytes; i += 4) sum += Sum4(ip + i);  // Options.
  return Fold(sum) == 0xffff;
}

// Reads the UDP header, and completes `out` if the datagram is ours. `ip_payload` bytes are behind the IP header.
[[gnu::always_inline]] inline bool ParseUdp(const uint8_t* frame, const uint8_t* udp, size_t ip_payload, uint16_t vlan,
                                            uint32_t scope, uint64_t address_sum, const FrameContext& context,
                                            Frame& out) {
  if (ip_payload < kUdpBytes) {
    Drop(DropReason::kBadUdpLength, out);
    return false;
  }
  if (Be16(udp + 2) != context.udp_port) return false;
  out.udp_bytes = Be16(udp + 4);
  if (out.udp_bytes < kUdpBytes || out.udp_bytes > ip_payload) {
    Drop(DropReason::kBadUdpLength, out);
    return false;
  }
  out.udp_checksum = Load<uint16_t>(udp + 6);
  out.address_sum = address_sum + Sum4(udp);
  out.udp_offset = static_cast<uint8_t>(udp - frame);
  PathWriter path(out.from);
  path.Word(kRemotePort, uint64_t{scope} | uint64_t{Be16(udp)} << 32);
  const uint8_t* const mac = frame + 6;
  path.Word(kLocalPort, uint64_t{context.udp_port} | uint64_t{context.link_port} << 16 | uint64_t{vlan} << 32 |
                            uint64_t{Load<uint16_t>(mac)} << 48);
  path.Word(kLastWord, uint64_t{Load<uint32_t>(mac + 2)} | uint64_t{context.interface} << 32);
  out.fate = Frame::Fate::kRelay;
  return true;
}

[[gnu::always_inline]] inline void ParseIpv4(const uint8_t* frame, size_t size, uint16_t vlan,
                                             const FrameContext& context, Frame& out) {
  const uint8_t* const ip = frame + out.ip_offset;
  if (size < kIpv4Bytes || ip[0] >> 4 != 4) return Drop(DropReason::kBadIpHeader, out);
  const size_t header = size_t{ip[0] & 0x0fu} * 4;
  const size_t total = Be16(ip + 2);
  if (header < kIpv4Bytes || total < header || total > size) return Drop(DropReason::kBadIpHeader, out);
  if (ip[9] != kProtocolUdp) return;
  PathWriter path(out.from);
  path.Ipv4(kLocalIp, ip + 16);
  if (!context.IsOurs(out.from.local_ip)) return;
  out.ipv4 = true;
  if ((Be16(ip + 6) & kMoreFragmentsOrOffset) != 0) {
    out.fate = Frame::Fate::kFragment;
    if (!context.checksum_good && !HeaderChecksumIsRight(ip, header)) Drop(DropReason::kBadIpChecksum, out);
    return;
  }
  path.Ipv4(kRemoteIp, ip + 12);
  out.ecn = ip[1] & 3;
  if (!ParseUdp(frame, ip + header, total - header, vlan, 0, Sum4(ip + 12) + Sum4(ip + 16), context, out)) return;
  if (!context.checksum_good && !HeaderChecksumIsRight(ip, header)) return Drop(DropReason::kBadIpChecksum, out);
  if (IsMartianIpv4(ip + 12)) Drop(DropReason::kRefusedSource, out);
}

void ParseIpv6(const uint8_t* frame, size_t size, uint16_t vlan, const FrameContext& context, Frame& out) {
  const uint8_t* const ip = frame + out.ip_offset;
  if (size < kIpv6Bytes || ip[0] >> 4 != 6) return Drop(DropReason::kBadIpHeader, out);
  const size_t payload = Be16(ip + 4);
  if (payload > size - kIpv6Bytes) return Drop(DropReason::kBadIpHeader, out);
  if (ip[6] != kProtocolUdp && ip[6] != kIpv6Fragment) return;
  const uint8_t* const source = ip + 8;
  // On the wire a v4-mapped address is nobody's; within relayd it is an IPv4 one.
  if (IsMapped(ip + 24)) return;
  PathWriter path(out.from);
  path.Ipv6(kLocalIp, ip + 24);
  if (!context.IsOurs(out.from.local_ip)) return;
  out.ipv4 = false;
  if (ip[6] == kIpv6Fragment) {
    if (payload < kIpv6FragmentBytes) return Drop(DropReason::kBadIpHeader, out);
    if (ip[kIpv6Bytes] != kProtocolUdp) return;
    out.fate = Frame::Fate::kFragment;
    return;
  }
  path.Ipv6(kRemoteIp, source);
  out.ecn = ip[1] >> 4 & 3;
  const uint32_t scope = IsLinkLocal(source) ? context.interface : 0;
  if (!ParseUdp(frame, ip + kIpv6Bytes, payload, vlan, scope, Sum16(source) + Sum16(ip + 24), context, out)) return;
  if (IsMartianIpv6(source)) return Drop(DropReason::kRefusedSource, out);
  if (out.udp_checksum == 0) Drop(DropReason::kZeroChecksum, out);
}

// A Path in registers: read once, in the words that it was written in, before anything is stored. (What is stored
// through bytes may be anything, for all that the compiler knows.)
struct PathWords {
  [[gnu::always_inline]] explicit PathWords(const Path& path) {
    const auto* const at = reinterpret_cast<const uint8_t*>(&path);
    remote[0] = Load<uint64_t>(at + kRemoteIp);
    remote[1] = Load<uint64_t>(at + kRemoteIp + 8);
    local[0] = Load<uint64_t>(at + kLocalIp);
    local[1] = Load<uint64_t>(at + kLocalIp + 8);
    remote_port = static_cast<uint16_t>(Load<uint64_t>(at + kRemotePort) >> 32);
    const uint64_t link = Load<uint64_t>(at + kLocalPort);
    local_port = static_cast<uint16_t>(link);
    vlan = static_cast<uint16_t>(link >> 32);
    mac_first = static_cast<uint16_t>(link >> 48);
    mac_rest = static_cast<uint32_t>(Load<uint64_t>(at + kLastWord));
    ipv4 = remote[0] == 0 && static_cast<uint32_t>(remote[1]) == 0xffff0000;
  }
  uint32_t remote_ipv4() const { return static_cast<uint32_t>(remote[1] >> 32); }
  uint32_t local_ipv4() const { return static_cast<uint32_t>(local[1] >> 32); }
  // As they stand in a packet from us.
  uint32_t ports() const {
    return uint32_t{__builtin_bswap16(local_port)} | uint32_t{__builtin_bswap16(remote_port)} << 16;
  }
  uint64_t mac() const { return mac_first | uint64_t{mac_rest} << 16; }
  // Of both addresses.
  uint64_t Sum4() const { return uint64_t{remote_ipv4()} + local_ipv4(); }
  uint64_t Sum() const {
    if (ipv4) return Sum4();
    return Half(remote[0]) + Half(remote[1]) + Half(local[0]) + Half(local[1]);
  }
  static uint64_t Half(uint64_t word) { return (word & 0xffffffff) + (word >> 32); }

  uint64_t remote[2];
  uint64_t local[2];
  uint16_t remote_port;
  uint16_t local_port;
  uint16_t vlan;
  uint16_t mac_first;
  uint32_t mac_rest;
  bool ipv4;
};

// Returns where the IP header begins.
[[gnu::always_inline]] inline uint8_t* WriteEthernet(const PathWords& to, const MacAddress& own, uint8_t* out) {
  Store(out, to.mac_first);
  Store(out + 2, to.mac_rest);
  Store(out + 6, Load<uint32_t>(own.data()));
  Store(out + 10, Load<uint16_t>(own.data() + 4));
  out += 12;
  if (to.vlan != 0) {
    StoreBe16(out, kTypeVlan);
    StoreBe16(out + 2, to.vlan);
    out += kVlanTagBytes;
  }
  StoreBe16(out, to.ipv4 ? kTypeIpv4 : kTypeIpv6);
  return out + 2;
}

// Both return where the UDP header begins.
[[gnu::always_inline]] inline uint8_t* WriteIpv4(const PathWords& to, uint8_t ecn, size_t udp_bytes, uint8_t* ip) {
  const auto total = static_cast<uint16_t>(kIpv4Bytes + udp_bytes);
  const uint32_t first = 0x45u | uint32_t{ecn} << 8 | uint32_t{__builtin_bswap16(total)} << 16;
  constexpr uint32_t kDontFragment = 0x0040u << 16;
  constexpr uint32_t kThird = kTtl | uint32_t{kProtocolUdp} << 8;
  const auto checksum = static_cast<uint16_t>(~Fold(uint64_t{first} + kDontFragment + kThird + to.Sum()));
  Store<uint32_t>(ip, first);
  Store<uint32_t>(ip + 4, kDontFragment);
  Store<uint32_t>(ip + 8, kThird | uint32_t{checksum} << 16);
  Store(ip + 12, to.local_ipv4());
  Store(ip + 16, to.remote_ipv4());
  return ip + kIpv4Bytes;
}

inline uint8_t* WriteIpv6(const PathWords& to, uint8_t ecn, size_t udp_bytes, uint8_t* ip) {
  const uint32_t length_and_hops = uint32_t{__builtin_bswap16(static_cast<uint16_t>(udp_bytes))} |
                                   uint32_t{kProtocolUdp} << 16 | uint32_t{kTtl} << 24;
  Store<uint32_t>(ip, 0x60u | uint32_t{ecn} << 12);
  Store<uint32_t>(ip + 4, length_and_hops);
  Store(ip + 8, to.local[0]);
  Store(ip + 16, to.local[1]);
  Store(ip + 24, to.remote[0]);
  Store(ip + 32, to.remote[1]);
  return ip + kIpv6Bytes;
}

[[gnu::always_inline]] inline uint8_t* WriteHeaders(const PathWords& to, const MacAddress& own, uint8_t ecn,
                                                    size_t udp_bytes, uint8_t* out) {
  uint8_t* const ip = WriteEthernet(to, own, out);
  return to.ipv4 ? WriteIpv4(to, ecn, udp_bytes, ip) : WriteIpv6(to, ecn, udp_bytes, ip);
}

// The frame that nearly all are: untagged, IPv4 without options, no fragment, UDP, for the address of ours that the
// last one was for, and nothing wrong with it. Read in words, several fields a check: a third of the instructions that
// the general way takes (bench/frame_bench). False: any other frame, of which nothing is said.
[[gnu::always_inline]] inline bool ParseUsual(const uint8_t* frame, size_t frame_bytes, const FrameContext& context,
                                              Frame& out) {
  constexpr size_t kIp = kEthernetBytes;
  constexpr size_t kUdp = kIp + kIpv4Bytes;
  if (frame_bytes < kUdp + kUdpBytes) return false;
  // Each named for the field that it begins in.
  const auto mac = Load<uint64_t>(frame);               // ... and the first two bytes of the source's.
  const auto mac_rest = Load<uint64_t>(frame + 8);      // The source's other four bytes, type, version, traffic class.
  const auto length = Load<uint64_t>(frame + kIp + 2);  // Total length, identification, fragment, TTL, protocol.
  const auto source = Load<uint32_t>(frame + kIp + 12);
  const auto destination = Load<uint64_t>(frame + kIp + 16);  // ... and both ports.
  constexpr uint64_t kGroupBits = uint64_t{1} | uint64_t{1} << 48;
  constexpr uint64_t kTypeAndVersion = uint64_t{0x450008} << 32;
  constexpr uint64_t kFragmentAndProtocol = uint64_t{0xff00ff3f} << 32;
  if ((mac & kGroupBits) != 0 || (mac_rest & uint64_t{0xffffff} << 32) != kTypeAndVersion ||
      (length & kFragmentAndProtocol) != uint64_t{kProtocolUdp} << 56 ||
      (destination & FrameContext::kUsualMask) != context.usual_destination) {
    return false;
  }
  const size_t udp_bytes = Be16(frame + kUdp + 4);
  const size_t total = __builtin_bswap16(static_cast<uint16_t>(length));
  if (total > frame_bytes - kIp || total != udp_bytes + kIpv4Bytes || udp_bytes < kUdpBytes) return false;
  const uint64_t addresses = uint64_t{source} + static_cast<uint32_t>(destination);
  const uint64_t header = (mac_rest >> 48) + static_cast<uint32_t>(length) + (length >> 32) + addresses;
  if (Fold(header + Load<uint16_t>(frame + kIp + 10)) != 0xffff || IsMartianIpv4(frame + kIp + 12)) return false;

  PathWriter path(out.from);
  path.Word(kRemoteIp, 0);
  path.Word(kRemoteIp + 8, MappedWord(source));
  path.Word(kRemotePort, uint64_t{__builtin_bswap16(static_cast<uint16_t>(destination >> 32))} << 32);
  path.Word(kLocalIp, 0);
  path.Word(kLocalIp + 8, MappedWord(static_cast<uint32_t>(destination)));
  path.Word(kLocalPort, uint64_t{context.udp_port} | uint64_t{context.link_port} << 16 | mac >> 48 << 48);
  path.Word(kLastWord, uint64_t{static_cast<uint32_t>(mac_rest)} | uint64_t{context.interface} << 32);
  out.address_sum = addresses + (destination >> 32);
  out.udp_checksum = Load<uint16_t>(frame + kUdp + 6);
  // Fate, reason, family, ECN, both offsets and the length, in one word.
  constexpr uint64_t kUsual = uint64_t{static_cast<uint8_t>(Frame::Fate::kRelay)} | uint64_t{true} << 16 |
                              uint64_t{kIp} << 32 | uint64_t{kUdp} << 40;
  static_assert(offsetof(Frame, udp_bytes) == offsetof(Frame, fate) + 6);
  Store(reinterpret_cast<uint8_t*>(&out.fate), kUsual | (mac_rest >> 56 & 3) << 24 | uint64_t{udp_bytes} << 48);
  return true;
}

[[gnu::noinline]] void ParseAny(const uint8_t* frame, size_t frame_bytes, const FrameContext& context, Frame& out) {
  out.fate = Frame::Fate::kKernel;
  // A group address at layer 2 is nobody's way to send us a datagram (RFC 1122 section 3.3.6), nor one to answer to.
  if (frame_bytes < kEthernetBytes + kVlanTagBytes || ((frame[0] | frame[6]) & 1) != 0) return;
  uint16_t type = Be16(frame + 12);
  uint16_t vlan = 0;
  out.ip_offset = kEthernetBytes;
  if (type == kTypeVlan) {
    vlan = Be16(frame + 14) & kVlanId;  // A priority tag (VLAN 0) is answered without one.
    type = Be16(frame + 16);
    out.ip_offset = kEthernetBytes + kVlanTagBytes;
  }
  const size_t size = frame_bytes - out.ip_offset;
  if (type == kTypeIpv4) return ParseIpv4(frame, size, vlan, context, out);
  if (type == kTypeIpv6) return ParseIpv6(frame, size, vlan, context, out);
}

}  // namespace

void ParseFrame(std::span<const uint8_t> head, size_t frame_bytes, const FrameContext& context, Frame& out) {
  if (ParseUsual(head.data(), frame_bytes, context, out)) [[likely]]
    return;
  ParseAny(head.data(), frame_bytes, context, out);
}

namespace {

// What the datagram's checksum becomes by the difference between the old addresses and ports and the new ones. The
// pseudo header's other fields, protocol and length, are the same in both families. Subtracted from a multiple of
// 0xffff, which is 0 in one's complement.
[[gnu::always_inline]] inline uint16_t UpdatedChecksum(uint16_t old, uint64_t old_sum, uint64_t new_sum) {
  constexpr uint64_t kZero = uint64_t{0xffff} << 24;
  const auto checksum = static_cast<uint16_t>(~Fold(new_sum + (kZero - old_sum) + static_cast<uint16_t>(~old)));
  return checksum == 0 ? uint16_t{0xffff} : checksum;
}

// WriteOuter where nearly all goes: IPv4, untagged, a checksum to update. In words of eight bytes across the fields,
// half the instructions of the general way (bench/frame_bench).
[[gnu::always_inline]] inline void WriteUsual(const Frame& in, const PathWords& to, const MacAddress& own,
                                              uint8_t* out) {
  constexpr size_t kIp = kEthernetBytes;
  constexpr size_t kUdp = kIp + kIpv4Bytes;
  const uint64_t own_first = Load<uint16_t>(own.data());
  const uint64_t own_rest = Load<uint32_t>(own.data() + 2);
  const uint64_t first = 0x45u | uint32_t{in.ecn} << 8;
  const uint64_t total = __builtin_bswap16(static_cast<uint16_t>(kIpv4Bytes + in.udp_bytes));
  constexpr uint64_t kDontFragment = 0x0040;
  constexpr uint64_t kTtlAndProtocol = kTtl | uint64_t{kProtocolUdp} << 8;
  const uint64_t addresses = to.Sum4();
  const uint64_t ports = to.ports();
  const uint16_t checksum = UpdatedChecksum(in.udp_checksum, in.address_sum, addresses + ports);
  Store(out, to.mac() | own_first << 48);
  Store(out + 8, own_rest | uint64_t{__builtin_bswap16(kTypeIpv4)} << 32 | first << 48);
  Store(out + kIp + 2, total | kDontFragment << 32 | kTtlAndProtocol << 48);
  Store(out + kIp + 10, static_cast<uint16_t>(~Fold(first + total + kDontFragment + kTtlAndProtocol + addresses)));
  Store(out + kIp + 12, to.local[1] >> 32 | to.remote[1] >> 32 << 32);
  Store(out + kUdp, static_cast<uint32_t>(ports));
  Store(out + kUdp + 6, checksum);
}

[[gnu::noinline]] bool WriteAny(const Frame& in, const PathWords& to, const MacAddress& own, uint8_t* out) {
  const uint16_t old_checksum = in.udp_checksum;
  const uint64_t old_sum = in.address_sum;
  uint8_t* const udp = WriteHeaders(to, own, in.ecn, in.udp_bytes, out);
  Store(udp, to.ports());
  if (old_checksum == 0) return to.ipv4;
  Store(udp + 6, UpdatedChecksum(old_checksum, old_sum, to.Sum() + to.ports()));
  return true;
}

}  // namespace

bool WriteOuter(const Frame& in, const Path& path, const MacAddress& own, uint8_t* out) {
  const PathWords to(path);
  if (!to.ipv4 || to.vlan != 0 || in.udp_checksum == 0) return WriteAny(in, PathWords(path), own, out);
  WriteUsual(in, to, own, out);
  return true;
}

void WriteOwnOuter(const Path& path, const MacAddress& own, size_t payload_bytes, uint8_t* out) {
  const size_t udp_bytes = kUdpBytes + payload_bytes;
  const PathWords to(path);
  uint8_t* const udp = WriteHeaders(to, own, 0, udp_bytes, out);
  Store(udp, to.ports());
  StoreBe16(udp + 4, static_cast<uint16_t>(udp_bytes));
  Store<uint16_t>(udp + 6, 0);
}

uint16_t PseudoHeaderSum(const Path& to, size_t udp_bytes) {
  const uint64_t protocol_and_length =
      uint64_t{kProtocolUdp} << 8 | uint64_t{__builtin_bswap16(static_cast<uint16_t>(udp_bytes))} << 16;
  return Fold(PathWords(to).Sum() + protocol_and_length);
}

}  // namespace relay
