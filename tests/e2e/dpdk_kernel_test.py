#!/usr/bin/env python3
"""What is not the relay's: the kernel of the relay's machine works beside it, through both kinds of kernel path."""

import errno
import json
import os
import socket
import struct

import dpdk
import netns
from disco import Key
from dpdk import AfXdp, Load, MachinesTestCase, Tap, icmp_error
from programs import allocation, http_request, wait_until
from tagged import ip_packet, udp_datagram
from wireguard import Transfer

IP_MTU_DISCOVER, IP_PMTUDISC_DO, IP_RECVERR = 10, 2, 11  # linux/in.h
DESTINATION_OPTIONS = 60


class KernelTraffic:
    def ping(self, machine):
        for family in (4, 6):
            machine.run("ping", "-c", "3", "-i", "0.1", "-w", "20", machine.relay_ip(family))

    def test_ping_and_tcp_while_the_relay_is_busy(self):
        alice, bob = self.bound_pair_on((self.alice, 4), (self.bob, 6))
        self.relay.inner_v4, self.alice.inner_v4 = self.alice.relay_ip(4), self.alice.v4
        port = int(self.relayd.api.rsplit(":", 1)[1])
        with Load(alice, bob) as load:
            self.ping(self.alice)
            for family in (4, 6):
                with self.alice.entered():
                    status, _, text = http_request(self.alice.relay_ip(family), port, "POST", "/v0/relay/endpoint",
                                                   allocation(Key(), Key()))
                self.assertEqual(status, 200, text)
                self.assertIn("VNI", json.loads(text))
            for sender, receiver in ((self.alice, self.relay), (self.relay, self.alice)):
                with Transfer(sender, receiver, 5_000_000) as transfer:
                    transfer.wait(timeout=40)
            wait_until(lambda: load.heard > 500, "relayed data")
        self.ping(self.bob)
        metrics = self.wait_at_rest(self.relayd)
        self.assertGreaterEqual(metrics.total("relayd_forwarded_packets_total"), load.heard)
        if self.kind is Tap:
            self.assertGreater(metrics.total("relayd_to_kernel_packets_total"), 1000)

    def test_other_ports_are_unreachable_and_the_relay_s_never(self):
        for family in (4, 6):
            with self.alice.entered():
                sock = socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
            sock.settimeout(10)
            sock.connect((self.alice.relay_ip(family), self.other_port()))
            sock.send(b"anybody?")
            with self.assertRaises(ConnectionRefusedError):
                sock.recv(100)
            sock.connect((self.alice.relay_ip(family), self.relayd.udp_port))
            before = self.relayd.metrics().dropped()["bad_geneve"]
            for _ in range(10):
                sock.send(b"junk")
            wait_until(lambda: self.relayd.metrics().dropped()["bad_geneve"] == before + 10, "the drops")
            sock.send(bytes(5000))  # In fragments: the kernel's, and its sockets are there.
            wait_until(lambda: self.relayd.metrics().dropped()["unknown_vni"] == (1 if family == 4 else 2), "the drop")
            self.assertEqual(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), 0)
        self.wait_at_rest(self.relayd)

    def other_port(self):
        return self.relayd.udp_port + (1 if self.relayd.udp_port < 65535 else -1)

    def test_nobody_else_takes_the_port(self):
        for ip in ("0.0.0.0", self.alice.relay_ip(4), "::", self.alice.relay_ip(6)):
            with self.relay.entered():
                sock = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_DGRAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            with self.assertRaises(OSError) as refused:
                sock.bind((ip, self.relayd.udp_port))
            self.assertEqual(refused.exception.errno, errno.EADDRINUSE)

    def by_socket(self):
        return self.relayd.metrics().get("relayd_worker_received_packets_total", worker="socket0")

    def test_fragments_are_relayed_by_way_of_the_kernel(self):
        for families in ((4, 4), (6, 6), (4, 6), (6, 4)):
            alice, bob = self.bound_pair_on((self.alice, families[0]), (self.bob, families[1]))
            before = self.by_socket(), self.relayd.metrics()
            for size in (2000, 4000, 9000):
                self.assert_relays(alice, bob, os.urandom(size))
                self.assert_relays(bob, alice, os.urandom(size))
            self.assert_relays(alice, bob)  # And what is whole goes as ever.
            metrics = self.wait_at_rest(self.relayd)
            self.assertEqual(self.by_socket(), before[0] + 6)
            if self.kind is Tap:  # The XDP program leaves them all to the kernel.
                for name in ("relayd_fragments_total", "relayd_to_kernel_packets_total"):
                    self.assertGreaterEqual(metrics.total(name), before[1].total(name) + 2 * (2 + 3 + 7), name)

    def test_extension_headers_are_relayed_by_way_of_the_kernel(self):
        alice, bob = self.bound_pair_on((self.alice, 6), (self.bob, 4))
        before = self.by_socket()
        packet = alice.data_packet(b"options")
        source = alice.sock.getsockname()[:2]
        options = struct.pack(">BBBB4x", socket.IPPROTO_UDP, 0, 1, 4)  # PadN.
        body = options + udp_datagram(source, alice.address, packet)
        with self.alice.entered():
            raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
        raw.sendto(ip_packet(source[0], alice.address[0], body, DESTINATION_OPTIONS), (alice.address[0], 0))
        heard = bob.hear()
        self.assertIsNotNone(heard, "nothing came")
        self.assertEqual(heard[0], packet)
        self.assertEqual(self.by_socket(), before + 1)
        self.wait_at_rest(self.relayd)

    def test_a_leg_of_the_kernel_and_one_of_dpdk_reach_each_other(self):
        """On relayd's own machine, and behind an interface that is no port."""
        management = netns.Namespace("management")
        self.addCleanup(management.close)
        netns.connect(self.relay, management, "mgmt", ["198.19.0.1/24", "2001:db8:f::1/64"],
                      ["198.19.0.2/24", "2001:db8:f::2/64"])
        places = ((self.relay, "127.0.0.1", "127.0.0.1"), (self.relay, "::1", "::1"),
                  (management, "198.19.0.2", "198.19.0.1"), (management, "2001:db8:f::2", "2001:db8:f::1"))
        for place in places:
            for family in (4, 6):
                alice, bob = self.bound_pair_on((self.alice, family), place)
                for size in (0, 4, 1000, 1400, 3000):
                    self.assert_relays(alice, bob, os.urandom(size))
                    self.assert_relays(bob, alice, os.urandom(size))
        metrics = self.wait_at_rest(self.relayd)
        self.assertEqual(sum(metrics.dropped().values()), 0, metrics.dropped())
        self.assertEqual(metrics.total("relayd_forwarded_packets_total"), 8 * 10)

    def test_too_big_is_answered(self):
        """IPv4 in, IPv6 out: 20 bytes more. The client's kernel learns the path's MTU and then sends what fits."""
        alice, bob = self.bound_pair_on((self.alice, 4), (self.bob, 6))
        alice.sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
        alice.sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        most = 1480 - 20 - 8 - 8  # IP, UDP, Geneve.
        self.assert_relays(alice, bob, os.urandom(most))
        alice.say(os.urandom(most + 1))
        self.assertEqual(icmp_error(alice.sock), (errno.EMSGSIZE, 2, 3, 4, 1480))  # ICMP, "too big".
        metrics = self.wait_at_rest(self.relayd)
        self.assertEqual(metrics.dropped()["too_big"], 1)
        self.assertEqual(metrics.total("relayd_icmp_too_big_total"), 1)
        with self.assertRaises(OSError) as refused:
            alice.say(os.urandom(most + 1))  # It need not even leave.
        self.assertEqual(refused.exception.errno, errno.EMSGSIZE)
        self.assert_relays(alice, bob, os.urandom(most))
        self.assert_relays(bob, alice, os.urandom(1500 - 40 - 8 - 8))  # The other way all that fits a link fits.


class KernelBesideTapTest(KernelTraffic, MachinesTestCase):
    kind = Tap


class ReassembleTest(MachinesTestCase):
    """--reassemble: a worker makes datagrams whole, and sends them so or not at all."""

    flags = ("--reassemble",)

    def test_whole_they_fit_or_are_too_big(self):
        self.alice.ip(f"link set {self.alice.interface} mtu 1280")  # Alice's fragments are smaller than they need be.
        for families in ((4, 4), (6, 6), (4, 6)):
            before = self.relayd.metrics()
            alice, bob = self.bound_pair_on((self.alice, families[0]), (self.bob, families[1]))
            self.assert_relays(alice, bob, os.urandom(1400))
            alice.say(os.urandom(3000))
            wait_until(lambda: self.relayd.metrics().dropped()["too_big"] == before.dropped()["too_big"] + 1, "the drop")
            self.assert_relays(alice, bob, os.urandom(1400))
            metrics = self.wait_at_rest(self.relayd)
            self.assertEqual(metrics.total("relayd_reassembled_packets_total"),
                             before.total("relayd_reassembled_packets_total") + 3)
        self.assertEqual(metrics.get("relayd_worker_received_packets_total", worker="socket0"), 0)


class KernelBesideAfXdpTest(KernelTraffic, MachinesTestCase):
    kind = AfXdp


if __name__ == "__main__":
    dpdk.main()
