#!/usr/bin/env python3
"""The README's demonstrations: each ends by itself, with success, and shows what it promises."""

import os
import subprocess

import e2e
from programs import BUILD

DEPLOY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../deploy")


class DemoTest(e2e.TestCase):
    def check(self, name, *words):
        done = subprocess.run([os.path.join(DEPLOY, name), BUILD], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=80, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for word in words:
            self.assertIn(word, " ".join(done.stdout.split()))

    def test_demo(self):
        self.check("demo", "Alice -> Bob", "Bob -> Alice", "state=connected", "VNI")

    def test_funnel_demo(self):
        self.check("funnel-demo", "https://node.example (Funnel on)", "|-- / proxy http://127.0.0.1:3000",
                   "Served by a machine without a public address.", "certificate verified", "VNI", '"reason"')


if __name__ == "__main__":
    e2e.main(("curl", "ip", "openssl", "unshare", "wg", "wireguard-go"),
             ("relayd", "relay-client", "relayctl", "funnel-node"))
