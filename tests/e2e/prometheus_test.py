#!/usr/bin/env python3
"""/metrics before promtool and a real Prometheus server."""

import json
import os
import subprocess
import tempfile

import e2e
from disco import Key
from programs import Program, Relayd, http_request, wait_until

SERIES = ("relayd_forwarded_packets_total", "relayd_forwarded_bytes_total", "relayd_endpoints",
          "relayd_dropped_packets_total", "relayd_handshakes_total", "relayd_allocations_total",
          "relayd_socket_overflow_packets_total", "relayd_control_task_seconds_bucket")


class PrometheusTest(e2e.TestCase):
    def setUp(self):
        self.relayd = self.start(Relayd())

    def test_every_series_is_there_from_the_start(self):
        metrics = self.relayd.metrics()
        for way_in in ("udp4", "udp6"):
            for way_out in ("udp4", "udp6"):
                for name in ("relayd_forwarded_packets_total", "relayd_forwarded_bytes_total"):
                    self.assertEqual(metrics.get(name, transport_in=way_in, transport_out=way_out), 0)
        for name, label, values in (
                ("relayd_endpoints", "state", "connecting open"),
                ("relayd_handshakes_total", "result", "challenged bound rebound"),
                ("relayd_allocations_total", "result",
                 "created existing replaced invalid forbidden quota full not_ready draining")):
            for value in values.split():
                self.assertEqual(metrics.get(name, **{label: value}), 0)
        self.assertEqual(metrics.total("relayd_socket_overflow_packets_total"), 0)
        self.assertEqual(metrics.balance(), 0)

    def test_promtool(self):
        done = subprocess.run(["promtool", "check", "metrics"], input=self.relayd.metrics().text, capture_output=True,
                              text=True, timeout=30, check=False)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_prometheus_scrapes(self):
        self.relayd.allocate(Key(), Key())
        with tempfile.TemporaryDirectory() as folder:
            config = os.path.join(folder, "prometheus.yml")
            with open(config, "w", encoding="utf-8") as file:
                file.write("global: {scrape_interval: 1s}\n"
                           "scrape_configs:\n"
                           "  - job_name: relayd\n"
                           f"    static_configs: [{{targets: ['{self.relayd.metrics_at}']}}]\n")
            self.start(Program(["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}/data",
                                "--web.listen-address=127.0.0.1:19090"]))

            def query(expression):
                try:
                    _, _, text = http_request("127.0.0.1", 19090, "GET", f"/api/v1/query?query={expression}")
                except OSError:
                    return []
                answer = json.loads(text) if text.startswith("{") else {}
                return answer.get("data", {}).get("result", [])

            up = wait_until(lambda: query("up"), "a scrape", timeout=30)
            self.assertEqual(up[0]["value"][1], "1")
            for name in SERIES:
                wait_until(lambda: query(name), name)
            self.assertEqual(query("sum(relayd_endpoints)")[0]["value"][1], "1")


if __name__ == "__main__":
    e2e.main(("prometheus", "promtool"))
