#include "relay/dataplane/neighbour_reader.h"

#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>

#include <array>
#include <cstring>
#include <optional>
#include <string_view>

namespace relay {

namespace {

constexpr uint16_t kUsableStates = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP;
constexpr uint16_t kVlanIdMask = 0xfff;

bool IsUnicast(const std::array<uint8_t, 6>& mac) { return (mac[0] & 1) == 0 && mac != std::array<uint8_t, 6>{}; }

// The VLAN of an 802.1Q interface, or nullopt.
std::optional<uint16_t> VlanOf(netlink::Payload attributes) {
  constexpr std::string_view kVlan("vlan\0", 5);
  const netlink::Payload info = netlink::Attribute(attributes, IFLA_LINKINFO);
  const netlink::Payload kind = netlink::Attribute(info, IFLA_INFO_KIND);
  if (kind.size() < kVlan.size() || std::memcmp(kind.data(), kVlan.data(), kVlan.size()) != 0) return {};
  const netlink::Payload data = netlink::Attribute(info, IFLA_INFO_DATA);
  const auto protocol = netlink::Read<uint16_t>(netlink::Attribute(data, IFLA_VLAN_PROTOCOL));
  if (protocol && *protocol != htons(ETH_P_8021Q)) return {};
  const auto id = netlink::Read<uint16_t>(netlink::Attribute(data, IFLA_VLAN_ID));
  return id ? std::optional<uint16_t>(*id & kVlanIdMask) : std::nullopt;
}

}  // namespace

NeighbourReader::NeighbourReader(std::span<const PortInterface> ports) {
  for (const PortInterface& port : ports) {
    if (port.interface != 0) ports_.insert({port.interface, {.port = port.link_port, .vlan = 0}});
  }
}

void NeighbourReader::AddLink(netlink::Payload payload) {
  const auto link = netlink::ReadHeader<ifinfomsg>(payload);
  if (!link || !netlink::Attribute(link->second, IFLA_LINK_NETNSID).empty()) return;  // Its parent is elsewhere.
  const auto parent = netlink::Read<uint32_t>(netlink::Attribute(link->second, IFLA_LINK));
  const auto port = parent ? ports_.find(*parent) : ports_.end();
  if (port == ports_.end()) return;
  const std::optional<uint16_t> vlan = VlanOf(link->second);
  if (!vlan) return;
  vlans_.insert({static_cast<uint32_t>(link->first.ifi_index), {.port = port->second.port, .vlan = *vlan}});
}

void NeighbourReader::AddNeighbour(netlink::Payload payload) {
  const auto neighbour = netlink::ReadHeader<ndmsg>(payload);
  if (!neighbour) return;
  const ndmsg& header = neighbour->first;
  if (header.ndm_family != AF_INET && header.ndm_family != AF_INET6) return;
  if ((header.ndm_state & kUsableStates) == 0) return;
  const netlink::Payload address = netlink::Attribute(neighbour->second, NDA_LLADDR);
  const auto mac = netlink::Read<std::array<uint8_t, 6>>(address);
  if (address.size() != ETH_ALEN || !IsUnicast(*mac)) return;
  const auto interface = static_cast<uint32_t>(header.ndm_ifindex);
  for (const auto* wires : {&ports_, &vlans_}) {
    const auto wire = wires->find(interface);
    if (wire == wires->end()) continue;
    neighbours_.push_back({.port = wire->second.port, .vlan = wire->second.vlan, .mac = *mac});
    return;
  }
}

}  // namespace relay
