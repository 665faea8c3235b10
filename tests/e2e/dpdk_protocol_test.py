#!/usr/bin/env python3
"""The protocol's stories once more, packet by packet over both kinds of DPDK port."""

import e2e
import protocol_drops_test as drops
import protocol_handshake_test as stories
from dpdk import TOOLS, AfXdp, DpdkTestCase


class OverAfXdp(DpdkTestCase):
    kind = AfXdp


class HandshakeOverTapTest(DpdkTestCase, stories.HandshakeTest):
    pass


class HandshakeOverAfXdpTest(OverAfXdp, stories.HandshakeTest):
    pass


class BurstOverTapTest(DpdkTestCase, stories.BurstTest):
    pass


class BurstOverAfXdpTest(OverAfXdp, stories.BurstTest):
    pass


class FirstDialectOverTapTest(DpdkTestCase, stories.FirstDialectTest):
    pass


class FirstDialectOverAfXdpTest(OverAfXdp, stories.FirstDialectTest):
    pass


class DropsOverTapTest(DpdkTestCase, drops.ProtocolDropsTest):
    test_send_failed = None  # Routes are the kernel's.


class DropsOverAfXdpTest(OverAfXdp, drops.ProtocolDropsTest):
    test_send_failed = None


if __name__ == "__main__":
    e2e.main(TOOLS)
