"""relayd --io=dpdk on a machine of its own, with either kind of port; clients plug into a switch.

    client ------ switch ------ port of relayd

net_tap     DPDK has the port: it is one end of a wire whose other end, wire0, is bridged to the cable. What is not the
            relay's reaches the kernel through the TAP interface relay0, which has the machine's addresses.
net_af_xdp  The cable itself, which has the addresses: relayd's XDP program takes the relay's datagrams off it.

Port i has 198.18.i.1, .2 and .3, and 2001:db8:i::1.
"""

import os
import re

import netns
from disco import Client, udp_socket
from programs import Relayd, wait_until
from relay_test_case import RelayTestCase

EAL = "--no-huge -m 256 --no-shconf --no-pci"  # As on any machine: no hugepages, no NIC.
TOOLS = ("ip", "bridge", "ping")


def addresses(port, *hosts):
    """What a machine is given on the switch of that port; 1, 2 and 3 are the relay's."""
    return [text for host in hosts for text in (f"198.18.{port}.{host}/24", ipv6_of(port, host) + "/64")]


def ipv6_of(port, host):
    return f"2001:db8:{port or ''}::{host}".replace(":::", "::")


def await_link(machine, *relay_ips):
    """Interfaces that are new take a while to carry anything, and the first packet to find its next hop."""
    for ip in relay_ips:
        machine.run("ping", "-c", "1", "-i", "0.1", "-w", "20", ip)


class Tap:
    name = "net_tap"
    flags = ()

    def __init__(self, relay, ports, hosts=(1, 2, 3)):
        self.relay, self.ports, self.hosts = relay, ports, hosts
        relay.sysctl("net/ipv4/conf/all/arp_ignore", 1)  # Bridge and cable have no address: they answer for none.
        for port in range(ports):
            relay.ip(f"link add bridge{port} type bridge")
            for name in (f"bridge{port}", f"cable{port}"):
                relay.sysctl(f"net/ipv6/conf/{name}/disable_ipv6", 1)
            relay.ip(f"link set cable{port} master bridge{port}")
            relay.ip(f"link set bridge{port} up")

    def vdevs(self):
        return [f"net_tap{port},iface=wire{port}" for port in range(self.ports)]

    def local_addresses(self):
        """relayd is told of them, because they come only with its TAP interfaces."""
        texts = [text.split("/")[0] for port in range(self.ports) for text in addresses(port, *self.hosts)]
        return [f"--local_addrs={','.join(texts)}"]

    def plug_in(self):
        """Once relayd has made its interfaces."""
        for port in range(self.ports):
            wire = f"wire{port}"
            self.relay.sysctl(f"net/ipv6/conf/{wire}/disable_ipv6", 1)
            # The kernel's end begins with the MAC address of DPDK's, which the bridge would then take for its own.
            self.relay.ip(f"link set {wire} address 02:00:00:00:ff:0{port}")
            self.relay.ip(f"link set {wire} master bridge{port}")
            self.relay.add_addresses(f"relay{port}", addresses(port, *self.hosts))

    def kernel_interface(self, port):
        """Where the kernel has the machine's addresses."""
        return f"relay{port}"

    def wire(self, port):
        """What can be set down and up, as if somebody pulled a plug."""
        return f"wire{port}"

    def leftovers(self):
        """What relayd made and has not taken away."""
        return re.findall(r"\b(?:wire|relay)\d+\b", self.relay.ip("-o link show"))


class AfXdp:
    name = "net_af_xdp"
    flags = ("--udp_checksum=compute",)  # The clients' end of a veth leaves checksums unfinished.

    def __init__(self, relay, ports, hosts=(1, 2, 3)):
        self.relay, self.ports = relay, ports
        for port in range(ports):
            # So that IPv6 addresses are still there when the link comes back.
            relay.sysctl(f"net/ipv6/conf/cable{port}/keep_addr_on_down", 1)
            relay.add_addresses(f"cable{port}", addresses(port, *hosts))

    def vdevs(self):
        return [f"net_af_xdp{port},iface=cable{port}" for port in range(self.ports)]

    def local_addresses(self):
        return []

    def plug_in(self):
        pass

    def kernel_interface(self, port):
        return f"cable{port}"

    def wire(self, port):
        return f"cable{port}"

    def leftovers(self):
        return re.findall(r"prog/xdp.*", self.relay.ip("-d link show"))


class Appliance:
    """The relay's machine, and a switch at each of its ports. `start` starts relayd on it."""

    def __init__(self, test, kind, ports=1, hosts=(1, 2, 3)):
        self.test = test
        self.relay = netns.Namespace("relay")
        self.switches = [netns.Switch(f"switch{port}") for port in range(ports)]
        for namespace in (self.relay, *self.switches):
            test.addCleanup(namespace.close)
        for port, switch in enumerate(self.switches):
            switch.plug_in(self.relay, f"cable{port}")
        self.kind = kind(self.relay, ports, hosts)

    def flags(self, eal=EAL):
        vdevs = " ".join(f"--vdev={vdev}" for vdev in self.kind.vdevs())
        return ["--io=dpdk", f"--eal={eal} {vdevs}", *self.kind.flags, *self.kind.local_addresses()]

    def start(self, *flags, **relayd):
        """A running relayd, with whose address the machine's addresses are reachable."""
        started = self.test.start(Relayd(*self.flags(), *flags, namespace=self.relay, **relayd))
        self.kind.plug_in()
        return started


class Machine(netns.Namespace):
    """A client's machine on the switch of one of the ports; its interface there is `client`."""

    def __init__(self, test, appliance, host, port=0):
        super().__init__(f"client{host}")
        test.addCleanup(self.close)
        self.port, self.host = port, host
        self.v4, self.v6 = f"198.18.{port}.{host}", ipv6_of(port, host)
        # Every cable of the switch needs a name of its own there.
        appliance.switches[port].plug_in(self, f"client{host}", addresses(port, host))
        self.interface = f"client{host}"

    def socket(self, relay_ip, port=0):
        with self.entered():
            return udp_socket(self.v6 if ":" in relay_ip else self.v4, port)

    def relay_ip(self, family=4):
        return f"198.18.{self.port}.1" if family == 4 else ipv6_of(self.port, 1)


class DpdkTestCase(RelayTestCase):
    """RelayTestCase's stories with relayd on an appliance, and the test itself in the place of the clients."""

    kind = Tap
    relay_v4, relay_v6 = "198.18.0.1", "2001:db8::1"
    other_relay_v4s = ("198.18.0.2", "198.18.0.3")
    client_v4, client_v6 = "198.18.0.10", "2001:db8::10"

    def start_relayd(self):
        self.appliance = Appliance(self, self.kind)
        here = netns.here()
        self.addCleanup(here.close)
        self.appliance.switches[0].plug_in(here, "client", addresses(0, 10))
        self.addCleanup(here.ip, "link delete client")
        relayd = self.appliance.start(*self.flags)
        await_link(here, self.relay_v4, self.relay_v6)
        return relayd
