#!/usr/bin/env python3
"""Two plain WireGuard peers without a route to each other talk through relay-client and relayd."""

import e2e
from programs import wait_until
from wireguard import BINARIES, TOOLS, Lab, Transfer


class WireguardTunnelTest(e2e.TestCase):
    lab, size = Lab, 100 << 20

    def check(self, alice_family, bob_family):
        lab = self.lab(self, (alice_family,), (bob_family,))
        # No way around the relay.
        for ip in ("198.18.2.2", "2001:db8:2::2"):
            self.assertNotEqual(lab.alice.run("ping", "-c", "1", "-W", "1", ip, check=False).returncode, 0)
        self.assertTrue(lab.alice.pings(lab.bob.inner_v4))
        self.assertTrue(lab.bob.pings(lab.alice.inner_v6))
        with Transfer(lab.alice, lab.bob, self.size) as transfer:
            transfer.wait(timeout=60)

        metrics = self.wait_at_rest(lab.relayd)
        there = {"transport_in": f"udp{alice_family}", "transport_out": f"udp{bob_family}"}
        back = {"transport_in": f"udp{bob_family}", "transport_out": f"udp{alice_family}"}
        self.assertGreater(metrics.get("relayd_forwarded_bytes_total", **there), self.size)
        self.assertGreater(metrics.get("relayd_forwarded_packets_total", **back), 0)
        self.assertEqual(metrics.get("relayd_endpoints", state="open"), 1)
        self.assertEqual(metrics.get("relayd_handshakes_total", result="bound"), 2)

        session, = lab.relayd.sessions()
        legs = {leg["ShortDisco"]: leg for leg in (session["Client1"], session["Client2"])}
        self.assertEqual(set(legs), {lab.alice.key.short, lab.bob.key.short})
        for machine, family in ((lab.alice, alice_family), (lab.bob, bob_family)):
            leg = legs[machine.key.short]
            ip = f"198.18.{machine.number}.2:" if family == 4 else f"[2001:db8:{machine.number}::2]:"
            self.assertTrue(leg["Endpoint"].startswith(ip), leg)
            self.assertGreater(leg["PacketsTx"], 0)
        self.assertGreater(legs[lab.alice.key.short]["BytesTx"], self.size)
        sent = sum(leg["BytesTx"] for leg in legs.values())
        wait_until(lambda: lab.relayd.metrics().total("relayd_forwarded_bytes_total") >= sent, "the same in /metrics")

    def test_ipv4(self):
        self.check(4, 4)

    def test_ipv6(self):
        self.check(6, 6)

    def test_mixed(self):
        self.check(4, 6)


if __name__ == "__main__":
    e2e.main(TOOLS, BINARIES)
