#include "relay/dataplane/kernel_interface.h"

#include <linux/ethtool.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string_view>

#include "relay/dataplane/netlink.h"

namespace relay {
namespace {

template <typename Command>
bool Ethtool(int fd, ifreq& request, Command& command) {
  request.ifr_data = reinterpret_cast<char*>(&command);
  return ioctl(fd, SIOCETHTOOL, &request) == 0;
}

}  // namespace

bool KernelInterface::IsVirtual() const {
  static constexpr std::string_view kVirtual[] = {"veth", "tun", "bridge", "dummy", "macvlan", "ipvlan", "openvswitch"};
  return std::find(std::begin(kVirtual), std::end(kVirtual), driver) != std::end(kVirtual);
}

std::optional<KernelInterface> ReadKernelInterface(uint32_t index) {
  ifreq request{};
  if (if_indextoname(index, request.ifr_name) == nullptr) return std::nullopt;
  KernelInterface found{.name = request.ifr_name, .driver = {}};
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return std::nullopt;
  if (ioctl(fd, SIOCGIFMTU, &request) == 0) found.mtu = static_cast<uint16_t>(std::min(request.ifr_mtu, 65535));
  if (ioctl(fd, SIOCGIFFLAGS, &request) == 0) {
    found.link_up = (request.ifr_flags & IFF_UP) != 0 && (request.ifr_flags & IFF_RUNNING) != 0;
  }
  ethtool_drvinfo driver{};
  driver.cmd = ETHTOOL_GDRVINFO;
  if (Ethtool(fd, request, driver)) found.driver.assign(driver.driver, strnlen(driver.driver, sizeof(driver.driver)));
  ethtool_channels channels{};
  channels.cmd = ETHTOOL_GCHANNELS;
  if (Ethtool(fd, request, channels)) {
    found.channels = std::max(1U, channels.combined_count + channels.rx_count);
  }
  ethtool_value flags{};
  flags.cmd = ETHTOOL_GFLAGS;
  found.strips_vlan = Ethtool(fd, request, flags) && (flags.data & ETH_FLAG_RXVLAN) != 0;
  close(fd);
  return found;
}

bool HasVlanAbove(uint32_t index) {
  static constexpr std::string_view kVlan = "vlan";
  bool found = false;
  const ifinfomsg all{};
  const absl::Status status =
      netlink::Dump(RTM_GETLINK, RTM_NEWLINK, netlink::BytesOf(all), [&](netlink::Payload payload) {
        const auto link = netlink::ReadHeader<ifinfomsg>(payload);
        if (!link || netlink::Read<uint32_t>(netlink::Attribute(link->second, IFLA_LINK)) != index) return;
        const netlink::Payload kind =
            netlink::Attribute(netlink::Attribute(link->second, IFLA_LINKINFO), IFLA_INFO_KIND);
        found |= kind.size() >= kVlan.size() && std::memcmp(kind.data(), kVlan.data(), kVlan.size()) == 0;
      });
  return status.ok() && found;
}

bool IsSysctlOn(const std::string& path) {
  std::ifstream file("/proc/sys/" + path);
  int value = 0;
  return (file >> value) && value == 1;
}

}  // namespace relay
