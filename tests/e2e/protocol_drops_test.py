#!/usr/bin/env python3
"""Every reason for a drop: reached once, counted under its own name, and silent on the wire."""

import os
import socket
import struct

import e2e
import netns
from disco import ANSWER, BIND, DISCO, PING, Key, bind_message, geneve, udp_socket
from programs import wait_until
from relay_test_case import RelayTestCase


class ProtocolDropsTest(RelayTestCase):
    def setUp(self):
        super().setUp()
        self.alice, self.bob = self.pair()

    def assert_drops(self, reason, client, *packets, send=None):
        """Sends; exactly `reason` grows, once a packet, and nothing comes back."""
        before = self.relayd.metrics().dropped()
        for packet in packets:
            (send or client.send)(packet)
        wait_until(lambda: sum(self.relayd.metrics().dropped().values()) >= sum(before.values()) + len(packets),
                   f"a drop for {reason}")
        after = self.relayd.metrics().dropped()
        grown = {name: after[name] - before[name] for name in after if after[name] != before[name]}
        self.assertEqual(grown, {reason: len(packets)})
        self.assertIsNone(client.hear(0.05), f"{reason} must be silent")

    def test_all_reasons_are_there_from_the_start(self):
        dropped = self.relayd.metrics().dropped()
        for reason in ("bad_geneve unknown_version control_not_disco unknown_vni short bad_magic unknown_disco_key "
                       "control_rate_limited open_failed bad_message vni_mismatch remote_key_mismatch generation_zero "
                       "stale_generation mac_mismatch refused_source not_bound unknown_source too_big "
                       "send_failed").split():
            self.assertEqual(dropped[reason], 0, reason)

    def test_geneve(self):
        a = self.alice
        self.assert_drops("bad_geneve", a, b"", b"\0" * 7)
        for version in (1, 2, 3):
            self.assert_drops("unknown_version", a, geneve(a.vni, version=version) + b"data")
            self.assert_drops("unknown_version", a, geneve(a.vni, True, DISCO, version) + a.bind_packet()[8:])
        self.assert_drops("control_not_disco", a, geneve(a.vni, control=True) + a.bind_packet()[8:])
        self.assert_drops("unknown_vni", a, geneve(a.vni + 1) + b"data", geneve(0) + b"data",
                          a.control(bind_message(BIND, a.vni, 1, a.peer), vni=a.vni + 1))

    def test_wrapper(self):
        a = self.alice
        bind = a.bind_packet()
        self.assert_drops("short", a, bind[:8], bind[:8 + 61])
        self.assert_drops("bad_magic", a, bind[:8] + b"XX" + bind[10:])
        stranger = Key()
        self.assert_drops("unknown_disco_key", a, a.control(bind_message(BIND, a.vni, 1, a.peer),
                                                            sender=stranger.public))
        self.assert_drops("open_failed", a, bind[:-1] + bytes([bind[-1] ^ 1]), bind[:8 + 62], bind[:8 + 70])

    def test_message(self):
        a = self.alice
        bind = bind_message(BIND, a.vni, 1, a.peer)
        self.assert_drops("bad_message", a, a.control(b""), a.control(bytes([BIND])), a.control(bytes([PING, 0])),
                          a.control(bytes([5]) + bind[1:]), a.control(bytes([99]) + bind[1:]),
                          *(a.control(bind[:2] + bytes(size)) for size in (0, 31, 33, 71)))
        self.assert_drops("vni_mismatch", a, a.control(bind_message(BIND, a.vni + 1, 1, a.peer)))
        self.assert_drops("remote_key_mismatch", a, a.control(bind_message(BIND, a.vni, 1, a.key.public)))
        self.assert_drops("generation_zero", a, a.control(bind_message(BIND, a.vni, 0, a.peer)))

    def test_answers(self):
        a = self.alice
        self.assert_drops("stale_generation", a, a.answer_packet(bytes(32), generation=1))  # No handshake yet.
        a.send(a.bind_packet(generation=7))
        challenge = a.hear_challenge()[42:74]
        self.assert_drops("stale_generation", a, a.answer_packet(challenge, generation=8))
        self.assert_drops("mac_mismatch", a, a.answer_packet(bytes(32), generation=7))
        elsewhere = self.client_socket()
        self.assert_drops("mac_mismatch", a, a.answer_packet(challenge, generation=7),
                          send=lambda packet: elsewhere.sendto(packet, a.address))
        answer = a.answer_packet(challenge, generation=7)  # Still good after all that; but once.
        a.send(answer)
        wait_until(lambda: self.bindings() == 1, "the binding")
        self.assert_drops("stale_generation", a, answer)

    def test_data(self):
        a = self.alice
        self.assert_drops("not_bound", a, a.data_packet(b"early"))
        self.bind(a)
        self.assert_drops("not_bound", a, a.data_packet(b"only one leg"))
        alice, bob = self.bound_pair()
        bystander = self.client_socket()
        self.assert_drops("unknown_source", alice, alice.data_packet(b"from elsewhere"),
                          send=lambda packet: bystander.sendto(packet, alice.address))
        self.assertIsNone(bob.hear(0.05))

    def test_rate_limit_of_a_leg(self):
        a = self.alice
        before = self.relayd.metrics().get("relayd_handshakes_total", result="challenged")
        packets = [a.bind_packet(generation=1) for _ in range(200)]
        for packet in packets:
            a.send(packet)

        def challenged_and_limited():
            metrics = self.relayd.metrics()
            challenged = metrics.get("relayd_handshakes_total", result="challenged") - before
            limited = metrics.dropped()["control_rate_limited"]
            return (challenged, limited) if challenged + limited == 200 else None
        challenged, _ = wait_until(challenged_and_limited, "an end for each")
        self.assertGreaterEqual(challenged, 40)  # The burst, and 20 a second for the time that the sending took.
        self.assertLess(challenged, 80)
        self.bind(self.bob)  # The other leg's bucket is its own.

    def test_junk_spends_no_tokens(self):
        a = self.alice
        sealed = a.bind_packet()
        junk = [sealed[:8] + b"XX" + sealed[10:], sealed[:60],
                a.control(bind_message(ANSWER, a.vni, 1, a.peer), sender=Key().public)]
        for packet in junk * 100:
            a.send(packet)
        self.bind(a)
        self.assertEqual(self.relayd.metrics().dropped()["control_rate_limited"], 0)

    def test_refused_source(self):
        a = self.alice
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        def send_from_port_0(packet):
            udp = struct.pack(">HHHH", 0, a.address[1], 8 + len(packet), 0) + packet
            ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, socket.IPPROTO_UDP, 0,
                             socket.inet_aton(self.client_v4), socket.inet_aton(a.address[0]))
            raw.sendto(ip + udp, (a.address[0], 0))
        self.assert_drops("refused_source", a, a.bind_packet(), send=send_from_port_0)

    def test_too_big_for_the_other_family(self):
        alice, bob = self.bound_pair(self.relay_v6, self.relay_v4)
        before = self.relayd.metrics().dropped()["too_big"]
        alice.say(os.urandom(65510))  # 65518 bytes of UDP payload: IPv6 takes them, IPv4 takes 65507.
        wait_until(lambda: self.relayd.metrics().dropped()["too_big"] == before + 1, "too_big")
        self.assert_relays(alice, bob)

    def test_send_failed(self):
        """The way to bob is gone: counted, and nothing else suffers."""
        away = netns.Namespace("bob")
        here = netns.here()
        netns.connect(here, away, "bob0", ["198.18.7.1/24"], ["198.18.7.2/24"])
        with away.entered():
            socket_of_bob = udp_socket("198.18.7.2")
        alice, bob = self.pair(self.relay_v4, "198.18.7.1")
        bob.move(socket_of_bob)
        self.bind(alice, bob)
        self.assert_relays(alice, bob)
        here.ip("route add unreachable 198.18.7.2/32")
        self.assert_drops("send_failed", alice, alice.data_packet(b"nowhere"))
        here.ip("route del unreachable 198.18.7.2/32")
        self.assert_relays(alice, bob)


if __name__ == "__main__":
    e2e.main()
