#include "relay/dataplane/neighbour_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <netinet/in.h>

#include <algorithm>
#include <string_view>
#include <vector>

namespace relay {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

using Bytes = std::vector<uint8_t>;

constexpr Bytes::size_type kAlignment = 4;
constexpr std::array<uint8_t, 6> kMac = {2, 0, 0, 0, 0, 1};
constexpr int kPort = 10;  // Interfaces.
constexpr int kVlan = 11;
constexpr int kOther = 12;

template <typename T>
Bytes Raw(const T& value) {
  Bytes out(sizeof(value));
  std::memcpy(out.data(), &value, sizeof(value));
  return out;
}

Bytes Join(const std::vector<Bytes>& parts) {
  Bytes out;
  for (const Bytes& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

Bytes Rta(uint16_t type, const Bytes& value) {
  Bytes out((sizeof(rtattr) + value.size() + kAlignment - 1) / kAlignment * kAlignment);
  const rtattr header{.rta_len = static_cast<uint16_t>(sizeof(rtattr) + value.size()), .rta_type = type};
  std::memcpy(out.data(), &header, sizeof(header));
  std::ranges::copy(value, out.begin() + sizeof(header));
  return out;
}

// What the kernel says of a VLAN interface, in its order.
struct VlanLink {
  int index = kVlan;
  int parent = kPort;
  uint16_t vlan = 7;
  uint16_t protocol = ETH_P_8021Q;
  std::string_view kind = "vlan";
  bool parent_elsewhere = false;
};
Bytes Message(const VlanLink& link) {
  ifinfomsg header{};
  header.ifi_index = link.index;
  const Bytes kind(link.kind.begin(), link.kind.end());
  std::vector<Bytes> parts = {Raw(header), Rta(IFLA_IFNAME, {'v', 0}), Rta(IFLA_LINK, Raw(link.parent))};
  if (link.parent_elsewhere) parts.push_back(Rta(IFLA_LINK_NETNSID, Raw(1)));
  const Bytes data = Join({Rta(IFLA_VLAN_PROTOCOL, Raw(htons(link.protocol))), Rta(IFLA_VLAN_ID, Raw(link.vlan))});
  parts.push_back(Rta(IFLA_LINKINFO, Join({Rta(IFLA_INFO_KIND, Join({kind, Bytes(1)})), Rta(IFLA_INFO_DATA, data)})));
  return Join(parts);
}

struct Neighbour {
  int interface = kPort;
  uint8_t family = AF_INET;
  uint16_t state = NUD_REACHABLE;
  Bytes mac = Bytes(kMac.begin(), kMac.end());
};
Bytes Message(const Neighbour& neighbour) {
  ndmsg header{};
  header.ndm_family = neighbour.family;
  header.ndm_ifindex = neighbour.interface;
  header.ndm_state = neighbour.state;
  return Join({Raw(header), Rta(NDA_DST, {198, 18, 0, 1}), Rta(NDA_LLADDR, neighbour.mac)});
}

std::vector<Link> Neighbours(const std::vector<Bytes>& links, const std::vector<Bytes>& neighbours) {
  const std::vector<PortInterface> ports = {{.link_port = 3, .interface = kPort}, {.link_port = 4, .interface = 0}};
  NeighbourReader reader(ports);
  for (const Bytes& link : links) reader.AddLink(link);
  for (const Bytes& neighbour : neighbours) reader.AddNeighbour(neighbour);
  return reader.neighbours();
}

TEST(NeighbourReaderTest, APortsOwnAreOfVlan0AndThoseOfItsVlansOfTheirs) {
  EXPECT_THAT(Neighbours({Message(VlanLink{})}, {Message(Neighbour{}), Message(Neighbour{.interface = kVlan})}),
              ElementsAre(Link{.port = 3, .vlan = 0, .mac = kMac}, Link{.port = 3, .vlan = 7, .mac = kMac}));
}

TEST(NeighbourReaderTest, OtherInterfacesAreNotAPorts) {
  const Bytes neighbour = Message(Neighbour{.interface = kVlan});
  EXPECT_THAT(Neighbours({}, {neighbour}), IsEmpty());
  EXPECT_THAT(Neighbours({Message(VlanLink{.parent = kOther})}, {neighbour}), IsEmpty());
  EXPECT_THAT(Neighbours({Message(VlanLink{.protocol = ETH_P_8021AD})}, {neighbour}), IsEmpty());
  EXPECT_THAT(Neighbours({Message(VlanLink{.kind = "macvlan"})}, {neighbour}), IsEmpty());
  EXPECT_THAT(Neighbours({Message(VlanLink{.kind = "vla"})}, {neighbour}), IsEmpty());
  EXPECT_THAT(Neighbours({Message(VlanLink{.parent_elsewhere = true})}, {neighbour}), IsEmpty());
  EXPECT_THAT(Neighbours({}, {Message(Neighbour{.interface = 0})}), IsEmpty());
}

TEST(NeighbourReaderTest, AVlanOnAVlanHasTwoTags) {
  EXPECT_THAT(Neighbours({Message(VlanLink{}), Message(VlanLink{.index = kOther, .parent = kVlan, .vlan = 8})},
                         {Message(Neighbour{.interface = kOther})}),
              IsEmpty());
}

TEST(NeighbourReaderTest, OnlyUsableStatesCount) {
  for (const uint16_t state : {NUD_REACHABLE, NUD_STALE, NUD_DELAY, NUD_PROBE, NUD_PERMANENT, NUD_NOARP}) {
    EXPECT_EQ(Neighbours({}, {Message(Neighbour{.state = state})}).size(), 1u) << state;
  }
  for (const uint16_t state : {NUD_NONE, NUD_INCOMPLETE, NUD_FAILED}) {
    EXPECT_THAT(Neighbours({}, {Message(Neighbour{.state = state})}), IsEmpty()) << state;
  }
}

TEST(NeighbourReaderTest, OnlyUnicastMacsOfIpNeighboursCount) {
  for (const Bytes& mac : {Bytes{1, 0, 0x5e, 0, 0, 1}, Bytes(6, 0xff), Bytes(6), Bytes{2, 0, 0, 0}, Bytes(20, 2), {}}) {
    EXPECT_THAT(Neighbours({}, {Message(Neighbour{.mac = mac})}), IsEmpty()) << mac.size();
  }
  EXPECT_THAT(Neighbours({}, {Message(Neighbour{.family = AF_BRIDGE})}), IsEmpty());
  EXPECT_EQ(Neighbours({}, {Message(Neighbour{.family = AF_INET6})}).size(), 1u);
}

TEST(NeighbourReaderTest, WhatIsCutShortIsNothing) {
  const Bytes link = Message(VlanLink{});
  const Bytes neighbour = Message(Neighbour{.interface = kVlan});
  for (size_t size = 0; size < link.size(); ++size) {
    EXPECT_THAT(Neighbours({Bytes(link.begin(), link.begin() + static_cast<ptrdiff_t>(size))}, {neighbour}), IsEmpty());
  }
  for (size_t size = 0; size + 2 < neighbour.size(); ++size) {  // The last two bytes are padding.
    EXPECT_THAT(Neighbours({link}, {Bytes(neighbour.begin(), neighbour.begin() + static_cast<ptrdiff_t>(size))}),
                IsEmpty());
  }
}

}  // namespace
}  // namespace relay
