#!/usr/bin/env python3
"""HTTP through a Funnel on one machine: what is refused, what a backend may believe, half-close, and what is served."""

import json
import os
import signal
import socket
import ssl
import subprocess
import tempfile
import threading

import e2e
import funnel
from funnel import NAME, Authority, Frontend, FunnelNode, Web, connect_tls, curl, node_config, route
from programs import binary, wait_until

SMUGGLED = (
    b"POST /upload HTTP/1.1\r\nHost: %s\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /upload HTTP/1.1\r\nHost: %s\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
    b"POST /upload HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    b"POST /upload HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n",
    b"POST /upload HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
    b"POST /upload HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    b"GET / HTTP/1.1\nHost: %s\n\n",
    b"GET / HTTP/1.1\r\nHost: %s\r\nX: a\r\n b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: %s\r\nHost: %s\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: %s\r\nX: a\x00b\r\n\r\n",
)
FORGED = {"X-Forwarded-For": "10.0.0.1", "X-Forwarded-Host": "evil", "X-Forwarded-Proto": "http", "X-Real-IP": "10.0.0.1",
          "Forwarded": "for=10.0.0.1", "Tailscale-User-Login": "root", "Tailscale-User-Name": "root",
          "Tailscale-Headers-Info": "x", "Tailscale-App-Capabilities": "{}", "Tailscale-Funnel-Request": "no",
          "X_Forwarded_For": "10.0.0.1"}


class FunnelHttpTest(e2e.TestCase):
    def setUp(self):
        self.authority = Authority()
        self.web = self.start(Web())

    def start_path(self, **config):
        config.setdefault("proxy", str(self.web.port))
        self.node = self.start(FunnelNode(node_config(self.authority, "127.0.0.1:9650", **config)))
        ports = config.get("ports", (443,))
        self.frontend = self.start(Frontend([route(NAME, "127.0.0.1:9650", ports=list(ports))], public_port=ports[0]))

    def raw(self, request, name=NAME):
        """Everything that comes back for these bytes, to the end."""
        with connect_tls(self.frontend, self.authority, name) as sock:
            sock.sendall(request)
            answer = b""
            try:
                while block := sock.recv(65536):
                    answer += block
            except (ConnectionError, ssl.SSLError):
                pass
            return answer

    def test_smuggling_is_refused(self):
        self.start_path()
        for request in SMUGGLED:
            request = request.replace(b"%s", NAME.encode())
            with self.subTest(request=request):
                answer = self.raw(request)
                self.assertTrue(answer.startswith(b"HTTP/1.1 400"), answer)
                self.assertEqual(answer.count(b"HTTP/1.1"), 1)

    def test_forged_identity_does_not_reach_the_backend(self):
        self.start_path()
        flags = [word for name, value in FORGED.items() for word in ("-H", f"{name}: {value}")]
        for version in ("--http1.1", "--http2"):
            with self.subTest(version):
                fields = json.loads(curl(self.frontend, f"https://{NAME}/headers", self.authority, version, *flags))
                got = [(name.lower(), value) for name, value in fields]
                self.assertEqual([v for n, v in got if n == "x-forwarded-for"], ["127.0.0.1"])
                self.assertEqual([v for n, v in got if n == "x-forwarded-host"], [NAME])
                self.assertEqual([v for n, v in got if n == "x-forwarded-proto"], ["https"])
                self.assertEqual([v for n, v in got if n == "tailscale-funnel-request"], ["?1"])
                names = {n.replace("_", "-") for n, _ in got}
                self.assertFalse(names & {"forwarded", "x-real-ip", "tailscale-user-login", "tailscale-user-name",
                                          "tailscale-headers-info", "tailscale-app-capabilities"}, names)

    def test_the_server_name_chooses_and_not_host(self):
        self.start_path()
        for version in ("--http1.1", "--http2"):
            out = curl(self.frontend, f"https://{NAME}/", self.authority, version, "-H", "Host: other.example", "-o",
                       os.devnull, "-w", "%{http_code}")
            self.assertEqual(out, b"421", version)

    def test_handlers(self):
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(f"{folder}/site")
            for name, text in (("site/a.txt", "a file"), ("secret", "not this"), ("site/index.html", "<p>index</p>")):
                with open(f"{folder}/{name}", "w", encoding="ascii") as file:
                    file.write(text)
            os.symlink("../secret", f"{folder}/site/link")
            handlers = {"/": {"Proxy": str(self.web.port)}, "/text": {"Text": "hello"}, "/files": {"Path": f"{folder}/site"},
                        "/go": {"Redirect": "https://elsewhere.example/"}, "/down": {"Proxy": "1"}}
            self.start_path(Web={f"{NAME}:443": {"Handlers": handlers}})
            for path, wanted in (("/text", "hello200"), ("/files/a.txt", "a file200"), ("/files/", "<p>index</p>200"),
                                 ("/x", "served /x\n200")):
                with self.subTest(path):
                    out = curl(self.frontend, f"https://{NAME}{path}", self.authority, "-w", "%{http_code}").decode()
                    self.assertEqual(out, wanted)
            for path, status in (("/files/link", "404"), ("/files/../../secret", "4"), ("/files/%2e%2e/secret", "4"),
                                 ("/files/none", "404"), ("/go", "302"), ("/down", "502")):
                with self.subTest(path):
                    out = curl(self.frontend, f"https://{NAME}{path}", self.authority, "--path-as-is", "-o", os.devnull,
                               "-w", "%{http_code}").decode()
                    self.assertTrue(out.startswith(status), (path, out))

    def test_half_close_both_ways(self):
        """Raw forwarding: the client's TLS record is the backend's business; FIN goes through, and the answer after it."""
        got = []
        listener = self.enterContext(socket.create_server(("127.0.0.1", 0)))

        def serve():
            connection, _ = listener.accept()
            with connection:
                while block := connection.recv(65536):
                    got.append(block)
                connection.sendall(b"all of it")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        self.start_path(ports=(8443,), tcp={8443: {"TCPForward": f"127.0.0.1:{listener.getsockname()[1]}"}})
        outgoing = ssl.MemoryBIO()
        tls = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=NAME)
        with self.assertRaises(ssl.SSLWantReadError):
            tls.do_handshake()
        sent = outgoing.read() + os.urandom(1 << 20)
        with socket.create_connection(self.frontend.funnel, timeout=20) as sock:
            sock.sendall(sent)
            sock.shutdown(socket.SHUT_WR)
            answer = b""
            while block := sock.recv(100):
                answer += block
        thread.join(10)
        self.assertEqual(answer, b"all of it")
        self.assertEqual(b"".join(got), sent)
        wait_until(lambda: self.frontend.closed("done") == 1, "the connection's end")

    def test_terminated_tcp_says_who_asks(self):
        listener = self.enterContext(socket.create_server(("127.0.0.1", 0)))
        self.start_path(ports=(10000,), tcp={10000: {"TCPForward": f"127.0.0.1:{listener.getsockname()[1]}",
                                                     "TerminateTLS": NAME, "ProxyProtocol": 1}})
        with connect_tls(self.frontend, self.authority) as sock:
            client = sock.getsockname()
            sock.sendall(b"ping\n")
            backend, _ = listener.accept()
            with backend, backend.makefile("rb") as lines:
                self.assertEqual(lines.readline().split()[:3], [b"PROXY", b"TCP4", client[0].encode()])
                self.assertEqual(lines.readline(), b"ping\n")
                backend.sendall(b"pong\n")
                self.assertEqual(sock.recv(100), b"pong\n")

    def test_what_is_not_switched_on_is_refused(self):
        self.start_path(AllowFunnel={f"{NAME}:443": False})
        done = curl(self.frontend, f"https://{NAME}/", self.authority, check=False)
        self.assertNotEqual(done.returncode, 0)
        wait_until(lambda: self.frontend.closed("refused_403") == 1, "the node's refusal")

    def test_relayctl(self):
        self.start_path()

        def ctl(*arguments):
            done = subprocess.run([binary("relayctl"), f"--api=http://{self.frontend.api}", "funnel", *arguments],
                                  capture_output=True, text=True, timeout=30, check=False)
            return done.returncode, " ".join((done.stdout + done.stderr).split())

        self.assertIn(f"{NAME} 443 file 0 127.0.0.1:9650 healthy", ctl("routes")[1])
        status, out = ctl("check", NAME, f"--ca_file={self.authority.cert}")
        self.assertEqual(status, 0, out)
        for words in ("answer 101", f"names {NAME}", "days left", "trusted yes", f"1 of 1 nodes serve {NAME}:443"):
            self.assertIn(words, out)
        self.assertIn("trusted no", ctl("check", NAME)[1])
        for arguments, words in ((("check", "other.example"), "no route has the name other.example"),
                                 (("check", f"{NAME}:444"), "444"), (("close", NAME), "409")):
            status, out = ctl(*arguments)
            self.assertEqual(status, 1, out)
            self.assertIn(words, out)
        self.frontend.call("PUT", "/v0/funnel/routes", json.dumps(route("api.example", "127.0.0.1:9650")))
        self.assertEqual(ctl("close", "api.example")[0], 0)
        self.node.stop()
        status, out = ctl("check", NAME)
        self.assertEqual(status, 1)
        self.assertIn("Connection refused", out)

    def test_relayd_is_a_node_too(self):
        """The same by relayd's own API: --serve_config, and the policy's capabilities in place of Peers."""
        with tempfile.TemporaryDirectory() as folder:
            config = node_config(self.authority, "127.0.0.1:1", proxy=str(self.web.port))
            for name in ("Listen", "Peers"):
                del config[name]
            with open(f"{folder}/serve.json", "w", encoding="ascii") as file:
                json.dump(config, file)
            node = self.start(Frontend([], f"--serve_config={folder}/serve.json", listen="127.0.0.1:0", peers=[
                {"prefix": "127.0.0.0/8", "capabilities": ["admin", "ingress"]}]))
            self.frontend = self.start(Frontend([route(NAME, node.api)]))
            for version in ("--http1.1", "--http2"):
                self.assertEqual(curl(self.frontend, f"https://{NAME}/x", self.authority, version), b"served /x\n")
            self.assertEqual(node.metrics().get("funnel_node_accepted_total"), 2)
            for method, wanted in (("GET", 405), ("POST", 400)):
                self.assertEqual(node.call(method, "/v0/ingress")[0], wanted)
            with connect_tls(self.frontend, self.authority) as sock:
                node.signal(signal.SIGUSR1)
                wait_until(lambda: node.call("GET", "/readyz")[0] == 503, "draining")
                self.assertEqual(node.call("POST", "/v0/ingress")[0], 503)
                sock.sendall(f"GET /y HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n".encode())
                answer = b""
                while block := sock.recv(65536):
                    answer += block
                self.assertIn(b"served /y", answer)
            self.assertEqual(node.wait(), 0)

    def test_without_a_serve_config_there_is_nothing(self):
        node = self.start(Frontend([], peers=[{"prefix": "127.0.0.0/8", "capabilities": ["admin", "ingress"]}]))
        self.assertEqual(node.call("POST", "/v0/ingress")[::2], (404, "unsupported peerapi path\n"))


if __name__ == "__main__":
    e2e.main(funnel.TOOLS, (*funnel.BINARIES, "relayctl"))
