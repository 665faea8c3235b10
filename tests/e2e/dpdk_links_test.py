#!/usr/bin/env python3
"""The layer-2 way back to a client: next hops that move, and VLANs. And two workers, on two ports or on one."""

import errno
import os
import socket

import dpdk
from dpdk import AfXdp, Load, MachinesTestCase, Tap, await_link, icmp_error
from programs import wait_until
from tagged import TaggedSocket, ethernet, ip_packet, udp_datagram


class NextHops:
    """The layer-2 way to a client."""

    def followed(self):
        metrics = self.relayd.metrics()
        return metrics.total("relayd_link_followed_total"), metrics.total("relayd_link_refused_total")

    def test_next_hop_moves_to_a_neighbour(self):
        """As when a gateway fails over: same addresses, another MAC address."""
        alice, bob = self.bound_pair_on((self.alice, 4), (self.bob, 4))
        self.assert_relays(alice, bob)
        self.assertEqual(self.followed(), (0, 0))
        self.alice.ip(f"link set {self.alice.interface} address 02:00:00:00:aa:01")
        await_link(self.alice, self.alice.relay_ip(4))  # Now the relay's kernel knows.
        wait_until(lambda: "02:00:00:00:aa:01" in self.relay.ip("neighbour show"), "the neighbour")

        def moved():
            self.assert_relays(alice, bob)
            return self.followed()[0] == 1
        wait_until(moved, "the new next hop")
        self.assert_relays(bob, alice)
        self.wait_at_rest(self.relayd)

    def test_next_hop_does_not_move_to_a_stranger(self):
        """Somebody sends in alice's name, from a machine that the relay's kernel has not resolved."""
        alice, bob = self.bound_pair_on((self.alice, 4), (self.bob, 4))
        packet = alice.data_packet(b"spoofed")
        udp = udp_datagram(alice.sock.getsockname(), alice.address, packet)
        frame = ethernet(self.appliance.mac(0), "02:00:00:00:ba:d1", ip_packet(self.alice.v4, alice.address[0], udp))
        with self.bob.entered():
            raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        raw.bind((self.bob.interface, 0x0800))
        for _ in range(3):
            raw.send(frame)
            self.assertEqual(bob.hear()[0], packet)  # It is alice's address, after all,
        self.assertEqual(self.followed(), (0, 3))
        for _ in range(3):
            self.assert_relays(bob, alice)  # but what is alice's goes where it went.
        self.wait_at_rest(self.relayd)


    def test_tagged_client(self):
        for family in (4, 6):
            alice, bob = self.pair_on((self.alice, family), (self.bob, 4))
            mac = self.alice.mac()
            with self.alice.entered():
                alice.move(TaggedSocket(self.alice.interface, 7, (self.alice.ip_of(family), 1234), mac,
                                        self.appliance.mac(0)))
            self.bind(alice, bob)
            for size in (0, 1, 1000, 1400):
                self.assert_relays(alice, bob, os.urandom(size))
                self.assert_relays(bob, alice, os.urandom(size))
        self.assertEqual(self.followed(), (0, 0))
        self.wait_at_rest(self.relayd)


class NextHopsOnTapTest(NextHops, MachinesTestCase):
    kind = Tap


class NextHopsOnAfXdpTest(NextHops, MachinesTestCase):
    kind = AfXdp
    test_tagged_client = None  # veth hands tags over beside the frame, where an XDP program does not see them.


class TwoPorts:
    """Two ports with a worker each; every endpoint has a leg on either."""

    ports = workers = 2

    def test_legs_on_different_ports(self):
        for families in ((4, 4), (6, 6), (4, 6)):
            alice, bob = self.bound_pair_on((self.alice, families[0]), (self.bob, families[1]))
            for size in (0, 1, 1000, 1400):
                self.assert_relays(alice, bob, os.urandom(size))
                self.assert_relays(bob, alice, os.urandom(size))
        self.wait_at_rest(self.relayd)

    def test_roaming_from_port_to_port(self):
        alice, bob = self.bound_pair_on((self.alice, 4), (self.bob, 4))
        self.assert_relays(alice, bob)
        with self.bob.entered():
            alice.move(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        alice.address = bob.address
        self.bind(alice)
        self.assert_relays(alice, bob)
        self.assert_relays(bob, alice)
        self.wait_at_rest(self.relayd)

    def test_every_buffer_comes_back(self):
        """The pools' level at rest is the same after loads in both directions as before them. Together they are more
        than a pool has: each buffer has been used."""
        def level():
            return self.relayd.metrics().total("relayd_port_pool_in_use_buffers")
        pairs = [self.bound_pair_on((self.alice, 4), (self.bob, 6)), self.bound_pair_on((self.bob, 4), (self.alice, 4))]
        self.wait_at_rest(self.relayd)
        before = level()
        for _ in range(4):
            with Load(*pairs[0]) as there, Load(*pairs[1]) as back:
                wait_until(lambda: there.heard > 3000 and back.heard > 3000, "relayed data", 30)
            self.wait_at_rest(self.relayd)
        # AF_XDP gets back what it sent with the next that it sends: a burst of 32 a port may be out for long.
        wait_until(lambda: level() <= before + self.may_be_out, f"{before:g} buffers in use, as before the load")


class TwoTapPortsTest(TwoPorts, MachinesTestCase):
    kind = Tap
    may_be_out = 0


class TwoAfXdpPortsTest(TwoPorts, MachinesTestCase):
    kind = AfXdp
    may_be_out = 2 * 32

    def set_mtu(self, mtu):
        """Of the second port's interface, under the running relayd."""
        lines = len(self.relayd.lines)
        self.relay.ip(f"link set cable1 mtu {mtu}")
        self.relayd.wait_for(f"net_af_xdp1 .*MTU {mtu}, after that of cable1", after=lines)
        wait_until(lambda: self.relayd.metrics().get("relayd_port_mtu_bytes", port="net_af_xdp1") == mtu, "the MTU")

    def test_too_big_for_the_other_port(self):
        """A smaller MTU on the way out: the sender learns of it, in either family. Until it is larger again."""
        for mtu in (1400, 1300):
            for family, level, discover, receive, header, answer in (
                    (4, socket.IPPROTO_IP, 10, 11, 20, (2, 3, 4)),  # linux/in.h; ICMP, fragmentation needed.
                    (6, socket.IPPROTO_IPV6, 23, 25, 40, (3, 2, 0))):  # linux/in6.h; ICMPv6, packet too big.
                alice, bob = self.bound_pair_on((self.alice, family), (self.bob, family))
                alice.sock.setsockopt(level, discover, 3)  # Do not fragment, whatever the path's MTU was.
                alice.sock.setsockopt(level, receive, 1)
                before = self.relayd.metrics()
                payload = lambda packet: os.urandom(packet - header - 8 - 8)  # IP, UDP, Geneve.
                self.assert_relays(alice, bob, payload(1500))
                self.set_mtu(mtu)
                self.assert_relays(alice, bob, payload(mtu))
                alice.say(payload(mtu + 1))
                self.assertEqual(icmp_error(alice.sock), (errno.EMSGSIZE, *answer, mtu))
                self.assert_relays(alice, bob, payload(mtu))
                metrics = self.wait_at_rest(self.relayd)
                self.assertEqual(metrics.dropped()["too_big"], before.dropped()["too_big"] + 1)
                self.assertEqual(metrics.total("relayd_icmp_too_big_total"),
                                 before.total("relayd_icmp_too_big_total") + 1)
                self.set_mtu(1500)
                self.assert_relays(alice, bob, payload(1500))
        self.wait_at_rest(self.relayd)

    def test_mtu_that_does_not_fit_the_buffers(self):
        """With buffers of 2,048 bytes an AF_XDP port takes 1,770: it sends no more, and says so."""
        self.relay.ip("link set cable1 mtu 3000")
        self.relayd.wait_for("net_af_xdp1 .*MTU 1770, after that of cable1, which went from 1500 to 3000")
        wait_until(lambda: self.relayd.metrics().get("relayd_port_mtu_bytes", port="net_af_xdp1") == 1770, "the MTU")


class MtuOfTapTest(MachinesTestCase):
    """The port's MTU is that of the TAP interface."""

    def test_mtu(self):
        alice, bob = self.bound_pair_on((self.alice, 4), (self.bob, 4))
        mtu = lambda: self.relayd.metrics().get("relayd_port_mtu_bytes", port="net_tap0")
        wait_until(lambda: mtu() == 1500, "the MTU")
        self.relay.ip("link set relay0 mtu 1300")
        wait_until(lambda: mtu() == 1300, "the smaller MTU")
        alice.say(os.urandom(1300))
        wait_until(lambda: self.relayd.metrics().dropped()["too_big"] == 1, "the drop")
        self.relay.ip("link set relay0 mtu 1500")
        wait_until(lambda: mtu() == 1500, "the MTU of before")
        self.assert_relays(alice, bob, os.urandom(1300))
        for wanted in (1502, 9000):  # More than at start, and more than buffers of 2,048 bytes hold.
            self.relay.ip(f"link set relay0 mtu {wanted}")
            says = self.relayd.wait_for(f"MTU ([0-9]+), after that of relay0, which went from [0-9]+ to {wanted}")
            self.assertLessEqual(1502, int(says.group(1)))
            self.assertLessEqual(int(says.group(1)), min(wanted, 2048))
            self.assertIn(f" mtu {says.group(1)} ", self.relay.ip("link show dev wire0"))  # The device takes them, too.
        self.relayd.wait_for("to 9000: the port takes no more")
        self.assert_relays(alice, bob)
        self.wait_at_rest(self.relayd)


class TwoQueuesTest(MachinesTestCase):
    """One port, two workers, a queue each."""

    workers = 2

    def test_many_pairs(self):
        pairs = [self.bound_pair_on((self.alice, 4), (self.bob, 6)) for _ in range(8)]
        for alice, bob in pairs:
            for _ in range(20):
                self.assert_relays(alice, bob)
                self.assert_relays(bob, alice)
        metrics = self.wait_at_rest(self.relayd)
        self.assertEqual(metrics.total("relayd_forwarded_packets_total"), 8 * 20 * 2)
        for worker in ("0", "1"):  # The wire's end spreads flows over the queues.
            self.assertGreater(metrics.get("relayd_worker_received_packets_total", worker=worker), 0)


if __name__ == "__main__":
    dpdk.main()
