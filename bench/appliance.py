"""The figures of relayd --io=dpdk for bench/figures: functions of the machine that return {name: (value, unit)}."""
import contextlib
import json
import os
import statistics
import subprocess
import time

from duel import HEADERS, MeasuredRelayd, Veth, VirtioUser, duel, window
from harness import RELAY_IP, UDP_PORT, Generator, Relayd, hugepages

FRAME = 114
OWN_DROPS = ("relayd_dropped_packets_total", "relayd_port_missed_packets_total", "relayd_port_no_mbuf_packets_total",
             "relayd_port_receive_errors_total", "relayd_port_transmit_errors_total")
# 2,000 endpoints of the attacker's own: as many as a flood may have of which the legs' buckets pass less than what a
# worker opens (--control_rate).
FLOOD_PER_S, FLOOD_PAIRS = 2_000_000, 2000


def note(text):
    print("# " + text, flush=True)


def virtio(frame):
    def measure(machine):
        outcome = duel(machine, VirtioUser, frame, 1, 5, 2)
        for line in outcome.lines():
            note(f"virtio {frame}: {line}")
        return {f"virtio_{frame}_ratio": (outcome.mpps_ratio(), "ratio"),
                f"virtio_{frame}_cycles_ratio": (outcome.cycles_ratio(), "ratio")}
    return measure


def virtio_1m(machine):
    outcome = duel(machine, VirtioUser, FRAME, 1_000_000, 5, 2)
    for line in outcome.lines():
        note(f"virtio 1M: {line}")
    return {"virtio_1m_ratio": (outcome.mpps_ratio(), "ratio")}


def af_xdp(machine):
    outcome = duel(machine, Veth, FRAME, 1, 5, 2)
    for line in outcome.lines():
        note(f"af_xdp: {line}")
    return {"af_xdp_114_ratio": (outcome.mpps_ratio(), "ratio")}


def ring(endpoints):
    """The median of five runs, each of which is the median turn's."""
    def measure(machine):
        hugepages(64)
        name = f"Ring/{endpoints}/{FRAME}"
        runs = []
        for _ in range(5):
            out = subprocess.run(["taskset", "-c", str(machine.cores.dut), machine.program("ring_bench"),
                                  "--benchmark_format=json", f"--benchmark_filter=^{name}/",
                                  "--benchmark_min_time=0.3"],
                                 check=True, capture_output=True, text=True, timeout=60).stdout
            runs.append(json.loads(out[out.index("{"):])["benchmarks"][0]["ns_per_packet"])
        return {f"ring_{'1' if endpoints == 1 else '1m'}_ns": (statistics.median(runs), "ns")}
    return measure


@contextlib.contextmanager
def relay_under(machine, *flags, endpoints=1, idle="poll"):
    """relayd on virtio_user and its generator, with `flags` for the load."""
    hugepages()
    link = VirtioUser(machine, "own")
    with contextlib.ExitStack() as stack:
        generator = stack.enter_context(contextlib.closing(Generator(
            machine, link.generator_eal, f"--relay_api=http://{Relayd.API}", f"--relay={RELAY_IP}:{UDP_PORT}",
            f"--sizes=fixed:{FRAME - HEADERS}", "--wait=30s", *flags)))
        link.wait(generator)
        relayd = stack.enter_context(contextlib.closing(MeasuredRelayd(
            machine, link.eal, *link.relayd_flags, endpoints=endpoints, idle=idle)))
        yield relayd, generator


def capacity(machine, windows=1):
    """(Packets a second that the worker would relay at most, and those that the generator got through it), each in the worst
    of the windows of three seconds: what a shared machine does in good ones it does not keep up."""
    with relay_under(machine, "--pairs=100", "--rate=max", "--warmup=0s", "--duration=1h") as (relayd, generator):
        generator.loaded()
        time.sleep(0.5)
        seen = [window(relayd, machine, 3) for _ in range(windows)]
    worst = min(seen, key=lambda one: one.mpps)
    note(f"capacity: {worst.mpps:.3f} Mpps passed at most, worker {100 * worst.busy:.0f} % busy")
    return min(one.mpps * 1e6 / max(one.busy, 0.01) for one in seen), worst.mpps * 1e6


def flood(machine):
    worker, passed = capacity(machine)
    # What the generator has to send in all must not be more than it can.
    rate = min(worker / 2, passed / 2)
    with relay_under(machine, "--pairs=500", f"--rate={rate:.0f}", "--warmup=1s", "--duration=10s",
                     f"--hostile=bogus_control:{FLOOD_PER_S}", "--hostile_in_setup",
                     f"--attack_pairs={FLOOD_PAIRS}", "--handshake_share=1e-4",
                     endpoints=500 + FLOOD_PAIRS) as (_, generator):
        report = generator.report(120)
    figures, handshakes = report["figures"], report["handshakes"]
    note(f"flood: good pairs sent {figures['sent']} at {rate / 1e6:.3f} Mpps; generator lost {figures['generator_lost']}")
    for line in report["notes"]:
        note("flood: " + line)
    return {"flood_loss_percent": (100 * figures["loss"], "percent"),
            "flood_handshake_percent": (100 * handshakes["first_attempt_share"], "percent")}


def own_drops(metrics):
    return sum(metrics.total(name) for name in OWN_DROPS)


def soak(machine):
    worker, passed = capacity(machine, windows=5)
    rate = 0.8 * min(worker, passed)
    # Either core of a virtual machine is away for tens of milliseconds now and then. What was due then is sent late, and
    # looked for like all others; virtio has no queue to overflow meanwhile.
    with relay_under(machine, "--pairs=100", f"--rate={rate:.0f}", "--warmup=1s", "--duration=60s",
                     "--max_behind=200ms") as (relayd, generator):
        generator.loaded()
        before = own_drops(relayd.metrics(machine))
        report = generator.report(120)
        drops = own_drops(relayd.metrics(machine)) - before
    figures = report["figures"]
    due = figures["sent"] + figures["generator_lost"]
    note(f"soak: {figures['sent']} packets at {rate / 1e6:.3f} Mpps, lost {figures['lost']}, reordered "
         f"{figures['reordered']}; the generator could not enqueue {figures['generator_lost'] / max(due, 1):.2g}")
    return {"soak_own_drops": (drops, "packets")}


def bind_1m(machine):
    with relay_under(machine, "--pairs=1000000", "--rate=1000", "--warmup=0s", "--duration=1s",
                     endpoints=1_000_000) as (_, generator):
        report = generator.report(300)
    handshakes = report["handshakes"]
    note(f"bind_1m: {handshakes['completed']} of {handshakes['started']} legs bound, "
         f"{handshakes['first_attempt']} at the first attempt")
    return {"bind_1m_s": (handshakes["seconds"], "s")}


def polling_seconds(relayd, core):
    """CPU time of the thread that has `core` to itself."""
    for task in os.listdir(f"/proc/{relayd.process.pid}/task"):
        if os.sched_getaffinity(int(task)) == {core}:
            with open(f"/proc/{relayd.process.pid}/task/{task}/schedstat", encoding="ascii") as file:
                return int(file.read().split()[0]) / 1e9
    return None


def idle_core(machine):
    """CPU time of a napping worker, its generator alive and all but silent; and what waking adds to latency."""
    latencies = {}
    for idle in ("poll", "sleep"):
        with relay_under(machine, "--pairs=1", "--rate=1000", "--warmup=1s", "--duration=10s", idle=idle) as (_, generator):
            latencies[idle] = generator.report(90)["figures"]["latency"]
    with relay_under(machine, "--pairs=1", "--rate=0.01", "--warmup=0s", "--duration=1h", idle="sleep") as (relayd, generator):
        generator.loaded()
        before = polling_seconds(relayd, machine.cores.dut)
        time.sleep(10)
        used = polling_seconds(relayd, machine.cores.dut) - before
    for name in ("p50_ns", "p99_ns"):
        sleep, poll = (latencies[idle][name] / 1000 for idle in ("sleep", "poll"))
        note(f"idle: {name[:3]} at 1,000 packets/s {sleep:.1f} us, {poll:.1f} us with --idle=poll: waking takes "
             f"{sleep - poll:.1f} us")
    return {"idle_core_percent": (100 * used / 10, "percent")}


GROUPS = [
    (("virtio_114_ratio", "virtio_114_cycles_ratio"), virtio(114)),
    (("virtio_1330_ratio", "virtio_1330_cycles_ratio"), virtio(1330)),
    (("virtio_1m_ratio",), virtio_1m),
    (("ring_1_ns",), ring(1)),
    (("ring_1m_ns",), ring(1_000_000)),
    (("af_xdp_114_ratio",), af_xdp),
    (("flood_loss_percent", "flood_handshake_percent"), flood),
    (("soak_own_drops",), soak),
    (("bind_1m_s",), bind_1m),
    (("idle_core_percent",), idle_core),
]
