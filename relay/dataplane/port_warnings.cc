#include <rte_ether.h>

#include <optional>
#include <set>

#include "absl/strings/str_cat.h"
#include "relay/dataplane/cores.h"
#include "relay/dataplane/kernel_interface.h"
#include "relay/dataplane/port_setup.h"

namespace relay {
namespace {

// A WireGuard packet of an MTU of 1280 within Geneve, UDP and IPv6: what Tailscale's clients send at most by default.
constexpr uint16_t kComfortableMtu = 1280 + 32 + 8 + 8 + 40;

bool IsForwarding() { return IsSysctlOn("net/ipv4/ip_forward") || IsSysctlOn("net/ipv6/conf/all/forwarding"); }

void WarnOfKernelInterface(const Port& port, const KernelInterface& kernel, const std::string& who,
                           std::vector<std::string>& out) {
  if (kernel.IsVirtual() && port.udp_checksum == UdpChecksum::kUpdate) {
    out.push_back(absl::StrCat(who, kernel.name, " is virtual (", kernel.driver,
                               "): its peers may send unfinished UDP checksums, which receivers then drop; cured by "
                               "--udp_checksum=compute, or by `ethtool -K PEER tx off` on the sender"));
  }
  if (port.driver == kAfXdpDriver && kernel.channels > 1) {
    out.push_back(absl::StrCat(who, kernel.name, " has ", kernel.channels,
                               " receive queues and steering takes one: what comes by the others is relayed by way of "
                               "the kernel, slowly; `ethtool -L ",
                               kernel.name, " combined 1` makes it one"));
  }
  if (port.driver == kAfXdpDriver && kernel.strips_vlan && HasVlanAbove(port.kernel_interface.Get())) {
    out.push_back(absl::StrCat(who, kernel.name,
                               " has VLANs and takes their tags off before XDP sees them: their clients get untagged "
                               "answers; `ethtool -K ",
                               kernel.name, " rxvlan off` leaves the tags in the frames (veth does not have it)"));
  }
  if (port.driver == kAfXdpDriver && IsForwarding()) {
    out.push_back(absl::StrCat(who,
                               "this machine forwards packets (net.ipv4.ip_forward or "
                               "net.ipv6.conf.all.forwarding), but steering takes every datagram to the relay's UDP "
                               "port off ",
                               kernel.name, ": those to other machines are dropped as not_local"));
  }
  if (port.driver == kAfPacketDriver) {
    out.push_back(absl::StrCat(who,
                               "the kernel gets a copy of every packet too, and its sockets relay it again: "
                               "for measurements, not for service; use net_af_xdp"));
  }
}

}  // namespace

void AppendPortWarnings(const Port& port, size_t port_count, const DpdkOptions& options,
                        std::vector<std::string>& out) {
  const std::string who = absl::StrCat(port.name, " (", port.driver, "): ");
  // Of other ports it is the TAP interface to the kernel, which relayd made itself.
  if (const auto kernel = ReadKernelInterface(port.steered ? port.kernel_interface.Get() : 0)) {
    WarnOfKernelInterface(port, *kernel, who, out);
  }
  if (port.kernel_interface.Get() == 0 && (port.steered || options.kernel_path == DpdkOptions::KernelPath::kNone)) {
    out.push_back(absl::StrCat(who,
                               "has no interface in the kernel, and no neighbours there: next hops never follow a "
                               "gateway that fails over"));
  }
  // One queue a port is all that AF_XDP has here: with a port for each worker that is enough.
  const bool has_enough_ports = port.driver == kAfXdpDriver && port_count >= options.workers;
  if (!has_enough_ports && (port.rx_queues < options.workers || port.tx_queues < options.workers)) {
    out.push_back(absl::StrCat(who, port.rx_queues, " receive and ", port.tx_queues, " transmit queues for ",
                               options.workers, " workers",
                               port.driver == kAfXdpDriver ? "; with AF_XDP two workers means two ports" : ""));
  }
  if (port.rx_queues > 1 && !port.rss) {
    out.push_back(
        absl::StrCat(who, "does not spread UDP over its ", port.rx_queues, " receive queues (RSS); its peer decides"));
  }
  if (port.mtu.Get() < kComfortableMtu) {
    out.push_back(absl::StrCat(who, "MTU ", port.mtu.Get(),
                               " is small: WireGuard packets of clients with an MTU of 1280 take ", kComfortableMtu));
  }
  if (options.idle == DpdkOptions::Idle::kInterrupt && !port.rx_interrupts) {
    out.push_back(absl::StrCat(who, "no receive interrupts: idle workers take naps instead, as with --idle=sleep"));
  }
  std::set<int> remote;
  for (const int core : options.cores) {
    if (port.numa >= 0 && NodeOfCore(core) != port.numa) remote.insert(core);
  }
  for (const int core : remote) {
    out.push_back(absl::StrCat(who, "is on NUMA node ", port.numa, ", core ", core, " on node ", NodeOfCore(core)));
  }
}

}  // namespace relay
