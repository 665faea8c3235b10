#include "relay/dataplane/host_network.h"

#include <ifaddrs.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <random>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "relay/dataplane/ancillary.h"
#include "relay/dataplane/netlink.h"

namespace relay {

namespace {

constexpr uint16_t kUsableStates = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP;
constexpr uint16_t kVlanIdMask = 0xfff;
constexpr size_t kMostSlotsEach = 1024;  // AddressSet's slots for each address, when it looks for short chains.

auto KeyOf(const Link& link) { return std::tie(link.port, link.vlan, link.mac); }
bool Less(const Link& a, const Link& b) { return KeyOf(a) < KeyOf(b); }

// Where a neighbour of an interface is, as a port sees it.
struct Wire {
  uint16_t port;
  uint16_t vlan;
};
using Wires = std::unordered_map<uint32_t, Wire>;  // By interface.

bool IsUnicast(const std::array<uint8_t, 6>& mac) { return (mac[0] & 1) == 0 && mac != std::array<uint8_t, 6>{}; }

// The VLAN of an 802.1Q interface, or nullopt.
std::optional<uint16_t> VlanOf(netlink::Payload attributes) {
  const netlink::Payload info = netlink::Attribute(attributes, IFLA_LINKINFO);
  const netlink::Payload kind = netlink::Attribute(info, IFLA_INFO_KIND);  // With its NUL.
  constexpr std::string_view kVlan("vlan");
  if (kind.size() < kVlan.size() + 1 || std::memcmp(kind.data(), kVlan.data(), kVlan.size() + 1) != 0) return {};
  const netlink::Payload data = netlink::Attribute(info, IFLA_INFO_DATA);
  const auto protocol = netlink::Read<uint16_t>(netlink::Attribute(data, IFLA_VLAN_PROTOCOL));
  if (protocol && *protocol != htons(ETH_P_8021Q)) return {};
  const auto id = netlink::Read<uint16_t>(netlink::Attribute(data, IFLA_VLAN_ID));
  return id ? std::optional<uint16_t>(*id & kVlanIdMask) : std::nullopt;
}

// Adds the VLAN interfaces that stand directly on the ports' own. Those on bridges and bonds are not the ports'.
absl::Status AddVlans(Wires& wires) {
  // The links without their statistics: a fifth of the bytes.
  struct {
    ifinfomsg header{};
    rtattr mask_header{.rta_len = RTA_LENGTH(sizeof(uint32_t)), .rta_type = IFLA_EXT_MASK};
    uint32_t mask = RTEXT_FILTER_SKIP_STATS;
  } request;
  std::vector<std::pair<uint32_t, Wire>> found;
  const absl::Status status = netlink::Dump(
      RTM_GETLINK, RTM_NEWLINK, {reinterpret_cast<const uint8_t*>(&request), sizeof(request)},
      [&](netlink::Payload payload) {
        const auto link = netlink::ReadHeader<ifinfomsg>(payload);
        if (!link || !netlink::Attribute(link->second, IFLA_LINK_NETNSID).empty()) return;  // Its parent is elsewhere.
        const auto parent = netlink::Read<uint32_t>(netlink::Attribute(link->second, IFLA_LINK));
        const auto wire = parent ? wires.find(*parent) : wires.end();
        const std::optional<uint16_t> vlan = wire == wires.end() ? std::nullopt : VlanOf(link->second);
        if (!vlan) return;
        found.push_back({static_cast<uint32_t>(link->first.ifi_index), {.port = wire->second.port, .vlan = *vlan}});
      });
  wires.insert(found.begin(), found.end());
  return status;
}

// A neighbour that a packet may be sent to, or nullopt.
std::optional<Link> LinkOf(netlink::Payload payload, const Wires& wires) {
  const auto neighbour = netlink::ReadHeader<ndmsg>(payload);
  if (!neighbour) return std::nullopt;
  const ndmsg& header = neighbour->first;
  if (header.ndm_family != AF_INET && header.ndm_family != AF_INET6) return std::nullopt;
  if ((header.ndm_state & kUsableStates) == 0) return std::nullopt;
  const auto wire = wires.find(static_cast<uint32_t>(header.ndm_ifindex));
  const netlink::Payload address = netlink::Attribute(neighbour->second, NDA_LLADDR);
  const auto mac = netlink::Read<std::array<uint8_t, 6>>(address);
  if (wire == wires.end() || address.size() != ETH_ALEN || !IsUnicast(*mac)) return std::nullopt;
  return Link{.port = wire->second.port, .vlan = wire->second.vlan, .mac = *mac};
}

}  // namespace

AddressSet::AddressSet(std::span<const IpBytes> addresses) {
  const size_t least = std::bit_ceil(std::max<size_t>(2 * addresses.size(), 2));
  // Random seeds make long chains rare and larger tables make them rarer, so this ends soon; at the limit they are
  // taken as they are.
  for (size_t slots = least;; slots *= 2) {
    slots_.assign(slots, Slot{});
    mask_ = slots - 1;
    std::random_device random;
    seed_ = {.high = (uint64_t{random()} << 32) | random(), .low = (uint64_t{random()} << 32) | random()};
    if (TryFill(addresses) || slots >= kMostSlotsEach * least) return;
  }
}

// All of them, whatever comes; true if no chain is longer than a lookup may take.
bool AddressSet::TryFill(std::span<const IpBytes> addresses) {
  bool is_short = true;
  size_ = 0;
  for (const IpBytes& ip : addresses) {
    const Slot slot = SlotOf(ip);
    if (slot == Slot{}) continue;
    size_t i = Home(slot);
    size_t probes = 1;
    for (; slots_[i] != Slot{} && slots_[i] != slot; i = (i + 1) & mask_) ++probes;
    size_ += slots_[i] == slot ? 0 : 1;
    slots_[i] = slot;
    is_short = is_short && probes < kMaxProbes;  // One step is kept for the free slot at a chain's end.
  }
  return is_short;
}

AddressSet::Slot AddressSet::SlotOf(const IpBytes& ip) { return std::bit_cast<Slot>(ip); }

size_t AddressSet::Home(const Slot& slot) const {
  const auto product = static_cast<unsigned __int128>(slot.high ^ seed_.high) * (slot.low ^ seed_.low);
  return static_cast<size_t>(static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64)) & mask_;
}

bool AddressSet::Contains(const IpBytes& ip) const {
  const Slot slot = SlotOf(ip);
  for (size_t i = Home(slot); slots_[i] != Slot{}; i = (i + 1) & mask_) {
    if (slots_[i] == slot) return true;
  }
  return false;
}

NeighbourSet::NeighbourSet(std::vector<Link> neighbours) : sorted_(std::move(neighbours)) {
  std::ranges::sort(sorted_, Less);
  const auto repeated = std::ranges::unique(sorted_);
  sorted_.erase(repeated.begin(), repeated.end());
}

bool NeighbourSet::Contains(const Link& link) const { return std::ranges::binary_search(sorted_, link, Less); }

absl::StatusOr<std::vector<IpBytes>> ReadHostAddresses() {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) {
    return absl::InternalError(absl::StrCat("cannot read the interfaces' addresses: ", std::strerror(errno)));
  }
  std::vector<IpBytes> out;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr) continue;
    const int family = entry->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    SocketAddress address{};
    std::memcpy(&address, entry->ifa_addr, family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    const AddrPort ip = ReadAddress(address);
    if (!ip.IsUnspecified()) out.push_back(ip.ip);
  }
  freeifaddrs(list);
  std::ranges::sort(out);
  const auto repeated = std::ranges::unique(out);
  out.erase(repeated.begin(), repeated.end());
  return out;
}

absl::StatusOr<std::vector<Link>> ReadNeighbours(std::span<const PortInterface> ports) {
  Wires wires;
  for (const PortInterface& port : ports) {
    if (port.interface != 0) wires.insert({port.interface, {.port = port.link_port, .vlan = 0}});
  }
  std::vector<Link> out;
  if (wires.empty()) return out;
  if (absl::Status status = AddVlans(wires); !status.ok()) return status;
  const ndmsg request{};  // Of all families.
  const absl::Status status =
      netlink::Dump(RTM_GETNEIGH, RTM_NEWNEIGH, {reinterpret_cast<const uint8_t*>(&request), sizeof(request)},
                    [&](netlink::Payload payload) {
                      const std::optional<Link> link = LinkOf(payload, wires);
                      if (link) out.push_back(*link);
                    });
  if (!status.ok()) return status;
  return out;
}

}  // namespace relay
