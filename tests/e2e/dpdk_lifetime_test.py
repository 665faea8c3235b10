#!/usr/bin/env python3
"""When an endpoint is gone, with legs that a poll-mode worker serves."""

import dpdk
import protocol_lifetime_test as stories
from dpdk import DpdkTestCase, Tap


class LifetimeOverTapTest(DpdkTestCase, stories.LifetimeTest):
    kind = Tap
    flags = stories.LifetimeTest.flags


if __name__ == "__main__":
    dpdk.main()
