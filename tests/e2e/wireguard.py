"""Machines with plain WireGuard on them, joined by relay-client and relayd: the picture of the README.

    alice (wireguard-go, relay-client) --- relay (relayd) --- bob (wireguard-go, relay-client)

Alice and bob each have a cable to the relay's machine, which does not route between them.
"""

import contextlib
import itertools
import json
import os
import socket
import subprocess
import tempfile
import threading
import time
import zlib

import netns
from disco import Key
from programs import Program, RelayClient, Relayd, wait_until

RELAY_V4, RELAY_V6 = "198.18.0.1", "2001:db8::1"
API_PORT, METRICS_PORT, UDP_PORT = 9640, 9641, 40000
TOOLS = ("ip", "ping", "wg", "wireguard-go")
BINARIES = ("relayd", "relay-client")
SO_MAX_PACING_RATE = 47  # asm-generic/socket.h

POLICY = {"peers": [{"prefix": "198.18.0.0/15", "name": "lab", "capabilities": ["relay", "admin"]},
                    {"prefix": "2001:db8::/32", "capabilities": ["relay", "admin"]},
                    {"prefix": "127.0.0.0/8", "capabilities": ["relay", "admin"]}]}


_interfaces = itertools.count()  # wireguard-go's sockets have their names: none is used twice.


class Machine(netns.Namespace):
    """One of the two: where its WireGuard and its relay-client run. Its number is in all its addresses."""

    def __init__(self, label, number, relay, families):
        super().__init__(label)
        self.number, self.relay = number, relay
        self.key = Key()
        self.inner_v4, self.inner_v6 = f"198.19.0.{number}", f"2001:db8:ffff::{number}"
        self.api_host = RELAY_V4 if 4 in families else f"[{RELAY_V6}]"
        self.plug_in(f"{label}0", number, families)

    def plug_in(self, cable, number, families):
        """Connects to the relay's machine; `number` makes the addresses."""
        addresses = lambda host: [text for family, text in (
            (4, f"198.18.{number}.{host}/24"), (6, f"2001:db8:{number}::{host}/64")) if family in families]
        self.relay.plug_in(self, cable, addresses(1), addresses(2))
        if 4 in families:
            self.ip(f"route replace {RELAY_V4} via 198.18.{number}.1")
        if 6 in families:
            self.ip(f"-6 route replace {RELAY_V6} via 2001:db8:{number}::1")

    def unplug(self, cable):
        self.ip(f"link delete {cable}")

    def start_wireguard(self, test):
        """Listens on 51820 and takes 127.0.0.1:51821, where relay-client is, for its peer."""
        self.interface = f"wg-{self.label}{next(_interfaces)}"
        wireguard = test.start(Program(["wireguard-go", "--foreground", self.interface], self))

        def is_up():
            if wireguard.process.poll() is not None:
                raise AssertionError(f"wireguard-go ended:\n{wireguard.all_output()}")
            return self.run("wg", "show", self.interface, check=False).returncode == 0

        wait_until(is_up, "wireguard-go's interface")
        self.wireguard_private = subprocess.run(["wg", "genkey"], check=True, capture_output=True).stdout
        self.wireguard_public = subprocess.run(["wg", "pubkey"], check=True, capture_output=True, text=True,
                                               input=self.wireguard_private.decode()).stdout.strip()
        self.ip(f"address add {self.inner_v4}/24 dev {self.interface}")
        self.ip(f"address add {self.inner_v6}/64 dev {self.interface} nodad")
        self.ip(f"link set {self.interface} mtu 1400 up")

    def add_peer(self, peer):
        with tempfile.NamedTemporaryFile() as file:
            file.write(self.wireguard_private)
            file.flush()
            self.run("wg", "set", self.interface, "private-key", file.name, "listen-port", "51820",
                     "peer", peer.wireguard_public, "endpoint", "127.0.0.1:51821",
                     "allowed-ips", f"{peer.inner_v4}/32,{peer.inner_v6}/128")

    def start_relay_client(self, peer):
        return RelayClient(self.key, peer.key, f"{self.api_host}:{API_PORT}", "127.0.0.1:51821", "127.0.0.1:51820",
                           namespace=self)

    def pings(self, address, seconds=20):
        """True once one ping was answered."""
        return self.run("ping", "-c", "1", "-i", "0.2", "-w", str(seconds), address, check=False,
                        timeout=seconds + 10).returncode == 0


class RelayMachine(netns.Namespace):
    def plug_in(self, machine, cable, own_addresses, addresses):
        netns.connect(self, machine, cable, own_addresses, addresses)


class Lab:
    """The three machines and all their programs, up and connected."""

    def __init__(self, test, alice_families=(4,), bob_families=(4,), relayd_flags=()):
        self.test = test
        self.relay = self.make_relay()
        self.relay.ip(f"address add {RELAY_V4}/32 dev lo")
        self.relay.ip(f"address add {RELAY_V6}/128 dev lo nodad")
        self.alice = Machine("alice", 1, self.relay, alice_families)
        self.bob = Machine("bob", 2, self.relay, bob_families)
        for namespace in (self.alice, self.bob):
            test.addCleanup(namespace.close)
        self.relayd_flags = relayd_flags
        self.policy = tempfile.NamedTemporaryFile("w", suffix=".json")
        json.dump(POLICY, self.policy)
        self.policy.flush()
        self.start_relayd()
        for machine in (self.alice, self.bob):
            machine.start_wireguard(test)
        self.alice.add_peer(self.bob)
        self.bob.add_peer(self.alice)
        self.clients = [test.start(self.alice.start_relay_client(self.bob)),
                        test.start(self.bob.start_relay_client(self.alice))]
        for client in self.clients:
            client.wait_connected()

    def make_relay(self):
        relay = RelayMachine("relay")
        self.test.addCleanup(relay.close)
        return relay

    def start_relayd(self):
        self.relayd = self.test.start(Relayd(f"--policy_file={self.policy.name}", *self.relayd_flags,
                                             namespace=self.relay, udp_port=UDP_PORT, api=f"[::]:{API_PORT}",
                                             metrics=f"127.0.0.1:{METRICS_PORT}"))
        self.relayd.api = f"127.0.0.1:{API_PORT}"


class Transfer:
    """`size` bytes of TCP through the tunnel from one machine to the other, checked to the last."""

    def __init__(self, sender, receiver, size, bytes_per_second=None):
        with receiver.entered():
            server = socket.create_server((receiver.inner_v4, 0))
        with sender.entered(), server:
            self._out = socket.create_connection(server.getsockname(), timeout=20)
            self._in, _ = server.accept()
        self._out.settimeout(None)
        if bytes_per_second:
            self._out.setsockopt(socket.SOL_SOCKET, SO_MAX_PACING_RATE, bytes_per_second)
        self.size, self.received = size, 0
        self._sent_crc = self._received_crc = 0
        self._threads = [threading.Thread(target=target, daemon=True) for target in (self._send, self._receive)]
        for thread in self._threads:
            thread.start()

    def _send(self):
        noise = memoryview(os.urandom(1 << 20))
        left = self.size
        with contextlib.suppress(OSError):  # wait() sees what is missing.
            while left > 0:
                block = noise[: min(left, len(noise))]
                self._sent_crc = zlib.crc32(block, self._sent_crc)
                self._out.sendall(block)
                left -= len(block)
            self._out.shutdown(socket.SHUT_WR)

    def _receive(self):
        with contextlib.suppress(OSError):
            while block := self._in.recv(1 << 20):
                self.received += len(block)
                self._received_crc = zlib.crc32(block, self._received_crc)

    def wait(self, timeout):
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0))
        if (self.received, self._received_crc) != (self.size, self._sent_crc):
            raise AssertionError(f"after {timeout} s {self.received} of {self.size} bytes have come, or not the same ones")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for sock in (self._out, self._in):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(1)
        self._out.close()
        self._in.close()
