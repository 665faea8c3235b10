#!/usr/bin/env python3
"""relay-bench against relayd over loopback: reports, abuse, thresholds and exit status."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time

import e2e
import netns
import programs
from relay_test_case import RelayTestCase

BENCH = os.path.join(programs.BUILD, "bench", "relay-bench")
# Sleeping between packets: the tests' machine has other things to do.
CALM = ("--busy_poll=false", "--progress=false", "--warmup=0s")


class RelayBenchTest(RelayTestCase):
    def bench(self, *flags, api=None, timeout=20):
        """(exit status, the JSON report or None, stderr)"""
        with tempfile.NamedTemporaryFile("r", suffix=".json") as report:
            command = [BENCH, f"--json={report.name}", *CALM, *flags]
            if not any(flag.startswith(("--endpoints", "--relay_api")) for flag in flags):
                command.append(f"--relay_api=http://{self.relayd.api}")
            if not any(flag.startswith("--relay=") for flag in flags):
                command.append(f"--relay=127.0.0.1:{self.relayd.udp_port}")
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
            text = report.read()
            return done.returncode, json.loads(text) if text else None, done.stderr

    def test_twenty_pairs_under_abuse(self):
        status, report, stderr = self.bench(
            "--pairs=20", "--rate=2000", "--duration=2s", "--sizes=imix", "--handshake_share=0.005",
            "--hostile=bogus_control:40,unknown_vni:100,wrong_source:100,random:100", "--require=handshake_success>=1")
        self.assertEqual(status, 0, stderr)
        self.assertEqual(report["schema"], "relay-bench/1")
        figures = report["figures"]
        # A busy machine may keep the generator from sending, and may make the relay's socket overflow; what is sent
        # and relayed comes intact, in order and once.
        self.assertGreater(figures["sent"], 0)
        self.assertGreater(figures["received"], 0)
        for fault in ("corrupted", "duplicated", "reordered"):
            self.assertEqual(figures[fault], 0, fault)
        self.assertEqual(report["handshakes"]["completed"], report["handshakes"]["started"])
        self.assertEqual(report["allocations"]["made"], 20)

        metrics = self.wait_at_rest(self.relayd)
        dropped = metrics.dropped()
        self.assertGreater(dropped["unknown_vni"], 0)
        self.assertGreater(dropped["unknown_source"], 0)
        self.assertGreater(dropped["open_failed"], 0)
        self.assertEqual(metrics.get("relayd_endpoints", state="open"), 21)  # One of them is the attacker's own.
        # What the harness says that came through, the relay says that it forwarded; probes beside it.
        self.assertGreaterEqual(metrics.total("relayd_forwarded_packets_total"), figures["received"])

    def test_trains_and_saved_endpoints(self):
        with tempfile.NamedTemporaryFile("r", suffix=".jsonl") as saved:
            status, report, stderr = self.bench("--pairs=3", "--gso", "--rate=20000", "--duration=500ms",
                                                f"--save_endpoints={saved.name}")
            self.assertEqual(status, 0, stderr)
            self.assertGreater(report["figures"]["received"], 0)
            self.assertEqual(len(saved.readlines()), 3)
            status, report, stderr = self.bench(f"--endpoints={saved.name}", "--pairs=3", "--rate=1000",
                                                "--duration=200ms", "--direction=one")
            self.assertEqual(status, 0, stderr)
            self.assertEqual(report["handshakes"]["completed"], 6)

    def test_a_requirement_that_does_not_hold_is_status_1(self):
        status, report, stderr = self.bench("--rate=500", "--duration=200ms", "--require=throughput>=1e9")
        self.assertEqual(status, 1, stderr)
        self.assertIn("throughput>=1e9", stderr)
        self.assertGreater(report["figures"]["sent"], 0)

    def test_wrong_use_is_status_2_and_one_line(self):
        for flags in (["--rate=often"], ["--hostile=rain:5"], ["--pairs=0"], ["--require=joy>1"], ["--no_such_flag"],
                      ["--sizes=fixed:10"], ["--endpoints=/does/not/exist"], ["--relay=nowhere"]):
            with self.subTest(flags):
                status, _, stderr = self.bench(*flags)
                self.assertEqual(status, 2, stderr)
                self.assertEqual(len(stderr.strip().splitlines()), 1, stderr)

    def test_what_is_not_there_is_status_3(self):
        for flags, reason in ((["--relay_api=http://127.0.0.1:9"], "cannot connect"),
                              (["--relay=127.0.0.1:9", "--handshake_tries=2", "--handshake_retry=50ms"],
                               "no answer to any handshake from 127.0.0.1:9")):
            with self.subTest(flags):
                status, _, stderr = self.bench(*flags)
                self.assertEqual(status, 3, stderr)
                self.assertIn(reason, stderr)
                self.assertEqual(len(stderr.strip().splitlines()), 1, stderr)

    def begun(self, report, *flags):
        """A load that has begun to send."""
        bench = self.start(programs.Program(
            [BENCH, f"--json={report.name}", f"--relay_api=http://{self.relayd.api}", "--busy_poll=false",
             f"--relay=127.0.0.1:{self.relayd.udp_port}", "--rate=1000", "--warmup=0s", *flags]))
        bench.wait_for(r"sent [1-9]")
        return bench

    def figures(self, bench, report):
        self.assertEqual(bench.wait(), 0)
        return json.loads(report.read())["figures"]

    def test_sigint_ends_it_with_a_report(self):
        with tempfile.NamedTemporaryFile("r", suffix=".json") as report:
            bench = self.begun(report, "--duration=1h")
            bench.signal(signal.SIGINT)
            self.assertGreater(self.figures(bench, report)["sent"], 0)

    def test_what_a_stopped_generator_owed_is_sent_late_or_given_up(self):
        for flags, is_lost in (((), True), (("--max_behind=60s",), False)):
            with self.subTest(flags), tempfile.NamedTemporaryFile("r", suffix=".json") as report:
                bench = self.begun(report, "--duration=2s", *flags)
                bench.signal(signal.SIGSTOP)
                time.sleep(0.3)  # Longer than 10 ms, by far.
                bench.signal(signal.SIGCONT)
                figures = self.figures(bench, report)
                (self.assertGreater if is_lost else self.assertEqual)(figures["generator_lost"], 0)
                self.assertEqual(figures["lost"], 0)


if __name__ == "__main__":
    if not os.access(BENCH, os.X_OK):
        print(f"SKIPPED: not found: {BENCH}", file=sys.stderr)
        sys.exit(netns.SKIPPED)
    e2e.main()
