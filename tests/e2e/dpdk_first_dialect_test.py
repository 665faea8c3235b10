#!/usr/bin/env python3
"""The first dialect's stories once more, packet by packet over both kinds of DPDK port."""

import dpdk
import protocol_handshake_test as stories
from dpdk import AfXdp, DpdkTestCase, Tap


class FirstDialectOverTapTest(DpdkTestCase, stories.FirstDialectTest):
    kind = Tap


class FirstDialectOverAfXdpTest(DpdkTestCase, stories.FirstDialectTest):
    kind = AfXdp


if __name__ == "__main__":
    dpdk.main()
