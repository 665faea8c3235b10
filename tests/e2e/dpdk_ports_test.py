#!/usr/bin/env python3
"""Ports come, go and lose their link."""

import signal

import dpdk
from dpdk import AfXdp, Load, MachinesTestCase, Tap, await_link
from programs import wait_until


class Ends:
    """Starts, ends and interruptions."""

    def test_ends_clean_while_loaded_and_starts_again(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            alice, bob = self.bound_pair_on((self.alice, 4), (self.bob, 6))
            with Load(alice, bob) as load:
                wait_until(lambda: load.heard > 200, "relayed data")
                self.relayd.signal(number)
                self.assertEqual(self.relayd.wait(2.0), 0)
            self.assertEqual(self.appliance.kind.leftovers(), [])
            self.assertNotRegex(self.relayd.all_output(), "(?i)error|leak|cannot")
            self.restart_relayd()
        self.assert_relays(*self.bound_pair_on((self.alice, 4), (self.bob, 4)))

    def test_killed_and_started_again(self):
        """On its old port, as a service is; whatever the first one left behind is no hindrance."""
        self.relayd.kill()
        self.restart_relayd(udp_port=self.relayd.udp_port)
        self.assert_relays(*self.bound_pair_on((self.alice, 4), (self.bob, 4)))
        self.wait_at_rest(self.relayd)

    def test_link_down_and_up(self):
        pairs = [self.bound_pair_on((self.alice, family), (self.bob, family)) for family in (4, 6)]
        wire = self.appliance.kind.wire(0)
        up = lambda: self.relayd.metrics().total("relayd_port_link_up")
        for _ in range(3):
            with Load(*pairs[0]) as load:
                wait_until(lambda: load.heard > 50, "relayed data")
                self.relay.ip(f"link set {wire} down")
                wait_until(lambda: up() == 0, "the link down in /metrics")
                self.relay.ip(f"link set {wire} up")
                wait_until(lambda: up() == 1, "the link up in /metrics")
                before = load.heard
                wait_until(lambda: load.heard > before + 50, "relayed data once more")
            for machine in (self.alice, self.bob):
                await_link(machine, machine.relay_ip(4), machine.relay_ip(6))
            for alice, bob in pairs:
                self.assert_relays_soon(alice, bob)
                self.assert_relays_soon(bob, alice)
        self.wait_at_rest(self.relayd)

    def assert_relays_soon(self, sender, receiver):
        """What is left of the load comes before it."""
        sender.say(b"the last")
        wait_until(lambda: receiver.hear(0.2), "data")
        while receiver.hear(0.05):
            pass


class EndsOnTapTest(Ends, MachinesTestCase):
    kind = Tap


class EndsOnAfXdpTest(Ends, MachinesTestCase):
    kind = AfXdp


if __name__ == "__main__":
    dpdk.main()
