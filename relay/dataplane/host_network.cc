#include "relay/dataplane/host_network.h"

#include <ifaddrs.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <random>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "relay/dataplane/ancillary.h"
#include "relay/dataplane/neighbour_reader.h"
#include "relay/dataplane/netlink.h"

namespace relay {

namespace {

constexpr size_t kMostSlotsEach = 1024;  // AddressSet's slots for each address, when it looks for short chains.

auto KeyOf(const Link& link) { return std::tie(link.port, link.vlan, link.mac); }
bool Less(const Link& a, const Link& b) { return KeyOf(a) < KeyOf(b); }

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
  sorted_.erase(std::unique(sorted_.begin(), sorted_.end()), sorted_.end());
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
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

absl::StatusOr<std::vector<Link>> ReadNeighbours(std::span<const PortInterface> ports) {
  // The links without their statistics, which are most of the bytes.
  struct {
    ifinfomsg header{};
    rtattr mask_header{.rta_len = RTA_LENGTH(sizeof(uint32_t)), .rta_type = IFLA_EXT_MASK};
    uint32_t mask = RTEXT_FILTER_SKIP_STATS;
  } links;
  const ndmsg neighbours{};  // Of all families.
  NeighbourReader reader(ports);
  absl::Status status = netlink::Dump(RTM_GETLINK, RTM_NEWLINK, netlink::BytesOf(links),
                                      [&](netlink::Payload payload) { reader.AddLink(payload); });
  if (!status.ok()) return status;
  status = netlink::Dump(RTM_GETNEIGH, RTM_NEWNEIGH, netlink::BytesOf(neighbours),
                         [&](netlink::Payload payload) { reader.AddNeighbour(payload); });
  if (!status.ok()) return status;
  return std::move(reader.neighbours());
}

}  // namespace relay
