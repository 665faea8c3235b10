"""relayd --io=dpdk on a machine of its own, with either kind of port; clients plug into a switch.

    client ------ switch ------ port of relayd

net_tap     DPDK has the port: it is one end of a wire whose other end, wire0, is bridged to the cable. What is not the
            relay's reaches the kernel through the TAP interface relay0, which has the machine's addresses.
net_af_xdp  The cable itself, which has the addresses: relayd's XDP program takes the relay's datagrams off it.

Port i has 198.18.i.1, .2 and .3, and 2001:db8:i::1.
"""

import contextlib
import json
import os
import re
import socket
import struct
import sys
import tempfile
import threading
import time

import e2e
import netns
from disco import Client, Key, udp_socket
from programs import Relayd, wait_until
from relay_test_case import RelayTestCase
from telemetry import Telemetry

EAL = "--no-huge -m 256 --no-shconf --no-pci"  # As on any machine: no hugepages, no NIC.
TOOLS = ("ip", "ping")
HAS_ROOT = os.getuid() == 0  # Not only in a user namespace, to which e2e.main may move the test.


def main(tools=TOOLS, binaries=("relayd",)):
    """As e2e.main; root in a user namespace will not do for XDP programs."""
    if not HAS_ROOT:
        print("SKIPPED: this needs root, for TAP interfaces and XDP programs", file=sys.stderr)
        sys.exit(netns.SKIPPED)
    e2e.main(tools, binaries)


def addresses(port, *hosts):
    """What a machine is given on the switch of that port; 1, 2 and 3 are the relay's."""
    return [text for host in hosts for text in (f"198.18.{port}.{host}/24", ipv6_of(port, host) + "/64")]


def ipv6_of(port, host):
    return f"2001:db8:{port or ''}::{host}".replace(":::", "::")


def icmp_error(sock):
    """What waits for a socket that asked for errors: (errno, origin, type, code, information)."""
    def look():
        try:
            _, ancillary, _, _ = sock.recvmsg(2000, 512, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
            return struct.unpack_from("IBBBxI", ancillary[0][2])
        except BlockingIOError:
            return None
    return wait_until(look, "an ICMP error")


def mac_of(namespace, interface):
    return re.search(r"link/ether (\S+)", namespace.ip(f"-o link show dev {interface}")).group(1)


def await_link(machine, *relay_ips):
    """Interfaces that are new take a while to carry anything, and the first packet to find its next hop."""
    for ip in relay_ips:
        machine.run("ping", "-c", "1", "-i", "0.1", "-w", "20", ip)


def idle_cores(count):
    """Workers are pinned, and a core that somebody else keeps busy is no place for them."""
    def idle_times():
        with open("/proc/stat", encoding="ascii") as file:
            rows = [line.split() for line in file if re.match(r"cpu\d", line)]
        return {int(row[0][3:]): int(row[4]) for row in rows}

    before = idle_times()
    time.sleep(0.1)
    after = idle_times()
    may = sorted(os.sched_getaffinity(0), key=lambda core: before.get(core, 0) - after.get(core, 0))
    return [may[i % len(may)] for i in range(count)]


class Tap:
    name = "net_tap"
    flags = ()

    def __init__(self, relay, addresses_of):
        self.relay, self.addresses_of, self.ports = relay, addresses_of, range(len(addresses_of))
        relay.sysctl("net/ipv4/conf/all/arp_ignore", 1)  # Bridge and cable have no address: they answer for none.
        for port in self.ports:
            relay.make_bridge(f"bridge{port}")
            relay.sysctl(f"net/ipv6/conf/cable{port}/disable_ipv6", 1)
            relay.ip(f"link set cable{port} master bridge{port}")

    def vdevs(self):
        return [f"net_tap{port},iface=wire{port},mac=02:00:00:00:00:0{port}" for port in self.ports]

    def local_addresses(self):
        """relayd is told of them, because they come only with its TAP interfaces."""
        texts = [text.split("/")[0] for texts in self.addresses_of for text in texts]
        return [f"--local_addrs={','.join(texts)}"]

    def plug_in(self):
        """Once relayd has made its interfaces."""
        for port in self.ports:
            wire = f"wire{port}"
            self.relay.sysctl(f"net/ipv6/conf/{wire}/disable_ipv6", 1)
            # The kernel's end begins with the MAC address of DPDK's, which the bridge would then take for its own.
            self.relay.ip(f"link set {wire} address 02:00:00:00:ff:0{port}")
            self.relay.ip(f"link set {wire} master bridge{port}")
            self.relay.add_addresses(f"relay{port}", self.addresses_of[port])

    def kernel_interface(self, port):
        """Where the kernel has the machine's addresses."""
        return f"relay{port}"

    def wire(self, port):
        """What can be set down and up, as if somebody pulled a plug."""
        return f"wire{port}"

    def leftovers(self):
        """What relayd made and has not taken away."""
        return re.findall(r"\b(?:wire|relay)\d+\b", self.relay.ip("-o link show"))

    def may_be_out(self, pool):
        """Packet buffers that a relayd at rest may have in use beyond those at its start."""
        return 1 if pool.startswith("relay_kernel") else 0  # For what comes next from a TAP interface.


class AfXdp:
    name = "net_af_xdp"
    flags = ("--udp_checksum=compute",)  # The clients' end of a veth leaves checksums unfinished.

    def __init__(self, relay, addresses_of):
        self.relay, self.ports = relay, range(len(addresses_of))
        for port in self.ports:
            # So that IPv6 addresses are still there when the link comes back.
            relay.sysctl(f"net/ipv6/conf/cable{port}/keep_addr_on_down", 1)
            relay.add_addresses(f"cable{port}", addresses_of[port])

    def vdevs(self):
        return [f"net_af_xdp{port},iface=cable{port}" for port in self.ports]

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

    def may_be_out(self, _):
        return 32  # The driver gets back what it sent with the next that it sends: a burst may be out for long.


class Appliance:
    """The relay's machine, and a switch at each of its ports. `start` starts relayd on it."""

    def __init__(self, test, kind, ports=1, addresses_of=None):
        addresses_of = addresses_of or [addresses(port, 1, 2, 3) for port in range(ports)]
        self.test = test
        self.relay = netns.Namespace("relay")
        self.switches = [netns.Switch(f"switch{port}") for port in range(len(addresses_of))]
        for namespace in (self.relay, *self.switches):
            test.addCleanup(namespace.close)
        for port, switch in enumerate(self.switches):
            switch.plug_in(self.relay, f"cable{port}")
        self.kind = kind(self.relay, addresses_of)

    def mac(self, port):
        return mac_of(self.relay, self.kind.kernel_interface(port))

    def flags(self, eal=EAL):
        vdevs = " ".join(f"--vdev={vdev}" for vdev in self.kind.vdevs())
        return ["--io=dpdk", f"--eal={eal} {vdevs}", *self.kind.flags, *self.kind.local_addresses()]

    def start(self, *flags, workers=1, **relayd):
        """A running relayd, plugged in."""
        cores = ",".join(map(str, idle_cores(workers)))
        runtime = self.test.enterContext(tempfile.TemporaryDirectory())
        started = self.test.start(Relayd(*self.flags(), f"--workers={workers}", f"--cores={cores}", *flags,
                                         namespace=self.relay, env={"RUNTIME_DIRECTORY": runtime}, **relayd))
        started.telemetry = Telemetry(runtime)
        before = started.telemetry.buffers_in_use()
        self.test.addCleanup(self.wait_for_buffers, started, before)
        self.kind.plug_in()
        return started

    def wait_for_buffers(self, relayd, before, timeout=10.0):
        """At the end of each test: the pools are where they were at start. Of a relayd that has ended none are left."""
        if relayd.process.poll() is not None:
            return
        seen = {}

        def back():
            seen.update(relayd.telemetry.buffers_in_use())
            return all(seen[pool] <= count + self.kind.may_be_out(pool) for pool, count in before.items())
        try:
            wait_until(back, "", timeout)
        except AssertionError:
            raise AssertionError(f"buffers in use at start: {before}; now: {seen}") from None


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

    def mac(self):
        return mac_of(self, self.interface)

    def ip_of(self, family):
        return self.v4 if family == 4 else self.v6

    def relay_ip(self, family):
        return f"198.18.{self.port}.1" if family == 4 else ipv6_of(self.port, 1)


POLICY = {"peers": [{"prefix": prefix, "capabilities": ["relay", "admin"]}
                    for prefix in ("198.18.0.0/15", "2001:db8::/32", "127.0.0.0/8")]}


class MachinesTestCase(RelayTestCase):
    """An appliance, and alice and bob on machines of their own: on the first switch and on the last one."""

    kind, ports, workers = Tap, 1, 1

    def start_relayd(self):
        self.appliance = Appliance(self, self.kind, self.ports)
        self.relay = self.appliance.relay
        self.alice = Machine(self, self.appliance, 10)
        self.bob = Machine(self, self.appliance, 11, self.ports - 1)
        return self.restart_relayd()

    def restart_relayd(self, udp_port=0):
        policy = self.enterContext(tempfile.NamedTemporaryFile("w", suffix=".json"))
        json.dump(POLICY, policy)
        policy.flush()
        self.relayd = self.appliance.start(f"--policy_file={policy.name}", *self.flags, api="[::]:0", udp_port=udp_port,
                                            workers=self.workers)
        self.relayd.api = self.relayd.api.replace("[::]", "127.0.0.1")
        for machine in (self.alice, self.bob):
            await_link(machine, machine.relay_ip(4), machine.relay_ip(6))
        return self.relayd

    def pair_on(self, *places):
        """A new endpoint's clients, each at (namespace, its own address, the relay's), or at a Machine of a family."""
        keys = Key(), Key()
        endpoint = self.relayd.allocate(*keys)
        clients = []
        for (machine, *where), key, peer in zip(places, keys, reversed(keys)):
            own, relay_ip = where if len(where) == 2 else (machine.ip_of(where[0]), machine.relay_ip(where[0]))
            with machine.entered():
                sock = udp_socket(own)
            clients.append(Client(key, endpoint, peer.public, (relay_ip, self.relayd.udp_port), sock))
        return clients

    def bound_pair_on(self, *places):
        pair = self.pair_on(*places)
        self.bind(*pair)
        return pair


class Load:
    """Data from one client to the other, some thousands a second in small bursts, until the block's end."""

    def __init__(self, sender, receiver, burst=16):
        self.sender, self.receiver, self.burst = sender, receiver, burst
        self.heard = 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=target, daemon=True) for target in (self._send, self._hear)]

    def _send(self):
        packet = self.sender.data_packet(os.urandom(1000))
        while not self._stop.wait(0.003):
            for _ in range(self.burst):
                with contextlib.suppress(OSError):  # The link is down, or its queue is full.
                    self.sender.send(packet)

    def _hear(self):
        while True:
            if self.receiver.hear(0.2):
                self.heard += 1
            elif self._stop.is_set():
                return

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(10)


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
