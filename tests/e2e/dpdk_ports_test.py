#!/usr/bin/env python3
"""Ports come, go and lose their link."""

import re
import signal
import subprocess

import dpdk
from dpdk import AfXdp, Load, MachinesTestCase, Tap, await_link
from programs import binary, wait_until


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
                lines = len(self.relayd.lines)
                self.relay.ip(f"link set {wire} down")
                wait_until(lambda: up() == 0, "the link down in /metrics")
                self.relayd.wait_for("the link is down", after=lines)
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

    def test_tap_deleted(self):
        """It comes again, with the index that it had; what is relayed does not notice."""
        alice, bob = self.bound_pair_on((self.alice, 4), (self.bob, 6))
        index = lambda: re.match(r"(\d+): relay0", self.relay.ip("-o link show dev relay0")).group(1)
        for _ in range(2):
            before = index(), self.appliance.mac(0)
            lines = len(self.relayd.lines)
            self.relay.ip("link delete relay0")
            self.relayd.wait_for("net_tap0 .*relay0 was gone and was made anew", after=lines)
            self.assert_relays(alice, bob)
            self.assertEqual((index(), self.appliance.mac(0)), before)
            self.relay.add_addresses("relay0", self.appliance.kind.addresses_of[0])
            for machine in (self.alice, self.bob):
                await_link(machine, machine.relay_ip(4), machine.relay_ip(6))
        self.assertEqual(self.relayd.metrics().get("relayd_port_kernel_interface", port="net_tap0"), 1)
        self.assert_relays(alice, bob)
        self.wait_at_rest(self.relayd)


class EndsOnAfXdpTest(Ends, MachinesTestCase):
    kind = AfXdp

    def check(self, udp_port):
        with self.relay.entered():
            return subprocess.run([binary("relayd"), "--check", *self.appliance.flags(), f"--udp_port={udp_port}",
                                   "--api_listen=127.0.0.1:0", "--metrics_listen=127.0.0.1:0"],
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False)

    def test_interface_deleted(self):
        self.relay.ip("link delete cable0")
        self.relayd.wait_for("net_af_xdp0 .*cable0 is gone")
        self.assertEqual(self.relayd.metrics().get("relayd_port_kernel_interface", port="net_af_xdp0"), 0)
        self.assertEqual(self.relayd.metrics().total("relayd_port_link_up"), 0)
        self.relayd.signal(signal.SIGTERM)
        self.assertEqual(self.relayd.wait(), 0)

    def test_check_beside_a_relayd_that_runs(self):
        """It touches nothing, whether it is for the same UDP port or for another one."""
        alice, bob = self.bound_pair_on((self.alice, 4), (self.bob, 6))
        steering = self.appliance.kind.leftovers()
        self.assertEqual(len(steering), 1)
        for udp_port, says in (self.relayd.udp_port, "ports +not looked at"), (0, "cable0 has an XDP program already"):
            done = self.check(udp_port)
            self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
            self.assertRegex(done.stdout, says)
            self.assertEqual(self.appliance.kind.leftovers(), steering)
        self.assert_relays(alice, bob)
        self.assert_relays(bob, alice)
        metrics = self.wait_at_rest(self.relayd)
        self.assertEqual(metrics.get("relayd_worker_received_packets_total", worker="socket0"), 0)

    def test_check_after_a_relayd_was_killed(self):
        """It says what a start would take away, and leaves that to it."""
        steering = self.appliance.kind.leftovers()
        self.relayd.kill()
        done = self.check(self.relayd.udp_port)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, "(?m)^warning.*cable0 has the XDP program of a relayd that was killed")
        self.assertEqual(self.appliance.kind.leftovers(), steering)


if __name__ == "__main__":
    dpdk.main()
