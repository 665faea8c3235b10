#include "bench/relay_bench/frame.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "geneve/wire.h"

namespace bench {
namespace {

constexpr uint16_t kEtherIpv4 = 0x0800;
constexpr uint16_t kEtherIpv6 = 0x86dd;
constexpr uint8_t kUdp = 17;
constexpr uint8_t kTtl = 64;
constexpr size_t kIpv4Addresses = 12;  // Where both addresses stand in their header.
constexpr size_t kIpv6Addresses = 8;
constexpr size_t kMappedPrefix = 12;
constexpr uint32_t kMostHosts = 1 << 20;

// As words lie in memory.
uint64_t RawOf(uint16_t value) { return std::endian::native == std::endian::little ? __builtin_bswap16(value) : value; }
uint64_t RawOf32(uint32_t value) {
  return RawOf(static_cast<uint16_t>(value >> 16)) + RawOf(static_cast<uint16_t>(value));
}

uint16_t Fold(uint64_t sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

void StoreRaw(uint8_t* at, uint16_t raw) { std::memcpy(at, &raw, sizeof(raw)); }
void Store16(uint8_t* at, uint16_t value) { wire::StoreBe16(std::span<uint8_t, 2>(at, 2), value); }
void Store32(uint8_t* at, uint32_t value) { wire::StoreBe32(std::span<uint8_t, 4>(at, 4), value); }
uint16_t Load16(const uint8_t* at) { return wire::LoadBe16(std::span<const uint8_t, 2>(at, 2)); }
uint32_t Load32(const uint8_t* at) { return wire::LoadBe32(std::span<const uint8_t, 4>(at, 4)); }

}  // namespace

ClientAddresses::ClientAddresses(const ClientNet& net)
    : base_(net.base.ip), ipv4_(net.base.IsIpv4()), low_(Load32(&base_[kMappedPrefix])) {
  // Of IPv6 networks the last four bytes vary at most, and in no network over a million.
  const int host_bits = (ipv4_ ? 32 : 128) - net.prefix;
  const uint64_t addresses = host_bits >= 32 ? uint64_t{1} << 32 : uint64_t{1} << host_bits;
  if (host_bits < 32) low_ &= ~(static_cast<uint32_t>(addresses) - 1);
  if (host_bits >= 32) low_ = 0;
  // Without network and broadcast.
  host_bits_ = static_cast<int>(std::bit_width(std::min<uint64_t>(addresses - 2, kMostHosts))) - 1;
}

disco::AddrPort ClientAddresses::Of(uint32_t client) const {
  disco::AddrPort address;
  address.ip = base_;
  Store32(&address.ip[kMappedPrefix], LowOf(client));
  address.port = PortOf(client);
  return address;
}

uint64_t SumWords(std::span<const uint8_t> bytes) {
  uint64_t sum = 0;
  size_t at = 0;
  // Half words, and so no carry is lost; folding puts them together.
  for (; at + 8 <= bytes.size(); at += 8) {
    uint64_t word;
    std::memcpy(&word, &bytes[at], sizeof(word));
    sum += (word & 0xffffffff) + (word >> 32);
  }
  for (; at + 2 <= bytes.size(); at += 2) {
    uint16_t word;
    std::memcpy(&word, &bytes[at], sizeof(word));
    sum += word;
  }
  if (at < bytes.size()) {
    const std::array<uint8_t, 2> last = {bytes[at], 0};
    sum += std::bit_cast<uint16_t>(last);
  }
  return sum;
}

FrameWriter::FrameWriter(const Mac& client_mac, const Mac& relay_mac, const ClientAddresses& clients,
                         const disco::AddrPort& relay, bool udp_checksum)
    : clients_(clients), ipv4_(clients.ipv4()), checksum_(udp_checksum || !ipv4_), size_(HeadersSize(ipv4_)) {
  uint8_t* const frame = template_.data();
  std::copy(relay_mac.begin(), relay_mac.end(), frame);
  std::copy(client_mac.begin(), client_mac.end(), frame + 6);
  Store16(frame + 12, ipv4_ ? kEtherIpv4 : kEtherIpv6);
  uint8_t* const ip = frame + kEthernetSize;
  uint8_t* const udp = ip + (ipv4_ ? kIpv4Size : kIpv6Size);
  Store16(udp + 2, relay.port);
  if (ipv4_) {
    ip[0] = 0x45;
    Store16(ip + 6, 0x4000);  // Do not fragment.
    ip[8] = kTtl;
    ip[9] = kUdp;
    std::copy_n(&relay.ip[kMappedPrefix], 4, ip + 16);
    ip_sum_ = SumWords({ip, kIpv4Size});
    pseudo_sum_ = SumWords({ip + kIpv4Addresses, 8});
  } else {
    ip[0] = 0x60;
    ip[6] = kUdp;
    ip[7] = kTtl;
    std::copy_n(clients.base().begin(), kMappedPrefix, ip + 8);
    std::copy(relay.ip.begin(), relay.ip.end(), ip + 24);
    pseudo_sum_ = SumWords({ip + kIpv6Addresses, 32});
  }
  pseudo_sum_ += RawOf(kUdp) + SumWords({udp, kUdpSize});
}

void FrameWriter::Write(uint8_t* frame, uint32_t client, uint32_t payload_size, uint64_t payload_sum) const {
  const uint32_t low = clients_.LowOf(client);
  const uint16_t port = clients_.PortOf(client);
  const auto udp_size = static_cast<uint16_t>(payload_size + kUdpSize);
  uint8_t* const ip = frame + kEthernetSize;
  if (ipv4_) {
    std::memcpy(frame, template_.data(), kEthernetSize + kIpv4Size + kUdpSize);
    const auto ip_size = static_cast<uint16_t>(udp_size + kIpv4Size);
    Store16(ip + 2, ip_size);
    Store32(ip + kIpv4Addresses, low);
    StoreRaw(ip + 10, static_cast<uint16_t>(~Fold(ip_sum_ + RawOf(ip_size) + RawOf32(low))));
  } else {
    std::memcpy(frame, template_.data(), kEthernetSize + kIpv6Size + kUdpSize);
    Store16(ip + 4, udp_size);
    Store32(ip + kIpv6Addresses + kMappedPrefix, low);
  }
  uint8_t* const udp = ip + (ipv4_ ? kIpv4Size : kIpv6Size);
  Store16(udp, port);
  Store16(udp + 4, udp_size);
  if (!checksum_) return;
  const auto sum =
      static_cast<uint16_t>(~Fold(pseudo_sum_ + RawOf32(low) + RawOf(port) + 2 * RawOf(udp_size) + payload_sum));
  StoreRaw(udp + 6, sum == 0 ? 0xffff : sum);
}

FrameReader::FrameReader(const ClientAddresses& clients, const disco::AddrPort& relay, bool verify_checksums)
    : clients_(clients), relay_(relay), ipv4_(clients.ipv4()), verify_(verify_checksums) {}

FrameRead FrameReader::Read(std::span<const uint8_t> frame) const {
  if (frame.size() < HeadersSize(ipv4_) || Load16(&frame[12]) != (ipv4_ ? kEtherIpv4 : kEtherIpv6)) return {};
  return ipv4_ ? ReadIpv4(frame.subspan(kEthernetSize)) : ReadIpv6(frame.subspan(kEthernetSize));
}

FrameRead FrameReader::ReadIpv4(std::span<const uint8_t> ip) const {
  if (ip[0] != 0x45 || ip[9] != kUdp) return {};
  const uint16_t fragment = Load16(&ip[6]) & 0x3fff;
  if (fragment != 0 || std::memcmp(&ip[12], &relay_.ip[kMappedPrefix], 4) != 0) return {};
  const uint16_t size = Load16(&ip[2]);
  if (size < kIpv4Size + kUdpSize || size > ip.size()) return {.what = FrameRead::What::kBroken, .payload = {}};
  if (verify_ && Fold(SumWords(ip.first<kIpv4Size>())) != 0xffff) {
    return {.what = FrameRead::What::kBroken, .payload = {}};
  }
  return ReadUdp(ip.subspan(kIpv4Size, size - kIpv4Size), ip.subspan(kIpv4Addresses, 8), Load32(&ip[16]), true);
}

FrameRead FrameReader::ReadIpv6(std::span<const uint8_t> ip) const {
  if (ip[0] >> 4 != 6 || ip[6] != kUdp) return {};
  const uint8_t* const source = &ip[kIpv6Addresses];
  if (std::memcmp(source, relay_.ip.data(), 16) != 0 || std::memcmp(source + 16, clients_.base().data(), 12) != 0) {
    return {};
  }
  const uint16_t size = Load16(&ip[4]);
  if (size < kUdpSize || size > ip.size() - kIpv6Size) return {.what = FrameRead::What::kBroken, .payload = {}};
  return ReadUdp(ip.subspan(kIpv6Size, size), ip.subspan(kIpv6Addresses, 32), Load32(&ip[36]), false);
}

FrameRead FrameReader::ReadUdp(std::span<const uint8_t> udp, std::span<const uint8_t> ip, uint32_t low,
                               bool may_be_zero) const {
  if (Load16(udp.data()) != relay_.port) return {};
  const auto client = clients_.ClientOf(low, Load16(&udp[2]));
  if (!client) return {};
  FrameRead read{.what = FrameRead::What::kBroken, .client = *client, .payload = udp.subspan(kUdpSize)};
  if (Load16(&udp[4]) != udp.size()) return read;
  const uint16_t checksum = Load16(&udp[6]);
  if (checksum == 0 && !may_be_zero) return read;
  if (verify_ && checksum != 0) {
    const uint64_t pseudo = SumWords(ip) + RawOf(kUdp) + RawOf(static_cast<uint16_t>(udp.size()));
    if (Fold(pseudo + SumWords(udp)) != 0xffff) return read;
  }
  read.what = FrameRead::What::kDatagram;
  return read;
}

}  // namespace bench
