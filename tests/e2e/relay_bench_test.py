#!/usr/bin/env python3
"""relay-bench against relayd over loopback: reports, abuse, thresholds and exit status."""

import contextlib
import csv
import html.parser
import json
import os
import signal
import stat
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


class Tags(html.parser.HTMLParser):
    """Refuses HTML with a tag that is not closed where it should be."""

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], set()

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        if tag not in ("meta", "br", "hr", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.add(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]} at {self.getpos()}"
        self.open.pop()


class RelayBenchTest(RelayTestCase):
    def setUp(self):
        super().setUp()
        self.folder = self.enterContext(tempfile.TemporaryDirectory())

    def at(self, name):
        return os.path.join(self.folder, name)

    def read(self, name):
        with open(self.at(name), encoding="utf-8") as file:
            return file.read()

    def command(self, *flags):
        command = [BENCH, f"--json={self.at('report.json')}", *CALM, *flags]
        if not any(flag.startswith(("--endpoints", "--relay_api")) for flag in flags):
            command.append(f"--relay_api=http://{self.relayd.api}")
        if not any(flag.startswith("--relay=") for flag in flags):
            command.append(f"--relay=127.0.0.1:{self.relayd.udp_port}")
        return command

    def bench(self, *flags, timeout=20):
        """(exit status, the JSON report or None, stderr); the summary is self.summary."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.at("report.json"))
        done = subprocess.run(self.command(*flags), capture_output=True, text=True, timeout=timeout, check=False)
        self.summary = done.stdout
        report = json.loads(self.read("report.json")) if os.path.exists(self.at("report.json")) else None
        return done.returncode, report, done.stderr

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
        saved = self.at("saved.jsonl")
        with open(saved, "w", encoding="ascii"):
            os.chmod(saved, 0o644)  # As somebody may have left it.
        status, report, stderr = self.bench("--pairs=3", "--gso", "--rate=20000", "--duration=500ms",
                                            f"--save_endpoints={saved}")
        self.assertEqual(status, 0, stderr)
        self.assertGreater(report["figures"]["received"], 0)
        self.assertEqual(len(self.read("saved.jsonl").splitlines()), 3)
        self.assertEqual(stat.S_IMODE(os.stat(saved).st_mode), 0o600)
        status, report, stderr = self.bench(f"--endpoints={saved}", "--pairs=3", "--rate=1000", "--duration=200ms",
                                            "--direction=one")
        self.assertEqual(status, 0, stderr)
        self.assertEqual(report["handshakes"]["completed"], 6)

    def test_reports_as_csv_and_html(self):
        status, report, stderr = self.bench("--rate=1000", "--duration=1200ms", f"--csv={self.at('report.csv')}",
                                            f"--html={self.at('report.html')}", "--require=throughput>=1")
        self.assertEqual(status, 0, stderr)
        rows = list(csv.reader(self.read("report.csv").splitlines()))
        self.assertGreater(len(rows), 1)
        self.assertEqual({len(row) for row in rows}, {len(rows[0])})
        self.assertIn(str(report["figures"]["sent"]), [field for row in rows for field in row])

        tags = Tags()
        tags.feed(self.read("report.html"))
        tags.close()
        self.assertEqual(tags.open, [])
        self.assertLessEqual({"html", "title", "table", "svg"}, tags.seen)
        self.assertIn("throughput&gt;=1", self.read("report.html"))
        self.assertEqual(sorted(os.listdir(self.folder)), ["report.csv", "report.html", "report.json"])

    def test_a_search_finds_a_rate(self):
        # More than any generator sends, whatever else the machine does; then less, which it does send.
        status, report, stderr = self.bench("--rate=search", "--search_low=100", "--search_high=5e7", "--duration=100ms",
                                            "--search_resolution=0.5", "--loss_bound=0.99", "--max_behind=60s",
                                            "--drain=1s")
        self.assertEqual(status, 0, stderr)
        self.assertRegex(self.summary, r"(?m)^throughput +[1-9]")
        self.assertGreater(len(report["trials"]), 1)
        self.assertNotEqual(report["trials"][0]["verdict"], "passed")
        self.assertIn("passed", [trial["verdict"] for trial in report["trials"]])
        self.assertGreater(report["figures"]["received"], 0)

    def test_a_search_that_finds_none_is_status_1_and_one_line(self):
        command = self.command("--rate=search", "--search_low=1000", "--search_high=2000", "--search_resolution=0.4",
                               "--duration=100ms", "--loss_bound=0.5", "--warmup=2s", "--progress=true")
        bench = self.start(programs.Program(command))
        bench.wait_for("warm-up")
        self.relayd.signal(signal.SIGSTOP)
        try:
            self.assertEqual(bench.wait(20), 1)
        finally:
            self.relayd.signal(signal.SIGCONT)
        said = [line for line in bench.all_output().splitlines() if line.startswith("relay-bench: ")]
        self.assertEqual(len(said), 1, said)
        self.assertIn("no rate that holds: at the lowest that it tried, 1.00 k/s, ", said[0])
        self.assertNotIn("passed", [trial["verdict"] for trial in json.loads(self.read("report.json"))["trials"]])

    def test_a_requirement_that_does_not_hold_is_status_1(self):
        status, report, stderr = self.bench("--rate=500", "--duration=200ms", "--require=throughput>=1e9")
        self.assertEqual(status, 1, stderr)
        self.assertIn("throughput>=1e9", stderr)
        self.assertGreater(report["figures"]["sent"], 0)

    def test_wrong_use_is_status_2_and_one_line(self):
        for flags in (["--rate=often"], ["--hostile=rain:5"], ["--pairs=0"], ["--require=joy>1"], ["--no_such_flag"],
                      ["--sizes=fixed:10"], ["--endpoints=/does/not/exist"], ["--relay=nowhere"],
                      ["--eal=--vdev=net_null0"], ["--descriptors=1024"], ["--client_net=198.19.0.0/16"]):
            with self.subTest(flags):
                status, _, stderr = self.bench(*flags)
                self.assertEqual(status, 2, stderr)
                self.assertEqual(len(stderr.strip().splitlines()), 1, stderr)

    def test_a_wrong_path_shows_before_the_run(self):
        for flag in ("json", "csv", "html", "save_endpoints"):
            with self.subTest(flag):
                status, _, stderr = self.bench("--duration=1h", f"--{flag}={self.at('none/file')}")
                self.assertEqual(status, 2, stderr)
                self.assertRegex(stderr, r"\Arelay-bench: cannot write \S+/none/file: No such file or directory\n\Z")

    def test_a_run_that_fails_leaves_old_reports(self):
        with open(self.at("report.html"), "w", encoding="ascii") as file:
            file.write("old")
        status, _, stderr = self.bench("--relay_api=http://127.0.0.1:9", f"--html={self.at('report.html')}")
        self.assertEqual(status, 3, stderr)
        self.assertEqual(self.read("report.html"), "old")
        self.assertEqual(os.listdir(self.folder), ["report.html"])

    def test_what_is_not_there_is_status_3(self):
        for flags, reason in ((["--relay_api=http://127.0.0.1:9"], "cannot connect"),
                              (["--relay=127.0.0.1:9", "--handshake_tries=2", "--handshake_retry=50ms"],
                               "no answer to any handshake from 127.0.0.1:9")):
            with self.subTest(flags):
                status, _, stderr = self.bench(*flags)
                self.assertEqual(status, 3, stderr)
                self.assertIn(reason, stderr)
                self.assertEqual(len(stderr.strip().splitlines()), 1, stderr)

    def begun(self, *flags):
        """A load that has begun to send."""
        bench = self.start(programs.Program(self.command("--progress=true", "--rate=1000", *flags)))
        bench.wait_for(r"sent [1-9]")
        return bench

    def figures(self, bench):
        self.assertEqual(bench.wait(), 0)
        return json.loads(self.read("report.json"))["figures"]

    def test_sigint_ends_it_with_a_report(self):
        bench = self.begun("--duration=1h")
        bench.signal(signal.SIGINT)
        self.assertGreater(self.figures(bench)["sent"], 0)

    def test_what_a_stopped_generator_owed_is_sent_late_or_given_up(self):
        for flags, is_lost in (((), True), (("--max_behind=60s",), False)):
            with self.subTest(flags):
                bench = self.begun("--duration=2s", *flags)
                bench.signal(signal.SIGSTOP)
                time.sleep(0.3)  # Longer than 10 ms, by far.
                bench.signal(signal.SIGCONT)
                figures = self.figures(bench)
                (self.assertGreater if is_lost else self.assertEqual)(figures["generator_lost"], 0)
                self.assertEqual(figures["lost"], 0)


if __name__ == "__main__":
    if not os.access(BENCH, os.X_OK):
        print(f"SKIPPED: not found: {BENCH}", file=sys.stderr)
        sys.exit(netns.SKIPPED)
    e2e.main()
