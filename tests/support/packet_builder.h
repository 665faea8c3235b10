// Frames from rows of description: what a row does not say is right.
#ifndef RELAYD_TESTS_SUPPORT_PACKET_BUILDER_H_
#define RELAYD_TESTS_SUPPORT_PACKET_BUILDER_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "disco/addr_port.h"

namespace test {

using Bytes = std::vector<uint8_t>;
using Mac = std::array<uint8_t, 6>;

inline constexpr Mac kRelayMac = {2, 0, 0, 0, 0, 1};
inline constexpr Mac kClientMac = {2, 0, 0, 0, 0, 2};
inline constexpr Mac kBroadcastMac = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
inline constexpr uint16_t kRelayPort = 7777;
inline constexpr char kRelay4[] = "198.18.0.254:7777";
inline constexpr char kRelay6[] = "[2001:db8::fe]:7777";
inline constexpr char kClient4[] = "198.18.0.1:1001";
inline constexpr char kClient6[] = "[2001:db8::2]:1002";

struct FragmentOf {  // A piece of the IP payload.
  uint16_t offset = 0;
  uint16_t size = 0;
  bool more = true;
  uint32_t id = 1;
};

// One frame. Its members are in the order of the bytes, so that a row reads like a packet.
struct PacketRow {
  Mac to_mac = kRelayMac;
  Mac from_mac = kClientMac;
  std::optional<uint16_t> outer_vlan{};  // 802.1ad, in front of `vlan`.
  std::optional<uint16_t> vlan{};        // The whole tag: priority too.
  std::optional<uint16_t> ether_type{};

  // The family is that of `from`. A mapped address is IPv4, unless `mapped`.
  std::string from = kClient4;
  std::string to = kRelay4;
  bool mapped = false;  // IPv6 with v4-mapped addresses.

  std::optional<uint8_t> version{};
  std::optional<uint8_t> header_words{};  // IPv4: IHL.
  uint8_t traffic_class = 0;              // DSCP and ECN.
  std::optional<uint16_t> ip_length{};    // IPv4: total; IPv6: payload.
  uint16_t id = 0x1234;
  uint16_t flags = 0x4000;  // IPv4: flags and offset; `fragment` sets its own.
  uint8_t ttl = 57;
  uint8_t protocol = 17;
  std::optional<uint16_t> ip_checksum{};
  Bytes options{};  // IPv4, a multiple of four; IPv6: extension headers, the first of which is `extension`.
  uint8_t extension = 0;
  std::optional<FragmentOf> fragment{};

  std::optional<uint16_t> udp_length{};
  std::optional<uint16_t> udp_checksum{};  // Instead of the right one.
  uint16_t udp_checksum_error = 0;         // Added to the right one.
  Bytes payload = Bytes(16, 0xab);
  Bytes behind_udp{};  // Still in the IP packet.

  size_t padding = 0;  // Behind the IP packet.
  std::optional<size_t> cut_to{};
};

Bytes Build(const PacketRow& row);

// A payload of a Geneve header (data, `vni`) and `bytes` more.
Bytes GeneveData(uint32_t vni, size_t bytes);

disco::AddrPort AddrOf(const std::string& text);

}  // namespace test

#endif  // RELAYD_TESTS_SUPPORT_PACKET_BUILDER_H_
