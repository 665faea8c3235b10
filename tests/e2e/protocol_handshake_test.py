#!/usr/bin/env python3
"""The handshake in both dialects, roaming, and data: what comes out of the relay, byte for byte."""

import os
import signal
import socket
import struct

import e2e
from disco import Key, bind_message, BIND
from programs import wait_until
from relay_test_case import RelayTestCase

UDP_SEGMENT = 103  # linux/udp.h


class HandshakeTest(RelayTestCase):
    def test_challenge_repeats_the_bind(self):
        alice, _ = self.pair()
        for generation in (5, 9, 9, 2, 0xFFFFFFFF):  # Equal and lower ones too.
            bind = alice.bind_packet(generation)
            alice.send(bind)
            clear = alice.hear_challenge()
            self.assertEqual(len(clear), 74)
            self.assertEqual(clear[2:42], bind_message(BIND, alice.vni, generation, alice.peer)[2:42])
            self.assertNotEqual(clear[42:74], bytes(32))

    def test_reply_is_never_longer_than_the_request(self):
        alice, _ = self.pair()
        for tail in (b"", b"\0" * 200):
            request = alice.bind_packet(tail=tail)
            alice.send(request)
            self.assertLessEqual(len(alice.hear()[0]), len(request))

    def test_data_is_passed_on_as_it_is(self):
        alice, bob = self.bound_pair()
        for body in (b"", b"x", os.urandom(1280), os.urandom(9000), os.urandom(60000)):
            self.assert_relays(alice, bob, body)
            self.assert_relays(bob, alice, body)
        # Whatever the option length, reserved bits and protocol say, as long as the version is 0 and O is clear.
        for header in (bytes.fromhex("3f7f1234"), bytes.fromhex("00007a11")):
            packet = header + struct.pack(">I", alice.vni << 8 | 0xFF) + b"odd"
            alice.send(packet)
            self.assertEqual(bob.hear()[0], packet)

    def test_ipv6_and_mixed(self):
        for ips in ((self.relay_v6, self.relay_v6), (self.relay_v4, self.relay_v6)):
            alice, bob = self.bound_pair(*ips)
            self.assert_relays(alice, bob)
            self.assert_relays(bob, alice)
        metrics = self.wait_at_rest(self.relayd)
        for way_in, way_out, packets in (("udp6", "udp6", 2), ("udp4", "udp6", 1), ("udp6", "udp4", 1)):
            labels = {"transport_in": way_in, "transport_out": way_out}
            self.assertEqual(metrics.get("relayd_forwarded_packets_total", **labels), packets)
            self.assertEqual(metrics.get("relayd_forwarded_bytes_total", **labels), packets * len(b"12345678data"))

    def test_answers_from_the_address_that_was_hit(self):
        alice, bob = self.bound_pair(*self.other_relay_v4s)
        self.assert_relays(alice, bob)
        self.assert_relays(bob, alice)

    def test_both_legs_may_share_one_address(self):
        alice, bob = self.pair()
        bob.move(alice.sock)
        self.bind(alice)
        self.bind(bob)
        alice.say(b"loop")
        self.assertEqual(bob.hear()[0], alice.data_packet(b"loop"))

    def test_roaming(self):
        alice, bob = self.bound_pair()
        old, old_address = alice.sock, alice.address
        for ip in (self.relay_v4, self.relay_v6, self.relay_v4):
            alice.move(self.client_socket(ip))
            alice.address = (ip, self.relayd.udp_port)
            alice.send(alice.bind_packet())
            challenge = alice.hear_challenge()[42:74]
            old.sendto(alice.data_packet(b"old way"), old_address)
            self.assertEqual(bob.hear()[0], alice.data_packet(b"old way"))  # Serves until the answer.
            alice.send(alice.answer_packet(challenge))
            self.assert_relays(alice, bob)
            self.assert_relays(bob, alice)
            old.sendto(alice.data_packet(b"too late"), old_address)
            self.assert_silence(bob)
            old, old_address = alice.sock, alice.address
        metrics = self.relayd.metrics()
        self.assertEqual(metrics.get("relayd_handshakes_total", result="rebound"), 3)
        self.assertEqual(metrics.dropped()["unknown_source"], 3)


class BurstTest(RelayTestCase):
    """What one client sends at once is decided in its order."""

    def half_way(self):
        """A pair of which bob is bound and alice holds her challenge; returns her answer, too."""
        alice, bob = self.pair()
        self.bind(bob)
        alice.send(alice.bind_packet())
        return alice, bob, alice.answer_packet(alice.hear_challenge()[42:74])

    def test_answer_and_ping_as_one_burst(self):
        alice, bob, answer = self.half_way()
        self.relayd.signal(signal.SIGSTOP)  # So that it reads both in one call.
        alice.send(answer)
        alice.say(b"ping")
        self.relayd.signal(signal.SIGCONT)
        self.assertEqual(bob.hear()[0], alice.data_packet(b"ping"))

    def test_answer_and_ping_as_one_train(self):
        alice, bob, answer = self.half_way()
        self.send_train(alice, [answer, alice.data_packet(b"ping")])
        self.assertEqual(bob.hear()[0], alice.data_packet(b"ping"))

    def test_mixed_trains_lose_nothing_and_keep_their_order(self):
        alice, bob = self.bound_pair()
        stranger = alice.data_packet(b"")[:4] + struct.pack(">I", (alice.vni + 1) << 8)
        bodies = [os.urandom(92) for _ in range(30)]
        packets = [alice.data_packet(body) for body in bodies]
        for at in (3, 4, 17):
            packets.insert(at, stranger + os.urandom(92))
        self.send_train(alice, packets)
        self.assertEqual([bob.hear()[0][8:] for _ in bodies], bodies)
        metrics = self.wait_at_rest(self.relayd)
        self.assertEqual(metrics.dropped()["unknown_vni"], 3)

    def test_whole_trains(self):
        alice, bob = self.bound_pair()
        bodies = [os.urandom(1000) for _ in range(50)] + [b"short tail"]
        self.send_train(alice, [alice.data_packet(body) for body in bodies])
        self.assertEqual([bob.hear()[0][8:] for _ in bodies], bodies)
        metrics = self.wait_at_rest(self.relayd)
        self.assertEqual(metrics.total("relayd_forwarded_packets_total"), len(bodies))

    def test_empty_datagrams_harm_nobody(self):
        alice, bob = self.bound_pair()
        self.relayd.signal(signal.SIGSTOP)
        for number in range(20):
            alice.send(b"")
            alice.say(bytes([number]))
            alice.send(b"short")
        self.relayd.signal(signal.SIGCONT)
        self.assertEqual([bob.hear()[0][8:] for _ in range(20)], [bytes([number]) for number in range(20)])
        self.assertEqual(self.wait_at_rest(self.relayd).dropped()["bad_geneve"], 40)

    def test_a_closed_port_stops_nobody(self):
        """ICMP errors from a leg that went away do not touch the others."""
        alice, bob = self.bound_pair()
        carol, dave = self.bound_pair()
        bob.sock.close()
        for _ in range(20):
            alice.say(b"anyone?")
            self.assert_relays(carol, dave)
            self.assert_relays(dave, carol)

    @staticmethod
    def send_train(client, packets):
        """One UDP_SEGMENT send: all packets but the last have one length, as GSO asks."""
        size = struct.pack("H", len(packets[0]))
        client.sock.sendmsg([b"".join(packets)], [(socket.SOL_UDP, UDP_SEGMENT, size)], 0, client.address)


class FirstDialectTest(RelayTestCase):
    def test_handshake_and_data(self):
        alice, bob = self.pair()
        self.bind(alice, bob, first_dialect=True)
        self.assert_relays(alice, bob)
        self.assert_relays(bob, alice)

    def test_first_bind_pins_the_source(self):
        alice, _ = self.pair()
        bind = bytes([4, 0]) + bytes(32)
        alice.send(alice.control(bind))
        first = alice.hear_challenge()
        alice.send(alice.control(bytes([4, 0]) + os.urandom(32)))  # Any content in a bind.
        self.assertEqual(alice.hear_challenge(), first)
        home = alice.sock
        alice.move(self.client_socket())
        alice.send(alice.control(bind))
        alice.send(alice.control(bytes([6, 0]) + first[2:]))
        self.assert_silence(alice)
        self.assertEqual(self.bindings(), 0)
        alice.handshake()  # The current dialect proceeds all the same, and clears the pin.
        wait_until(lambda: self.bindings() == 1, "the binding")
        alice.move(home)
        alice.send(alice.control(bind))
        self.assert_silence(alice)  # A bound leg ignores the first dialect.

    def test_wrong_answer(self):
        alice, _ = self.pair()
        alice.send(alice.control(bytes([4, 0]) + bytes(32)))
        alice.hear_challenge()
        alice.send(alice.control(bytes([6, 0]) + bytes(32)))
        self.assert_silence(alice)
        self.assertEqual(self.bindings(), 0)

    def test_challenges_differ(self):
        alice, bob = self.pair()
        carol, _ = self.pair()
        seen = set()
        for client in (alice, bob, carol):
            client.send(client.control(bytes([4, 0]) + bytes(32)))
            seen.add(client.hear_challenge()[2:])
        self.assertEqual(len(seen), 3)

    def test_allocation_replaces_a_pair_bound_in_the_first_dialect(self):
        """Unless both sent data in the last 30 s; the binding itself is no data."""
        one, other = Key(), Key()
        endpoint = self.relayd.allocate(one, other)
        alice, bob = self.client(one, endpoint, other), self.client(other, endpoint, one)
        self.bind(alice, bob, first_dialect=True)
        replaced = self.relayd.allocate(one, other)
        self.assertNotEqual(replaced["VNI"], endpoint["VNI"])
        self.assertGreater(replaced["LamportID"], endpoint["LamportID"])
        alice, bob = self.client(one, replaced, other), self.client(other, replaced, one)
        self.bind(alice, bob, first_dialect=True)
        self.assert_relays(alice, bob)
        self.assert_relays(bob, alice)
        self.assertEqual(self.relayd.allocate(one, other)["VNI"], replaced["VNI"])
        self.assertEqual(self.relayd.metrics().get("relayd_allocations_total", result="replaced"), 1)


class WithoutFirstDialectTest(RelayTestCase):
    flags = ("--first_dialect=false",)

    def test_is_refused(self):
        alice, bob = self.pair()
        alice.send(alice.control(bytes([4, 0]) + bytes(32)))
        self.assert_silence(alice)
        self.assertEqual(self.relayd.metrics().dropped()["bad_message"], 1)
        self.bind(alice, bob)
        self.assert_relays(alice, bob)


class WorkersTest(HandshakeTest):
    """The same stories with four workers, each with its own sockets."""

    flags = ("--workers=4",)


if __name__ == "__main__":
    e2e.main()
