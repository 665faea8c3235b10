#!/usr/bin/env python3
"""When an endpoint is gone, with legs that a poll-mode worker serves."""

import e2e
import protocol_lifetime_test as stories
from dpdk import TOOLS, DpdkTestCase, Tap


class LifetimeOverTapTest(DpdkTestCase, stories.LifetimeTest):
    kind = Tap
    flags = stories.LifetimeTest.flags


if __name__ == "__main__":
    e2e.main(TOOLS)
