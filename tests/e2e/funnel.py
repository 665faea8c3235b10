"""Funnel with real programs: certificates of a CA of the test's own, web servers behind a node, and its public clients."""

import base64
import contextlib
import hashlib
import http.server
import json
import os
import random
import re
import socket
import socketserver
import ssl
import struct
import subprocess
import sys
import tempfile

from programs import Metrics, Program, Relayd, binary, http_request, wait_until

NAME = "node.example"
TOOLS = ("curl", "openssl")
BINARIES = ("relayd", "funnel-node")


class Authority:
    """A CA that the clients trust; its files are gone with it."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory()
        self.folder = self._folder.name
        self.cert = self._path("ca.pem")
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                      "-subj", "/CN=test CA", "-keyout", self._path("ca.key"), "-out", self.cert)

    def _path(self, name):
        return os.path.join(self.folder, name)

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=self.folder)

    def issue(self, name, stem=None, days=20):
        """(chain, key) for one name, written in place of what was there, as a renewal is."""
        stem = stem or name.replace("*", "any")
        fresh = self._path(stem + ".new")
        with open(self._path(stem + ".ext"), "w", encoding="ascii") as file:
            file.write(f"subjectAltName=DNS:{name}\nbasicConstraints=CA:FALSE\n")
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                      "-keyout", fresh + ".key", "-out", fresh + ".csr")
        self._openssl("x509", "-req", "-in", fresh + ".csr", "-CA", self.cert, "-CAkey", self._path("ca.key"),
                      "-CAcreateserial", "-days", str(days), "-extfile", self._path(stem + ".ext"), "-out", fresh + ".pem")
        cert, key = self._path(stem + ".pem"), self._path(stem + ".key")
        os.replace(fresh + ".key", key)
        os.replace(fresh + ".pem", cert)
        return cert, key

    def context(self, *alpn):
        """For Python's own clients: verifies by this CA."""
        context = ssl.create_default_context(cafile=self.cert)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context


class FunnelNode(Program):
    """funnel-node with a configuration of the test's, ready when the constructor returns."""

    def __init__(self, config, *flags, namespace=None, metrics="127.0.0.1:0"):
        self._folder = tempfile.TemporaryDirectory()
        self.config_path = os.path.join(self._folder.name, "node.json")
        self.write(config)
        self.namespace = namespace
        super().__init__([binary("funnel-node"), f"--config={self.config_path}",
                          f"--metrics_listen={metrics}", *flags], namespace)
        ready = self.wait_for(r'msg="?ready"?.*').group(0)
        fields = dict(re.findall(r'(\w+)="?([^\s"]+)', ready))
        self.listen, self.metrics_at = fields["peerapi"].split(","), fields["metrics"]

    def write(self, config):
        with open(self.config_path + ".new", "w", encoding="utf-8") as file:
            json.dump(config, file)
        os.replace(self.config_path + ".new", self.config_path)

    def get(self, path):
        host, port = self.metrics_at.rsplit(":", 1)
        with self.namespace.entered() if self.namespace else contextlib.nullcontext():
            return http_request(host.strip("[]"), int(port), "GET", path)

    def metrics(self):
        status, _, text = self.get("/metrics")
        assert status == 200, text
        return Metrics(text)


class Frontend(Relayd):
    """relayd as a Funnel ingress for `routes`, on one address that says it is port `public_port`."""

    def __init__(self, routes, *flags, listen="127.0.0.1:0", public_port=443, namespace=None, limits=None, peers=None,
                 **where):
        self._folder = tempfile.TemporaryDirectory()
        self.policy_path = os.path.join(self._folder.name, "policy.json")
        self.peers = peers or [{"prefix": "127.0.0.0/8", "capabilities": ["admin", "relay"]}]
        self.write_routes(routes, limits)
        self.log_path = os.path.join(self._folder.name, "access.log")
        super().__init__(f"--funnel_listen={listen}={public_port}", f"--policy_file={self.policy_path}",
                         f"--access_log={self.log_path}", *flags, namespace=namespace, **where)
        host, port = self.wait_for(r'\bfunnel="?([^\s"]+)').group(1).split(",")[0].rsplit(":", 1)
        self.funnel = (host.strip("[]"), int(port))

    def write_routes(self, routes, limits=None):
        with open(self.policy_path + ".new", "w", encoding="utf-8") as file:
            json.dump({"peers": self.peers, "funnel": {"routes": routes, **(limits or {})}}, file)
        os.replace(self.policy_path + ".new", self.policy_path)

    def access_log(self):
        with contextlib.suppress(FileNotFoundError), open(self.log_path, encoding="utf-8") as file:
            return [json.loads(line) for line in file]
        return []

    def closed(self, reason):
        return self.metrics().get("relayd_funnel_closed_total", reason=reason)

    def open_connections(self):
        return self.metrics().total("relayd_funnel_connections")


def route(name, *peerapi, **more):
    return {"name": name, "peerapi": list(peerapi), **more}


def node_config(authority, peerapi, *, proxy=None, name=NAME, ports=(443,), peers="127.0.0.0/8", tcp=None, **more):
    """A node that serves `name` with HTTPS to one backend; `tcp` replaces ports' services."""
    cert, key = authority.issue(name)
    config = {"Listen": [peerapi], "Peers": [{"prefix": peers, "capabilities": ["ingress"]}],
              "TCP": {str(port): (tcp or {}).get(port, {"HTTPS": True}) for port in ports},
              "AllowFunnel": {f"{name}:{port}": True for port in ports},
              "Certificates": [{"Name": name, "Cert": cert, "Key": key}]}
    https = [port for port in ports if port not in (tcp or {})]
    if https:
        config["Web"] = {f"{name}:{port}": {"Handlers": {"/": {"Proxy": proxy}}} for port in https}
    return {**config, **more}


def curl(frontend, url, authority, *flags, namespace=None, at=None, check=True, timeout=60):
    """Body of `url`, whose host is at the frontend's address; the CompletedProcess where it may fail."""
    host = re.match(r"https://([^/:]+)", url).group(1)
    ip, port = at or frontend.funnel
    command = ["curl", "-sS", "--cacert", authority.cert, "--max-time", str(timeout), "--noproxy", "*",
               "--connect-to", f"{host}:443:{ip}:{port}", *flags, url]
    with namespace.entered() if namespace else contextlib.nullcontext():
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout + 10, check=False)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.decode()}")
    return done.stdout if check else done


def connect_tls(frontend, authority, name=NAME, namespace=None, timeout=20, alpn=()):
    with namespace.entered() if namespace else contextlib.nullcontext():
        raw = socket.create_connection(frontend.funnel, timeout=timeout)
    return authority.context(*alpn).wrap_socket(raw, server_hostname=name)


class Web(Program):
    """An HTTP/1.1 backend: /big/BYTES, /upload (its sha256), /headers (JSON), /ws (echo), anything else: a line."""

    def __init__(self, namespace=None, port=0):
        super().__init__([sys.executable, "-B", os.path.abspath(__file__), port], namespace)
        self.port = int(self.wait_for(r"^ready (\d+)").group(1))


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads, request_queue_size = True, True, 512

    def handle_error(self, request, client_address):
        """A client that is gone is no news."""


NOISE = random.Random(1).randbytes(1 << 16)  # The same in every process.


def noise_sha256(size):
    digest = hashlib.sha256()
    for at in range(0, size, len(NOISE)):
        digest.update(NOISE[: min(len(NOISE), size - at)])
    return digest.hexdigest()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path.startswith("/big/"):
            return self.send_noise(int(self.path.rsplit("/", 1)[1]))
        if self.path == "/headers":
            return self.send_text(json.dumps([[name, value] for name, value in self.headers.items()]))
        if self.headers.get("Upgrade", "").lower() == "websocket":
            return self.serve_websocket()
        return self.send_text(f"served {self.path}\n")

    def do_POST(self):
        digest = hashlib.sha256()
        for block in self.body():
            digest.update(block)
        self.send_text(digest.hexdigest())

    def body(self):
        left = int(self.headers.get("Content-Length", -1))
        while left > 0:
            block = self.rfile.read(min(left, 1 << 16))
            left -= len(block)
            yield block
        while left < 0:
            size = int(self.rfile.readline().split(b";")[0], 16)
            block = self.rfile.read(size)
            self.rfile.readline()
            if size == 0:
                return
            yield block

    def send_text(self, text):
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_noise(self, size):
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        for at in range(0, size, len(NOISE)):
            self.wfile.write(NOISE[: min(len(NOISE), size - at)])

    def serve_websocket(self):
        """Echoes unfragmented frames (RFC 6455 section 5.2) until the close frame, which it echoes too."""
        accept = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(accept.encode()).digest()).decode())
        self.end_headers()
        self.close_connection = True
        while True:
            opcode, payload = read_frame(self.rfile)
            self.wfile.write(frame(opcode, payload))
            if opcode == 8:
                return

    def log_message(self, *_):
        pass


def frame(opcode, payload, mask=b""):
    head = bytes([0x80 | opcode])
    flag = 0x80 if mask else 0
    size = len(payload)
    if size < 126:
        head += bytes([flag | size])
    elif size < 1 << 16:
        head += struct.pack(">BH", flag | 126, size)
    else:
        head += struct.pack(">BQ", flag | 127, size)
    return head + mask + (bytes(b ^ mask[i % 4] for i, b in enumerate(payload)) if mask else payload)


def read_frame(file):
    first, second = file.read(2)
    size = second & 0x7F
    if size == 126:
        size, = struct.unpack(">H", file.read(2))
    elif size == 127:
        size, = struct.unpack(">Q", file.read(8))
    mask = file.read(4) if second & 0x80 else b""
    payload = file.read(size)
    if mask:
        payload = bytes(b ^ mask[i % 4] for i, b in enumerate(payload))
    return first & 0x0F, payload


def websocket_echo(sock, name, text, path="/ws"):
    """One message there and back over a TLS socket; what came back."""
    key = base64.b64encode(os.urandom(16)).decode()
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {name}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
    file = sock.makefile("rb")
    status = file.readline()
    assert b" 101 " in status, status
    while file.readline() not in (b"\r\n", b""):
        pass
    sock.sendall(frame(1, text, b"mask"))
    opcode, echo = read_frame(file)
    sock.sendall(frame(8, b"", b"mask"))
    assert opcode == 1
    return echo


def descriptors(program):
    return len(os.listdir(f"/proc/{program.process.pid}/fd"))


def wait_descriptors(program, wanted):
    wait_until(lambda: descriptors(program) <= wanted, f"{wanted} descriptors of {program.command[0]} at most")


if __name__ == "__main__":
    with _Server(("127.0.0.1", int(sys.argv[1])), _Handler) as server:
        print(f"ready {server.server_address[1]}", flush=True)
        server.serve_forever()
