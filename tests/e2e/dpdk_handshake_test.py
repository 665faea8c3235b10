#!/usr/bin/env python3
"""The handshake's stories once more, packet by packet over both kinds of DPDK port."""

import dpdk
import protocol_handshake_test as stories
from dpdk import AfXdp, DpdkTestCase, Tap


class HandshakeOverTapTest(DpdkTestCase, stories.HandshakeTest):
    kind = Tap


class HandshakeOverAfXdpTest(DpdkTestCase, stories.HandshakeTest):
    kind = AfXdp


class BurstOverTapTest(DpdkTestCase, stories.BurstTest):
    kind = Tap


class BurstOverAfXdpTest(DpdkTestCase, stories.BurstTest):
    kind = AfXdp


if __name__ == "__main__":
    dpdk.main()
