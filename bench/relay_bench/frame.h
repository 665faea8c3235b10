// Ethernet frames of UDP datagrams between clients and the relay: written from a template, read with every field looked
// at. No DPDK here.
#ifndef RELAYD_BENCH_RELAY_BENCH_FRAME_H_
#define RELAYD_BENCH_RELAY_BENCH_FRAME_H_

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "bench/relay_bench/options.h"
#include "disco/addr_port.h"

namespace bench {

using Mac = std::array<uint8_t, 6>;

inline constexpr uint32_t kEthernetSize = 14;
inline constexpr uint32_t kIpv4Size = 20;
inline constexpr uint32_t kIpv6Size = 40;
inline constexpr uint32_t kUdpSize = 8;
inline constexpr uint32_t HeadersSize(bool ipv4) { return kEthernetSize + (ipv4 ? kIpv4Size : kIpv6Size) + kUdpSize; }

// Addresses for clients 0, 1, 2, ... of a network, each another one: first the hosts of the network, as many of them as
// are a power of two, then the same ones with the next port.
class ClientAddresses {
 public:
  static constexpr uint16_t kFirstPort = 20000;
  static constexpr uint32_t kPorts = 40000;

  explicit ClientAddresses(const ClientNet& net);

  uint64_t capacity() const { return uint64_t{kPorts} << host_bits_; }
  bool ipv4() const { return ipv4_; }
  // The last four bytes of the address, host order: the ones that vary.
  uint32_t LowOf(uint32_t client) const { return low_ + 1 + (client & ((1u << host_bits_) - 1)); }
  uint16_t PortOf(uint32_t client) const { return static_cast<uint16_t>(kFirstPort + (client >> host_bits_)); }
  disco::AddrPort Of(uint32_t client) const;
  // nullopt: not an address that Of gives. Of the low four bytes alone.
  std::optional<uint32_t> ClientOf(uint32_t low, uint16_t port) const {
    const uint32_t host = low - low_ - 1;
    if (host >> host_bits_ != 0 || port < kFirstPort || port >= kFirstPort + kPorts) return std::nullopt;
    const uint64_t client = uint64_t{port - uint32_t{kFirstPort}} << host_bits_ | host;
    return client < UINT32_MAX ? std::optional(static_cast<uint32_t>(client)) : std::nullopt;
  }
  const std::array<uint8_t, 16>& base() const { return base_; }

 private:
  std::array<uint8_t, 16> base_;  // v4-mapped for IPv4; the low four bytes are unused.
  bool ipv4_;
  uint32_t low_;   // Of the network's own address.
  int host_bits_;  // 2^this of the hosts behind it are used.
};

// The sum of 16-bit words as they lie in memory, not folded; an odd last byte counts as followed by 0 (RFC 1071).
uint64_t SumWords(std::span<const uint8_t> bytes);

// Writes what stands before a payload. Made for one port of ours and one relay.
class FrameWriter {
 public:
  FrameWriter(const Mac& client_mac, const Mac& relay_mac, const ClientAddresses& clients, const disco::AddrPort& relay,
              bool udp_checksum);

  uint32_t headers_size() const { return size_; }
  bool needs_sum() const { return checksum_; }
  // `frame` has room for the headers; `payload_sum` is SumWords of the payload, if needs_sum().
  void Write(uint8_t* frame, uint32_t client, uint32_t payload_size, uint64_t payload_sum) const;

 private:
  const ClientAddresses clients_;
  const bool ipv4_;
  const bool checksum_;
  const uint32_t size_;
  std::array<uint8_t, kEthernetSize + kIpv6Size + kUdpSize> template_{};
  uint64_t ip_sum_ = 0;      // Of the IPv4 header but for length and source's low bytes.
  uint64_t pseudo_sum_ = 0;  // Of the pseudo header and UDP header but for lengths, source's low bytes and port.
};

// What a frame that came is.
struct FrameRead {
  enum class What : uint8_t {
    kDatagram,  // From the relay to one of our clients.
    kOther,     // Some other frame.
    kBroken,    // For us, with a wrong length or checksum.
  };
  What what = What::kOther;
  uint32_t client = 0;
  std::span<const uint8_t> payload;
};

class FrameReader {
 public:
  FrameReader(const ClientAddresses& clients, const disco::AddrPort& relay, bool verify_checksums);

  FrameRead Read(std::span<const uint8_t> frame) const;

 private:
  FrameRead ReadIpv4(std::span<const uint8_t> frame) const;
  FrameRead ReadIpv6(std::span<const uint8_t> frame) const;
  // `ip`: the addresses as they stand in the header, for the pseudo header.
  FrameRead ReadUdp(std::span<const uint8_t> udp, std::span<const uint8_t> ip, uint32_t low, bool may_be_zero) const;

  const ClientAddresses clients_;
  const disco::AddrPort relay_;
  const bool ipv4_;
  const bool verify_;
};

}  // namespace bench

#endif  // RELAYD_BENCH_RELAY_BENCH_FRAME_H_
