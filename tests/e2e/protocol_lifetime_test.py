#!/usr/bin/env python3
"""When an endpoint is gone: never earlier than its lifetime, and at most 1 s + 10 % later. And VNIs, which rise."""

import time

import e2e
from disco import Key
from programs import wait_until
from relay_test_case import RelayTestCase

BIND_S, STEADY_S = 1.0, 2.0


class LifetimeTest(RelayTestCase):
    flags = (f"--bind_lifetime={BIND_S:g}s", f"--steady_state_lifetime={STEADY_S:g}s", "--max_endpoints=3")

    def assert_ends(self, vni, since_before, since_after, lifetime, meanwhile=lambda: None):
        """`vni` is gone no earlier than `lifetime` after since_before, and soon enough after since_after."""
        def gone():
            meanwhile()
            asked_at = time.monotonic()
            return asked_at if vni not in [session["VNI"] for session in self.relayd.sessions()] else None
        gone_at = wait_until(gone, f"the end of endpoint {vni}", timeout=lifetime + 5)
        self.assertGreaterEqual(gone_at - since_before, lifetime, "gone too early")
        self.assertLessEqual(gone_at - since_after, lifetime * 1.1 + 1.0, "gone too late")

    def test_never_bound(self):
        before = time.monotonic()
        alice, _ = self.pair()
        after = time.monotonic()
        self.bind(alice)  # One leg does not count.
        self.assert_ends(alice.vni, before, after, BIND_S)

    def test_bound_and_silent(self):
        alice, bob = self.pair()
        before = time.monotonic()
        self.bind(alice, bob)
        after = time.monotonic()
        self.assert_ends(alice.vni, before, after, STEADY_S)

    def test_one_silent_leg_is_enough_and_control_is_no_sign_of_life(self):
        alice, bob = self.pair()
        before = time.monotonic()
        self.bind(alice, bob)
        after = time.monotonic()

        def noise():
            alice.say(b"still here")
            bob.send(bob.bind_packet())

        self.assert_ends(alice.vni, before, after, STEADY_S, noise)

    def test_data_keeps_it_alive(self):
        alice, bob = self.bound_pair()
        until = time.monotonic() + 2 * STEADY_S + 1.5
        while time.monotonic() < until:
            before = time.monotonic()
            self.assert_relays(alice, bob)
            self.assert_relays(bob, alice)
            after = time.monotonic()
            time.sleep(STEADY_S / 4)
        self.assert_ends(alice.vni, before, after, STEADY_S)
        alice.say(b"late")
        wait_until(lambda: self.relayd.metrics().dropped()["unknown_vni"] == 1, "the drop")

    def test_allocation_sees_the_end_before_the_sweep(self):
        one, other = Key(), Key()
        first = self.relayd.allocate(one, other)
        end = time.monotonic() + BIND_S
        self.assertEqual(self.relayd.allocate(other, one)["LamportID"], first["LamportID"])
        while time.monotonic() < end + 0.002:
            time.sleep(0.001)
        second = self.relayd.allocate(one, other)
        self.assertGreater(second["LamportID"], first["LamportID"])
        self.assertGreater(second["VNI"], first["VNI"])

    def test_vnis_rise_and_the_table_fills(self):
        vnis = [self.pair()[0].vni for _ in range(3)]
        self.assertEqual(vnis, [1, 2, 3])
        before = self.relayd.metrics()
        self.assertEqual(before.get("relayd_endpoints", state="connecting"), 3)
        status, headers, text = self.relayd.try_to_allocate(Key(), Key())
        self.assertEqual((status, headers["Retry-After"]), (503, "3"), text)
        self.assertEqual(self.relayd.metrics().get("relayd_allocations_total", result="full"), 1)
        wait_until(lambda: not self.relayd.sessions(), "an empty table")
        self.assertEqual([self.pair()[0].vni for _ in range(3)], [4, 5, 6])  # As late as possible.

    def test_gauges(self):
        alice, bob = self.pair()
        self.bind(alice)
        self.assertEqual(self.relayd.metrics().get("relayd_endpoints", state="connecting"), 1)
        self.bind(bob)
        metrics = self.relayd.metrics()
        self.assertEqual(metrics.get("relayd_endpoints", state="connecting"), 0)
        self.assertEqual(metrics.get("relayd_endpoints", state="open"), 1)
        wait_until(lambda: self.relayd.metrics().get("relayd_endpoints", state="open") == 0, "the end")

    def test_sessions_count_exactly(self):
        alice, bob = self.bound_pair()
        for size in (0, 10, 1000):
            self.assert_relays(alice, bob, bytes(size))
        self.assert_relays(bob, alice, b"reply")
        session, = self.relayd.sessions()
        legs = {leg["ShortDisco"]: leg for leg in (session["Client1"], session["Client2"])}
        self.assertEqual(session["Client1"]["ShortDisco"], min(alice.key, bob.key, key=lambda key: key.public).short)
        for client, packets, size in ((alice, 3, 3 * 8 + 1010), (bob, 1, 8 + 5)):
            host, port = client.sock.getsockname()[:2]
            self.assertEqual(legs[client.key.short], {"Endpoint": f"{host}:{port}", "ShortDisco": client.key.short,
                                                      "PacketsTx": packets, "BytesTx": size})


if __name__ == "__main__":
    e2e.main()
