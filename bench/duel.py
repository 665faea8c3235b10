"""relayd and dpdk-testpmd in turns, on the same kind of port with the same frames.

Each has a port and a generator of its own and all four programs live throughout; of the two pairs one runs and the other
is stopped (SIGSTOP), by turns. So endpoints are bound once, turns are seconds apart, and what else the machine does
hits both. A turn's packets and cycles are those that the forwarder itself counted in a window within the turn.
"""
import contextlib
import dataclasses
import statistics
import subprocess
import time

from harness import (UDP_PORT, RELAY_IP, Failed, Generator, Program, Relayd, hugepages, libxdp_folder, testpmd)

HEADERS = 14 + 20 + 8  # Ethernet, IPv4, UDP: a frame is so much longer than its payload.


DESCRIPTORS = 512  # Of each queue of the forwarder's.


@dataclasses.dataclass
class Window:
    """What a forwarder did in one window."""
    mpps: float
    cycles: float  # A packet, TSC cycles, in turns of its loop that received something.
    busy: float    # The share of the window's cycles that those were.


class TestPmd(Program):
    """dpdk-testpmd in 5tswap, interactive, on the measured core."""

    def __init__(self, machine, eal, *flags, env=None):
        cores = machine.cores
        main = cores.housekeeping()
        super().__init__(machine, [
            "stdbuf", "-oL", testpmd(), "-l", f"{main},{cores.dut}", f"--main-lcore={main}", "--no-pci", "--in-memory",
            "--single-file-segments", *eal.split(), "--", "-i", "--forward-mode=5tswap", "--auto-start",
            f"--rxd={DESCRIPTORS}", f"--txd={DESCRIPTORS}", "--record-core-cycles", *flags], cores.of_dut() | {main}, stdin=True, env=env)

    def name(self):
        return "dpdk-testpmd"

    def snapshot(self, _machine):
        """(moment, packets sent, cycles, packets that those are of, cycles a second)"""
        at = len(self.lines)
        self.say("show fwd stats all")
        match = self.wait_for(r"total cycles=(\d+) / total 5tswap packets=(\d+)\) at (\d+) MHz", after=at)
        moment = time.monotonic()
        cycles, packets, mhz = map(int, match.groups())
        sent = self.wait_for(r"^  TX-packets: (\d+)", after=at).group(1)
        return moment, int(sent), cycles, packets, mhz * 1e6


class MeasuredRelayd(Relayd):
    def snapshot(self, machine):
        seen = self.metrics(machine)
        hertz = seen.total("relayd_tsc_hertz")
        return (seen.at, seen.total("relayd_forwarded_packets_total"),
                seen.total("relayd_worker_busy_seconds_total") * hertz,
                seen.total("relayd_worker_busy_packets_total"), hertz)


def window(forwarder, machine, seconds):
    began, sent, cycles, packets, hertz = forwarder.snapshot(machine)
    time.sleep(seconds)
    ended, sent2, cycles2, packets2, _ = forwarder.snapshot(machine)
    if packets2 == packets or sent2 == sent:
        raise Failed(f"{forwarder.name()} forwarded nothing for {seconds:g} s")
    return Window(mpps=(sent2 - sent) / (ended - began) / 1e6, cycles=(cycles2 - cycles) / (packets2 - packets),
                  busy=(cycles2 - cycles) / hertz / (ended - began))


class VirtioUser:
    """A port of the forwarder's: virtio_user, to net_vhost in the generator, which makes the socket."""

    def __init__(self, machine, name):
        self.socket = machine.folder / f"{name}.sock"
        self.socket.unlink(missing_ok=True)
        self.generator_eal = f"--vdev=net_vhost0,iface={self.socket}"
        self.eal = f"--vdev=net_virtio_user0,path={self.socket},queues=1,queue_size=1024"
        # As many descriptors as testpmd has: what is in flight is what the generator's copies have to touch.
        self.relayd_flags = ("--kernel_path=none", f"--rx_descriptors={DESCRIPTORS}", f"--tx_descriptors={DESCRIPTORS}")
        self.relay_mac = ()
        self.env = {}

    def wait(self, generator):
        deadline = time.monotonic() + 60
        while not self.socket.exists():
            if time.monotonic() > deadline or generator.process.poll() is not None:
                raise Failed("relay-bench made no vhost socket: " + generator.tail())
            time.sleep(0.02)

    def for_testpmd(self):
        return self.eal

    def close(self):
        pass


class Veth:
    """AF_XDP at both ends of a veth; the forwarder's end has relayd's own XDP program, in testpmd's hands too."""

    def __init__(self, machine, name):
        self.machine = machine
        self.here, there = here, there = f"{name}0", f"{name}1"
        for command in (f"ip link add {here} type veth peer name {there}",
                        *(f"ip link set {end} up" for end in (here, there)),
                        *(f"ip link set {end} addrgenmode none" for end in (here, there))):
            machine.namespace.run(*command.split())
        mac = machine.namespace.ip(f"-br link show dev {here}").split()[2]
        self.relay_mac = (f"--relay_mac={mac}",)
        self.generator_eal = f"--vdev=net_af_xdp0,iface={there}"
        self.eal = f"--vdev=net_af_xdp0,iface={here},busy_budget=0"
        self.relayd_flags = ()
        self.env = libxdp_folder()

    def wait(self, generator):
        pass

    def close(self):
        self.machine.namespace.run("ip", "link", "del", self.here)

    def for_testpmd(self):
        steer = self.machine.folder / "steer.o"
        subprocess.run([self.machine.program("write_steer"), str(UDP_PORT), steer], check=True)
        return f"{self.eal},xdp_prog={steer}"


def load_flags(frame, pairs):
    return ("--rate=max", f"--pairs={pairs}", f"--sizes=fixed:{frame - HEADERS}", "--warmup=0s", "--duration=1h",
            "--wait=30s")


def start_testpmd(machine, stack, link, frame, pairs):
    """(testpmd, its generator), under load."""
    generator = stack.enter_context(contextlib.closing(Generator(
        machine, link.generator_eal, *load_flags(frame, pairs), "--reflector", f"--relay=198.19.0.1:{UDP_PORT}",
        *link.relay_mac)))
    link.wait(generator)
    forwarder = stack.enter_context(contextlib.closing(TestPmd(machine, link.for_testpmd(), env=link.env)))
    forwarder.wait_for(r"^testpmd>|^ *Logical Core|Checking link", 60)
    generator.loaded()
    return forwarder, generator


def start_relayd(machine, stack, link, frame, pairs):
    """(relayd, its generator), under load; all pairs are bound by then."""
    generator = stack.enter_context(contextlib.closing(Generator(
        machine, link.generator_eal, *load_flags(frame, pairs), f"--relay_api=http://{Relayd.API}",
        f"--relay={RELAY_IP}:{UDP_PORT}", *link.relay_mac)))
    link.wait(generator)
    forwarder = stack.enter_context(contextlib.closing(MeasuredRelayd(machine, link.eal, *link.relayd_flags,
                                                                      endpoints=pairs)))
    generator.loaded(timeout=30 + pairs / 4000)
    return forwarder, generator


@dataclasses.dataclass
class Outcome:
    """All windows of both, in turns, and what the generator said of relayd's load in the end."""
    relayd: list
    testpmd: list
    report: dict

    def ratios(self, of):
        return [of(a) / of(b) for a, b in zip(self.relayd, self.testpmd)]

    def mpps_ratio(self):
        return statistics.median(self.ratios(lambda w: w.mpps))

    def cycles_ratio(self):
        return statistics.median(self.ratios(lambda w: w.cycles))

    def lines(self):
        for name, windows in (("relayd", self.relayd), ("testpmd", self.testpmd)):
            yield (f"{name:8} " + "  ".join(f"{w.mpps:.3f} Mpps {w.cycles:.0f} cycles {100 * w.busy:.0f} % busy"
                                            for w in windows))
        for name, of in (("Mpps", lambda w: w.mpps), ("cycles", lambda w: w.cycles)):
            ratios = sorted(self.ratios(of))
            yield f"{name:6} ratio {statistics.median(ratios):.3f}  ({ratios[0]:.3f} to {ratios[-1]:.3f})"
        figures = self.report["figures"]
        yield (f"relayd's load, turns and pauses together: received {figures['received']} of {figures['sent']}, "
               f"reordered {figures['reordered']}, duplicated {figures['duplicated']}, "
               f"corrupted {figures['corrupted']}")
        for note in self.report["notes"]:
            yield note


def duel(machine, link, frame, pairs, alternations, seconds):
    """Both forwarders in turns on ports of the kind `link`, `pairs` bound endpoints, frames of `frame` bytes."""
    hugepages()
    with contextlib.ExitStack() as stack:
        theirs = start_testpmd(machine, stack, stack.enter_context(contextlib.closing(link(machine, "theirs"))), frame,
                               pairs)
        pause(theirs)
        ours = start_relayd(machine, stack, stack.enter_context(contextlib.closing(link(machine, "ours"))), frame, pairs)
        windows = {ours[0]: [], theirs[0]: []}
        pause(ours)
        if machine.realtime:
            for forwarder, generator in (ours, theirs):
                forwarder.hurry(machine.cores.dut)
                generator.hurry(machine.cores.generator)
        for _ in range(alternations):
            for pair in (ours, theirs):
                for program in pair:
                    program.resume()
                time.sleep(0.5)
                windows[pair[0]].append(window(pair[0], machine, seconds))
                pause(pair)
        for program in ours:
            program.resume()
        report = ours[1].finish()
    return Outcome(windows[ours[0]], windows[theirs[0]], report)


def pause(programs):
    """The generator first, so that nothing piles up before a forwarder that does not run."""
    for program in reversed(programs):
        program.pause()
