#!/usr/bin/env python3
"""Every reason for a drop once more, packet by packet over both kinds of DPDK port; and those that only frames have."""

import socket
import struct

import dpdk
import protocol_drops_test as drops
from dpdk import AfXdp, DpdkTestCase, Tap
from tagged import ethernet, ip_packet, udp_datagram


class FrameDrops:
    test_send_failed = None  # Routes are the kernel's.

    def test_frames(self):
        """What a socket never sees."""
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        raw.bind(("client", 0))
        a, port = self.alice, self.relayd.udp_port

        def send(ip):
            raw.send(ethernet(self.appliance.mac(0), "02:00:00:00:00:77", ip))

        def ip_and_udp(client_ip, relay_ip):
            udp = udp_datagram((client_ip, 1234), (relay_ip, port), a.data_packet(b"x" * 40))
            return ip_packet(client_ip, relay_ip, udp)

        def changed(packet, at, value):
            return packet[:at] + value + packet[at + len(value):]

        v4 = ip_and_udp(self.client_v4, self.relay_v4)
        v6 = ip_and_udp(self.client_v6, self.relay_v6)
        self.assert_drops("not_bound", a, v4, v6, send=send)
        self.assert_drops("bad_ip_checksum", a, changed(v4, 8, b"\x3f"), send=send)
        self.assert_drops("bad_ip_header", a, changed(v4, 2, struct.pack(">H", len(v4) + 1)),
                          changed(v4, 2, struct.pack(">H", 19)), changed(v6, 4, struct.pack(">H", len(v6) - 39)),
                          send=send)
        udp_length = len(v4) - 20
        self.assert_drops("bad_udp_length", a, *(changed(v4, 24, struct.pack(">H", length))
                                                 for length in (7, udp_length + 1)),
                          *(changed(v6, 44, struct.pack(">H", length)) for length in (7, udp_length + 1)), send=send)
        self.assert_drops("zero_checksum", a, changed(v6, 46, b"\0\0"), send=send)
        self.assert_drops("not_bound", a, changed(v4, 26, b"\0\0"), v4 + b"padding", v6 + b"padding", send=send)
        self.wait_at_rest(self.relayd)


class DropsOverTapTest(FrameDrops, DpdkTestCase, drops.ProtocolDropsTest):
    kind = Tap


class DropsOverAfXdpTest(FrameDrops, DpdkTestCase, drops.ProtocolDropsTest):
    kind = AfXdp


if __name__ == "__main__":
    dpdk.main()
