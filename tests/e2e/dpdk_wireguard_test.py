#!/usr/bin/env python3
"""The WireGuard tunnel once more, with relayd's packets through both kinds of DPDK port."""

import dpdk
import wireguard_tunnel_test as tunnel
from dpdk import AfXdp, Appliance, Tap
from wireguard import API_PORT, BINARIES, METRICS_PORT, TOOLS, UDP_PORT, Lab


class DpdkLab(Lab):
    """Alice and bob plug into the switch of the relay's one port, each with a network of their own."""

    kind = Tap

    def make_relay(self):
        networks = [text for number in (1, 2) for text in (f"198.18.{number}.1/24", f"2001:db8:{number}::1/64")]
        self.appliance = Appliance(self.test, self.kind, addresses_of=[networks])
        relay, switch = self.appliance.relay, self.appliance.switches[0]
        relay.plug_in = lambda machine, cable, _, addresses: switch.plug_in(machine, cable, addresses)
        return relay

    def start_relayd(self):
        self.relayd = self.appliance.start(f"--policy_file={self.policy.name}", *self.relayd_flags, udp_port=UDP_PORT,
                                           api=f"[::]:{API_PORT}", metrics=f"127.0.0.1:{METRICS_PORT}")
        self.relayd.api = f"127.0.0.1:{API_PORT}"


class AfXdpLab(DpdkLab):
    kind = AfXdp


class TunnelOverTapTest(tunnel.WireguardTunnelTest):
    lab, size = DpdkLab, 10 << 20
    test_ipv6 = None  # Over the other kind.


class TunnelOverAfXdpTest(tunnel.WireguardTunnelTest):
    lab, size = AfXdpLab, 10 << 20
    test_ipv4 = None


if __name__ == "__main__":
    dpdk.main(TOOLS, BINARIES)
