"""The relay protocol's client side, written apart from the product: what a stranger's program would send.

docs/PROTOCOL.md has the bytes. X25519, XSalsa20 and Poly1305 come from libsodium through ctypes.
"""

import ctypes
import ctypes.util
import os
import select
import socket
import struct

_sodium = ctypes.CDLL(ctypes.util.find_library("sodium") or "libsodium.so.23")
if _sodium.sodium_init() < 0:
    raise RuntimeError("libsodium does not start")

MAGIC = bytes.fromhex("5453f09f92ac")
DISCO, WIREGUARD = 0x7A11, 0x7A12
PING, BIND, CHALLENGE, ANSWER = 1, 4, 5, 6


class Key:
    """A key pair; `text` is the public half as the HTTP API spells it."""

    def __init__(self, private=None):
        self.private = private or os.urandom(32)
        public = ctypes.create_string_buffer(32)
        _sodium.crypto_scalarmult_base(public, self.private)
        self.public = public.raw
        self.text = "discokey:" + self.public.hex()
        self.short = "d:" + self.public.hex()[:16]

    def shared_with(self, public):
        out = ctypes.create_string_buffer(32)
        if _sodium.crypto_box_beforenm(out, public, self.private) != 0:
            raise ValueError("low-order key")
        return out.raw


def key_from_text(text):
    return bytes.fromhex(text.removeprefix("discokey:"))


def geneve(vni, control=False, protocol=WIREGUARD, version=0):
    return struct.pack(">BBHI", version << 6, 0x80 if control else 0, protocol, vni << 8)


def seal(sender, shared, clear):
    """A whole Disco packet, without Geneve."""
    nonce = os.urandom(24)
    out = ctypes.create_string_buffer(len(clear) + 16)
    _sodium.crypto_box_easy_afternm(out, clear, ctypes.c_ulonglong(len(clear)), nonce, shared)
    return MAGIC + sender + nonce + out.raw


def unseal(packet, shared):
    """The clear text of a Disco packet, or None if its box does not open."""
    nonce, box = packet[38:62], packet[62:]
    out = ctypes.create_string_buffer(max(len(box) - 16, 1))
    if _sodium.crypto_box_open_easy_afternm(out, box, ctypes.c_ulonglong(len(box)), nonce, shared) != 0:
        return None
    return out.raw[: len(box) - 16]


def bind_message(kind, vni, generation, remote, challenge=bytes(32)):
    return struct.pack(">BBII", kind, 0, vni, generation) + remote + challenge


class Client:
    """One leg of an endpoint: a key, a UDP socket and the relay's address."""

    def __init__(self, key, endpoint, peer, address, sock=None, source=None):
        self.key, self.peer = key, peer
        self.vni = endpoint["VNI"]
        self.shared = key.shared_with(key_from_text(endpoint["ServerDisco"]))
        self.address = address
        self.generation = 0
        self.sock = sock or udp_socket(source or ("::1" if ":" in address[0] else "127.0.0.1"))

    def move(self, sock):
        self.sock = sock

    # What it says.

    def control(self, clear, vni=None, sender=None, shared=None):
        """A sealed message behind a Geneve header with O set."""
        sealed = seal(sender or self.key.public, shared or self.shared, clear)
        return geneve(self.vni if vni is None else vni, control=True, protocol=DISCO) + sealed

    def bind_packet(self, generation=None, tail=b""):
        if generation is None:
            self.generation += 1
            generation = self.generation
        return self.control(bind_message(BIND, self.vni, generation, self.peer) + tail)

    def answer_packet(self, challenge, generation=None):
        generation = self.generation if generation is None else generation
        return self.control(bind_message(ANSWER, self.vni, generation, self.peer, challenge))

    def data_packet(self, body):
        return geneve(self.vni) + body

    def send(self, packet):
        self.sock.sendto(packet, self.address)

    def say(self, body):
        self.send(self.data_packet(body))

    # What it hears.

    def hear(self, timeout=5.0):
        """The next packet from anywhere: (bytes, address). None when nothing came."""
        if not select.select([self.sock], [], [], timeout)[0]:
            return None
        return self.sock.recvfrom(65536)

    def hear_challenge(self, timeout=5.0):
        """The 74 clear bytes of the challenge that comes next, checked as a careful client does."""
        heard = self.hear(timeout)
        if heard is None:
            raise AssertionError("no challenge came")
        packet, source = heard
        if source[:2] != self.address[:2]:
            raise AssertionError(f"the challenge came from {source}, not {self.address}")
        if packet[:8] != geneve(self.vni, control=True, protocol=DISCO):
            raise AssertionError(f"not a control packet of ours: {packet[:8].hex()}")
        clear = unseal(packet[8:], self.shared)
        if clear is None or clear[:2] != bytes([CHALLENGE, 0]):
            raise AssertionError(f"not a challenge: {clear}")
        return clear

    # The handshake, in either dialect.

    def handshake(self, generation=None):
        """Binds, and answers the challenge. That the relay took the answer shows in /metrics or by data."""
        self.send(self.bind_packet(generation))
        self.send(self.answer_packet(self.hear_challenge()[42:74], generation))

    def first_handshake(self):
        self.send(self.control(bytes([BIND, 0]) + bytes(32)))
        clear = self.hear_challenge()
        if len(clear) != 34:
            raise AssertionError(f"the first dialect's challenge has 34 bytes, not {len(clear)}")
        self.send(self.control(bytes([ANSWER, 0]) + clear[2:]))


def udp_socket(ip, port=0):
    sock = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    sock.bind((ip, port))
    return sock
