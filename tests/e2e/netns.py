"""Network namespaces that leave nothing behind.

A namespace is held by a descriptor of this process, not by a name under /run/netns, so the kernel removes it and all
that is in it when the process ends, however it ends. `enter_private` moves the whole test into a namespace of its own
first: nothing here ever sees the machine's own interfaces.
"""

import contextlib
import ctypes
import os
import subprocess
import sys

SKIPPED = 77  # ctest's SKIP_RETURN_CODE.

_CLONE_NEWNS = 0x00020000
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_MS_REC_PRIVATE = 0x44000
_PR_SET_PDEATHSIG = 1
_SIGKILL = 9

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result, what):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _unshare(flags):
    _check(_libc.unshare(flags), "unshare")


def set_namespace(fd):
    """Moves the calling thread; the programs it starts and the sockets it opens from now on are in there."""
    _check(_libc.setns(fd, _CLONE_NEWNET), "setns")


def die_with_parent():
    """For preexec_fn: no program outlives its test."""
    _libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)


def enter_private():
    """Moves this process into network and mount namespaces of its own, or ends it with SKIPPED and a reason.

    Root can always do so. Others can where the system lets them make user namespaces; in one they are root.
    """
    uid, gid = os.getuid(), os.getgid()
    try:
        if uid == 0:
            _unshare(_CLONE_NEWNET | _CLONE_NEWNS)
        else:
            _unshare(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWNS)
            for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
                with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                    file.write(text)
        _check(_libc.mount(b"none", b"/", None, _MS_REC_PRIVATE, None), "mount /")
        _check(_libc.mount(b"none", b"/run", b"tmpfs", 0, None), "mount /run")  # wireguard-go has its sockets there.
    except OSError as error:
        print(f"SKIPPED: this needs root, or the right to make network namespaces ({error})", file=sys.stderr)
        sys.exit(SKIPPED)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


class Namespace:
    """A machine of its own: `Namespace("alice")`. The current one, where the test runs, is not among these."""

    def __init__(self, label):
        self.label = label
        here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            _unshare(_CLONE_NEWNET)
            self.fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        finally:
            set_namespace(here)
            os.close(here)
        self.ip("link set lo up")

    def close(self):
        """Lets go of it: it is gone with the last program that is in it."""
        os.close(self.fd)

    @contextlib.contextmanager
    def entered(self):
        """Sockets made and programs started within the block are in this namespace."""
        here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        set_namespace(self.fd)
        try:
            yield
        finally:
            set_namespace(here)
            os.close(here)

    def run(self, *command, check=True, timeout=60):
        """Runs a program to its end; returns it with its output."""
        with self.entered():
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  text=True, timeout=timeout, check=False, preexec_fn=die_with_parent)
        if check and done.returncode != 0:
            raise AssertionError(f"{self.label}: {' '.join(command)} ended with {done.returncode}:\n{done.stdout}")
        return done

    def ip(self, arguments):
        return self.run("ip", *arguments.split()).stdout

    def add_addresses(self, interface, addresses):
        for address in addresses:
            self.ip(f"address add {address} dev {interface}" + (" nodad" if ":" in address else ""))

    def make_bridge(self, name):
        """Passes frames on as they are, whatever the machine's firewall does with bridges."""
        self.ip(f"link add {name} type bridge")
        for family in ("ip", "ip6", "arp"):
            with contextlib.suppress(FileNotFoundError):  # The module is not loaded.
                self.sysctl(f"net/bridge/bridge-nf-call-{family}tables", 0)
        self.sysctl(f"net/ipv6/conf/{name}/disable_ipv6", 1)
        self.ip(f"link set {name} up")

    def sysctl(self, path, value):
        with self.entered(), open(f"/proc/sys/{path}", "w", encoding="ascii") as file:
            file.write(str(value))


def here():
    """The namespace that the test itself is in."""
    namespace = Namespace.__new__(Namespace)
    namespace.label, namespace.fd = "here", os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    return namespace


class Switch(Namespace):
    """Joins the machines that are plugged into it; has no address itself."""

    def __init__(self, label):
        super().__init__(label)
        self.sysctl("net/ipv6/conf/all/disable_ipv6", 1)
        self.sysctl("net/ipv6/conf/default/disable_ipv6", 1)
        self.make_bridge("bridge")

    def plug_in(self, machine, name, addresses=()):
        connect(self, machine, name, (), addresses)
        self.ip(f"link set {name} master bridge")


def connect(left, right, name, left_addresses=(), right_addresses=()):
    """A cable between two namespaces: `name` on both sides, with addresses such as 198.18.1.1/24."""
    path = f"/proc/{os.getpid()}/fd/{right.fd}"
    left.ip(f"link add {name} type veth peer name {name} netns {path}")
    for side, addresses in ((left, left_addresses), (right, right_addresses)):
        side.add_addresses(name, addresses)
        side.ip(f"link set {name} up")
