#!/usr/bin/env python3
"""What goes wrong under a running tunnel: a client's address changes, relayd dies."""

import socket

import e2e
from programs import wait_until
from wireguard import BINARIES, TOOLS, API_PORT, Lab, Transfer


class WireguardHealingTest(e2e.TestCase):
    def leg_of(self, lab, machine):
        for session in lab.relayd.sessions():
            for leg in (session["Client1"], session["Client2"]):
                if leg["ShortDisco"] == machine.key.short:
                    return leg
        return None

    def roam(self, lab, families, new_ip):
        """Alice changes cable and address while her transfer runs; it ends as if nothing had been."""
        transfer = self.start(Transfer(lab.alice, lab.bob, 60_000_000, bytes_per_second=12_000_000))
        wait_until(lambda: self.leg_of(lab, lab.alice)["BytesTx"] > 5_000_000, "a transfer under way", 20)
        lab.alice.unplug("alice0")
        lab.alice.plug_in("alice1", 3, families)
        wait_until(lambda: self.leg_of(lab, lab.alice)["Endpoint"].startswith(new_ip), "the new address", 20)
        self.assertLess(transfer.received, transfer.size, "the transfer was over before the move")
        transfer.wait(timeout=60)
        self.assertGreaterEqual(lab.relayd.metrics().get("relayd_handshakes_total", result="rebound"), 1)
        self.assertEqual(len(lab.relayd.sessions()), 1)

    def test_roaming_mid_transfer(self):
        lab = Lab(self)
        self.assertTrue(lab.alice.pings(lab.bob.inner_v4))
        self.roam(lab, (4,), "198.18.3.2:")

    def test_relayd_killed_and_restarted(self):
        lab = Lab(self)
        self.assertTrue(lab.alice.pings(lab.bob.inner_v4))
        said = [len(client.lines) for client in lab.clients]
        lab.relayd.kill()
        self.assertFalse(lab.alice.pings(lab.bob.inner_v4, seconds=1))
        lab.start_relayd()  # A new key, and not a word of the old endpoint.
        for client, lines in zip(lab.clients, said):
            client.wait_connected(timeout=40, after=lines)
        self.assertTrue(lab.alice.pings(lab.bob.inner_v4))
        self.assertTrue(lab.bob.pings(lab.alice.inner_v4))
        self.start(Transfer(lab.alice, lab.bob, 5_000_000)).wait(timeout=30)

    def test_relayd_stops_within_two_seconds_under_load(self):
        lab = Lab(self)
        self.assertTrue(lab.alice.pings(lab.bob.inner_v4))
        self.start(Transfer(lab.alice, lab.bob, 500_000_000))
        with lab.relay.entered():
            idle = [socket.create_connection(("127.0.0.1", API_PORT)) for _ in range(5)]
        idle[0].sendall(b"POST /v0/relay/endpoint HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        wait_until(lambda: self.leg_of(lab, lab.alice)["BytesTx"] > 1_000_000, "a transfer under way")
        lab.relayd.process.terminate()
        self.assertEqual(lab.relayd.wait(2.0), 0)
        lab.start_relayd()
        self.assertTrue(lab.alice.pings(lab.bob.inner_v4, seconds=40))


if __name__ == "__main__":
    e2e.main(TOOLS, BINARIES)
