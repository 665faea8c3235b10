#!/usr/bin/env python3
"""The figures of workers and ports: DPDK's telemetry, /metrics and `relayctl top` say the same."""

import re
import subprocess

import dpdk
from dpdk import AfXdp, Load, MachinesTestCase, Tap
from programs import binary, wait_until

BURSTS = {"1": "1", "2": "2", "3_4": "4", "5_8": "8", "9_16": "16", "17_32": "32", "33_up": "+Inf"}  # And their `le`.


def worker_series(metrics, index, reasons):
    """What /metrics has of /relayd/worker,N."""
    def of(name):
        return metrics.get(f"relayd_worker_{name}", worker=str(index))
    hertz = metrics.get("relayd_tsc_hertz")
    return {"received": of("received_packets_total"), "polls": of("polls_total"),
            "empty_polls": of("empty_polls_total"), "sleeps": of("sleeps_total"), "packets": of("busy_packets_total"),
            "busy_cycles": of("busy_seconds_total") * hertz, "total_cycles": of("seconds_total") * hertz,
            **{("dropped", reason): metrics.get("relayd_worker_dropped_packets_total", worker=str(index),
                                                reason=reason) for reason in reasons}}


def share_series(metrics, port, index):
    """What /metrics has of /relayd/port,N,W."""
    labels = {"worker": str(index), "port": port}
    series = {name: metrics.get(f"relayd_port_{name}_packets_total", **labels)
              for name in ("received", "sent", "tx_full", "from_kernel")}
    below = 0
    for name, bound in BURSTS.items():
        count = metrics.get("relayd_port_burst_packets_bucket", **labels, le=bound)
        series["bursts", name] = count - below
        below = count
    return series


def flat(answer):
    """{"a": {"b": 1}} as {("a", "b"): 1}."""
    result = {}
    for key, value in answer.items():
        result.update({(key, inner): n for inner, n in value.items()} if isinstance(value, dict) else {key: value})
    return result


class Figures:
    ports = workers = 2

    def assert_between(self, before, answer, after):
        """All of them are counters that grow: asked between two scrapes, it lies between them."""
        for key, least in before.items():
            slack = least * 1e-6  # Seconds are rounded.
            self.assertTrue(least - slack <= answer[key] <= after[key] + slack, (key, least, answer[key], after[key]))

    def send_all_kinds(self):
        """Datagrams that are forwarded, some that are dropped for two reasons, and frames of the kernel's."""
        alice, bob = self.bound_pair_on((self.alice, 4), (self.bob, 6))
        with Load(alice, bob) as load:
            wait_until(lambda: load.heard > 300, "relayed data")
        for _ in range(5):
            alice.send(b"junk")
        for client in self.pair_on((self.alice, 6), (self.bob, 4)):
            client.say(b"too early")
        wait_until(lambda: (self.relayd.metrics().dropped()["bad_geneve"] == 5 and
                            self.relayd.metrics().dropped()["not_bound"] == 2), "the drops")
        return self.wait_at_rest(self.relayd)

    def test_telemetry_is_as_metrics(self):
        metrics = self.send_all_kinds()
        reasons = set(metrics.dropped())
        ask = self.relayd.telemetry.ask
        self.assertEqual(ask("/relayd/workers"), {"count": self.workers})
        self.assertEqual(ask("/relayd/ports"), {"count": self.ports})
        names = [ask("/relayd/port", port)["name"] for port in range(self.ports)]
        dropped = {reason: 0 for reason in reasons}
        forwarded = 0
        for worker in range(self.workers):
            before = worker_series(self.relayd.metrics(), worker, reasons)
            answer = flat(ask("/relayd/worker", worker))
            self.assert_between(before, answer, worker_series(self.relayd.metrics(), worker, reasons))
            self.assertEqual({key[1] for key in answer if key[0] == "dropped"}, reasons)
            self.assertAlmostEqual(answer["busy_permille"], 1000 * answer["busy_cycles"] / answer["total_cycles"],
                                   delta=1)
            self.assertAlmostEqual(answer["cycles_per_packet"], answer["busy_cycles"] / max(answer["packets"], 1),
                                   delta=1)
            forwarded += answer["forwarded"]
            for reason in reasons:
                dropped[reason] += answer["dropped", reason]
        self.assertGreater(forwarded, 300)
        self.assertEqual((dropped["bad_geneve"], dropped["not_bound"]), (5, 2))

        for port, name in enumerate(names):
            for worker in range(self.workers):
                before = share_series(self.relayd.metrics(), name, worker)
                answer = flat(ask("/relayd/port", port, worker))
                self.assert_between(before, answer, share_series(self.relayd.metrics(), name, worker))

    def test_a_port_s_telemetry_is_as_metrics(self):
        self.send_all_kinds()
        gauges = {"link_up": "link_up", "missed": "missed_packets_total", "receive_errors": "receive_errors_total",
                  "no_mbuf": "no_mbuf_packets_total", "transmit_errors": "transmit_errors_total",
                  "pool_in_use": "pool_in_use_buffers", "pool_size": "pool_buffers"}
        counters = ("received", "sent", "tx_full", "from_kernel")
        for port in range(self.ports):
            def same(port=port):
                """Together, as soon as nothing comes between: the monitor, or a frame of the kernel's."""
                answer = self.relayd.telemetry.ask("/relayd/port", port)
                metrics = self.relayd.metrics()
                expected = {key: metrics.get(f"relayd_port_{name}", port=answer["name"])
                            for key, name in gauges.items()}
                shares = [share_series(metrics, answer["name"], worker) for worker in range(self.workers)]
                expected |= {key: sum(share[key] for share in shares) for key in counters}
                expected["bursts"] = {name: sum(share["bursts", name] for share in shares) for name in BURSTS}
                for name in ("received", "sent"):
                    expected[f"{name}_by_worker"] = [share[name] for share in shares]
                expected |= {"name": answer["name"], "driver": self.kind.name}
                return answer if answer == expected else None
            answer = wait_until(same, f"port {port} in telemetry as in /metrics", 20)
            self.assertGreater(answer["received"], 0)
            self.assertGreater(answer["sent"], 0)
            self.assertGreater(answer["pool_in_use"], 0)

    def test_what_is_not_there(self):
        for command in (("/relayd/worker",), ("/relayd/worker", self.workers), ("/relayd/port", self.ports),
                        ("/relayd/port", 0, self.workers)):
            self.assertIsNone(self.relayd.telemetry.ask(*command), command)

    def test_top(self):
        """Drops and bursts by worker, while there are any."""
        alice, bob = self.bound_pair_on((self.alice, 4), (self.bob, 6))
        early = self.pair_on((self.alice, 6), (self.bob, 4))[0]
        with Load(alice, bob) as load, Load(early, bob):
            wait_until(lambda: load.heard > 50, "relayed data")
            with self.relay.entered():
                at = f"--metrics=http://{self.relayd.metrics_at}"
                done = subprocess.run([binary("relayctl"), at, "top", "--once", "--interval=1s"],
                                      capture_output=True, text=True, timeout=20, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertRegex(done.stdout, r"(?m)^WORKER .* burst     1     2   3-4   5-8  9-16 17-32   33\+$")
        self.assertRegex(done.stdout, r"(?m)^[01] +\S+ +\S+% +\S+ +\S+ +\S+( +\d+%){7}\n  dropped +\S+  not_bound \S+$")
        self.assertEqual(len(re.findall(r"(?m)^[01] ", done.stdout)), self.workers)


class FiguresOfTapTest(Figures, MachinesTestCase):
    kind = Tap


class FiguresOfAfXdpTest(Figures, MachinesTestCase):
    kind = AfXdp


if __name__ == "__main__":
    dpdk.main(binaries=("relayd", "relayctl"))
