#!/usr/bin/env python3
"""relay-bench --io=dpdk against relayd --io=dpdk: each on a machine of its own, with a switch between them."""

import json
import os
import sys
import tempfile

import dpdk
import netns
import programs

BENCH = os.path.join(programs.BUILD, "bench", "relay-bench")
CLIENT_NET = "198.19.0.0/24"  # Nobody's: the relay answers to where a handshake came from, without ARP.


# Every queue on the way holds all of them, should somebody else have the cores for a while.
SO_FEW = ("--rate=500", "--duration=800ms", "--max_behind=10s", "--drain=3s")


class RelayBenchTestCase(dpdk.MachinesTestCase):
    def bench(self, *flags):
        """relay-bench on alice's machine: (exit status, the JSON report or None, its output)."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "report.json")
            port = self.relayd.api.rsplit(":", 1)[1]
            done = self.alice.run(
                BENCH, f"--json={path}", f"--relay_api=http://{self.alice.relay_ip(4)}:{port}", "--warmup=0s",
                f"--relay={self.alice.relay_ip(4)}:{self.relayd.udp_port}", "--progress=false", *flags, check=False)
            if not os.path.exists(path):
                return done.returncode, None, done.stdout
            with open(path, encoding="utf-8") as report:
                return done.returncode, json.load(report), done.stdout


class WithPort:
    def test_handshakes_and_load_by_a_port_of_its_own(self):
        status, report, output = self.bench(
            "--io=dpdk", f"--eal={dpdk.EAL} --vdev=net_af_packet0,iface={self.alice.interface}",
            f"--client_net={CLIENT_NET}", f"--relay_mac={self.appliance.mac(0)}", "--pairs=4", "--sizes=72:1,1300:1",
            *SO_FEW)
        self.assertEqual(status, 0, output)
        self.assertEqual(report["handshakes"]["completed"], 8, output)
        figures = report["figures"]
        self.assertGreater(figures["sent"], 300, output)
        for fault in ("lost", "corrupted", "duplicated", "reordered"):
            self.assertEqual(figures[fault], 0, output)
        # Every frame's checksums are looked at, of IPv4 and UDP.
        self.assertNotIn("wrong length or checksum", output)
        metrics = self.wait_at_rest(self.relayd)
        self.assertGreaterEqual(metrics.total("relayd_forwarded_packets_total"), figures["received"])
        self.assertEqual(metrics.total("relayd_worker_received_packets_total", worker="socket0"), 0)


class TapTest(WithPort, RelayBenchTestCase):
    kind = dpdk.Tap


class AfXdpTest(WithPort, RelayBenchTestCase):
    kind = dpdk.AfXdp


class NoChecksums(dpdk.AfXdp):
    flags = ("--udp_checksum=update",)


class UnfinishedChecksumsTest(RelayBenchTestCase):
    """What a veth's end sends has no checksum yet, and a relay that only updates it passes on a wrong one."""

    kind = NoChecksums

    def test_says_that_the_relay_answered(self):
        status, report, output = self.bench("--handshake_tries=2", "--handshake_retry=2s")
        self.assertEqual((status, report), (3, None), output)
        self.assertIn("answered the handshakes, but no packet came through it", output)
        self.assertIn("--udp_checksum=compute", output)
        self.assertEqual(len(output.strip().splitlines()), 1, output)


if __name__ == "__main__":
    if not os.access(BENCH, os.X_OK):
        print(f"SKIPPED: not found: {BENCH}", file=sys.stderr)
        sys.exit(netns.SKIPPED)
    dpdk.main()
