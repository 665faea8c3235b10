#!/usr/bin/env python3
"""The README's demonstration: ends by itself, with success, and shows a conversation."""

import os
import subprocess

import e2e
from programs import BUILD

DEMO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../deploy/demo")


class DemoTest(e2e.TestCase):
    def test_demo(self):
        done = subprocess.run([DEMO, BUILD], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=50,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for word in ("Alice -> Bob", "Bob -> Alice", "state=connected", "VNI"):
            self.assertIn(word, " ".join(done.stdout.split()))


if __name__ == "__main__":
    e2e.main(binaries=("relayd", "relay-client", "relayctl"))
