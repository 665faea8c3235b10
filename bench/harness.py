"""Programs under measurement: started on cores of their own in a network namespace of their own, ended by their own pid.

What bench/compare and bench/figures share. Nothing here says what is measured.
"""
import contextlib
import glob
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
import netns  # noqa: E402  pylint: disable=wrong-import-position

RELAY_IP, UDP_PORT = "198.18.255.1", 40000
HUGEPAGES = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB")
PAGES_NEEDED = 768  # Of 2 MiB, by two generators, relayd with a million endpoints, and testpmd.


class Missing(Exception):
    """Something that this machine lacks: the figure is not measured, and the message says what to do."""


class Failed(Exception):
    """A program under measurement did not do what it should."""


class Cores:
    """One core for what is measured, one for the generator, the others for everything else."""

    def __init__(self, text=""):
        usable = sorted(os.sched_getaffinity(0))
        if text:
            try:
                self.dut, self.generator = (int(word) for word in text.split(","))
            except ValueError:
                raise Missing(f"--cores={text}: two numbers, what is measured and the generator") from None
        else:
            if len(usable) < 2:
                raise Missing("two cores are needed: one for what is measured, one for the generator")
            self.dut, self.generator = usable[-1], usable[-2]
        if self.dut == self.generator or not {self.dut, self.generator} <= set(usable):
            raise Missing(f"--cores={self.dut},{self.generator}: two different ones of {usable}")
        self.others = set(usable) - {self.dut, self.generator}

    def of_dut(self):
        return {self.dut} | (self.others or {self.generator})

    def of_generator(self):
        return {self.generator} | self.others

    def housekeeping(self):
        return min(self.others, default=self.generator)

    def __str__(self):
        rest = ",".join(map(str, sorted(self.others))) or "none left"
        return f"measured on core {self.dut}, generator on core {self.generator}, other threads on {rest}"


class Machine:
    """What every measurement is told: the build, the cores, and a namespace made when it is first asked for."""

    def __init__(self, build, cores="", realtime=False):
        self.build = pathlib.Path(build).resolve()
        self.cores = Cores(cores)
        self.realtime = realtime
        if realtime and not self.cores.others:
            raise Missing("a third core, for --realtime: pollers would starve everything else")
        self._namespace = None
        # Sockets of virtio_user and reports; a Unix socket's path has to be short.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="relayd-bench-"))

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._namespace is not None:
            self._namespace.close()

    @property
    def namespace(self):
        if self._namespace is None:
            if os.geteuid() != 0:
                raise Missing("root: network namespaces and hugepages take it (sudo)")
            self._namespace = netns.Namespace("bench")
        return self._namespace

    def program(self, name, folder="bench"):
        path = self.build / folder / name
        if not os.access(path, os.X_OK):
            raise Missing(f"{path}: build it (cmake --build --preset release --target {name})")
        return path

    def describe(self):
        cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="ascii")
                    if line.startswith("model name")), platform.machine())
        load = os.getloadavg()[0]
        return [f"{cpu}, {os.cpu_count()} cores, kernel {platform.release()}, load average {load:.1f} before we began",
                f"{self.cores}" + (", at real-time priority" if self.realtime else "")]


def testpmd():
    path = shutil.which("dpdk-testpmd")
    if path is None:
        raise Missing("dpdk-testpmd: deploy/install-deps --bench")
    return path


def hugepages(needed=PAGES_NEEDED, reserve=False):
    """Refuses unless so many pages of 2 MiB are free; with `reserve` has the kernel make what lacks, for good."""
    def read(name):
        try:
            return int((HUGEPAGES / name).read_text())
        except OSError:
            raise Missing("this kernel has no hugepages of 2 MiB") from None
    lacking = needed - read("free_hugepages")
    total = read("nr_hugepages")
    if lacking > 0 and reserve:
        with contextlib.suppress(OSError):
            (HUGEPAGES / "nr_hugepages").write_text(str(total + lacking))
        lacking = needed - read("free_hugepages")
    if lacking > 0:
        raise Missing(f"{lacking} more hugepages: sysctl vm.nr_hugepages={total + lacking} "
                      f"({needed} of 2 MiB are needed, {needed - lacking} are free)")


def libxdp_folder():
    """Where libxdp finds its own object; drivers before 23.11 need to be told."""
    found = sorted(glob.glob("/usr/lib*/bpf/xdp-dispatcher.o") + glob.glob("/usr/lib/*/bpf/xdp-dispatcher.o"))
    return {"LIBXDP_OBJECT_PATH": os.path.dirname(found[0])} if found else {}


class Program:
    """A program that runs on `cores`; its output is kept. `pause` and `resume` stop and continue all its threads."""

    def __init__(self, machine, command, cores, stdin=False, env=None):
        self.command = [str(word) for word in command]
        self.lines = []
        self._heard = threading.Condition()
        self._ended = False
        namespace = machine.namespace.fd

        def prepare():
            netns.die_with_parent()
            netns.set_namespace(namespace)
            os.setpgid(0, 0)  # Ctrl-C is ours to handle.
            os.sched_setaffinity(0, cores)

        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                                        preexec_fn=prepare, env={**os.environ, **(env or {})})
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            with self._heard:
                self.lines.append(line.rstrip("\n"))
                self._heard.notify_all()
        with self._heard:
            self._ended = True
            self._heard.notify_all()

    def wait_for(self, pattern, timeout=20.0, after=0):
        """The match in the first line from number `after` on that holds `pattern`."""
        deadline = time.monotonic() + timeout
        at = after
        with self._heard:
            while True:
                for line in self.lines[at:]:
                    match = re.search(pattern, line)
                    if match:
                        return match
                at = len(self.lines)
                left = deadline - time.monotonic()
                if left <= 0 or self._ended:
                    raise Failed(f"{self.name()} did not say /{pattern}/; last it said:\n" + self.tail())
                self._heard.wait(left)

    def name(self):
        return os.path.basename(self.command[0])

    def tail(self):
        return "\n".join(self.lines[-15:])

    def say(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def hurry(self, core):
        """The thread that polls, on `core` alone, at real-time priority; not before all is set up, which takes the kernel's
        help on every core."""
        for task in os.listdir(f"/proc/{self.process.pid}/task"):
            with contextlib.suppress(ProcessLookupError):
                if os.sched_getaffinity(int(task)) == {core}:
                    os.sched_setscheduler(int(task), os.SCHED_FIFO, os.sched_param(1))

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def wait(self, timeout):
        """The exit status."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name()} did not end within {timeout:g} s:\n" + self.tail()) from None

    def close(self):
        if self.process.poll() is None:
            self.resume()
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(5)
        with self._heard:
            self._heard.wait_for(lambda: self._ended, 2)


class Metrics(dict):
    """Series by name, all labels in one string: what /metrics said at one moment."""

    def __init__(self, text):
        super().__init__()
        self.at = time.monotonic()
        for line in text.splitlines():
            if line and not line.startswith("#"):
                series, value = line.rsplit(" ", 1)
                name, _, labels = series.partition("{")
                self.setdefault(name, {})[labels.rstrip("}")] = float(value)

    def total(self, name, label=""):
        return sum(value for labels, value in self.get(name, {}).items() if label in labels)


class Relayd(Program):
    """relayd --io=dpdk with one worker, on the measured core. `eal` names its port."""

    # Fixed, for a generator that starts first; nobody else is in the namespace.
    API, METRICS = "127.0.0.1:9640", "127.0.0.1:9641"

    def __init__(self, machine, eal, *flags, endpoints=1, idle="poll"):
        # All that a measurement allocates is bound within its time, and stays.
        limit = max(endpoints + 10_000, 20_000)
        cores = machine.cores
        super().__init__(machine, [
            machine.program("relayd", "relay"), "--io=dpdk", f"--eal=--in-memory --single-file-segments {eal}",
            f"--cores={cores.dut}", f"--udp_port={UDP_PORT}", f"--addr_ports={RELAY_IP}:{UDP_PORT}",
            f"--local_addrs={RELAY_IP}", f"--api_listen={self.API}", f"--metrics_listen={self.METRICS}",
            f"--max_endpoints={limit}", f"--caller_unbound_limit={limit}", "--bind_lifetime=10m",
            "--steady_state_lifetime=1h", f"--idle={idle}", *flags], cores.of_dut())
        try:
            self.wait_for(r'msg="?ready"?', 60)
        except Failed:
            self.close()
            raise

    def metrics(self, machine):
        with machine.namespace.entered():
            with urllib.request.urlopen(f"http://{self.METRICS}/metrics", timeout=10) as answer:
                return Metrics(answer.read().decode())


class Generator(Program):
    """relay-bench on the generator's core. `eal` names its port."""

    def __init__(self, machine, eal, *flags):
        machine.serial = getattr(machine, "serial", 0) + 1
        self.json = machine.folder / f"report{machine.serial}.json"
        super().__init__(machine, [
            machine.program("relay-bench"), "--io=dpdk", f"--core={machine.cores.generator}",
            f"--eal=--in-memory --single-file-segments {eal}", "--check=stamp", f"--json={self.json}", *flags],
            machine.cores.of_generator(), env=libxdp_folder())

    def loaded(self, timeout=60):
        """Waits until the load that counts is on: it says so once a second."""
        self.wait_for(r"^ *[\d.]+ s  sent [1-9]", timeout)

    def finish(self, timeout=60):
        """Ends the load, if it still runs, and returns the report."""
        if self.process.poll() is None:
            self.resume()
            self.process.send_signal(signal.SIGINT)
        return self.report(timeout)

    def report(self, timeout):
        if self.wait(timeout) != 0:
            raise Failed("relay-bench: " + self.tail())
        return json.loads(self.json.read_text())
