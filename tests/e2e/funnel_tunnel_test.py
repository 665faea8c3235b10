#!/usr/bin/env python3
"""Public clients reach a web server on a node without a public address: frontend, WireGuard through relayd's own relay,
funnel-node, and TLS from end to end."""

import contextlib
import hashlib
import json
import os
import socket
import subprocess
import tempfile

import e2e
import funnel
from funnel import NAME, NOISE, connect_tls, curl, noise_sha256, websocket_echo
from funnel_lab import FunnelLab
from wireguard import TOOLS

SIZE = 64 << 20


class FunnelTunnelTest(e2e.TestCase):
    def setUp(self):
        self.lab = FunnelLab(self, ())

    def curl(self, path, *flags, **more):
        return curl(self.lab.frontend, f"https://{NAME}{path}", self.lab.authority, *flags, namespace=self.lab.public,
                    **more)

    def test_clients_of_every_kind(self):
        lab = self.lab
        # No way to the node but the tunnel, and none from the public to it.
        self.assertNotEqual(lab.public.run("ping", "-c", "1", "-W", "1", "198.18.2.2", check=False).returncode, 0)
        relayed = lab.frontend.metrics().total("relayd_forwarded_bytes_total")
        for flags, version in ((("--http1.1",), "1.1"), (("--http2",), "2"), (("--tls-max", "1.2"), "2"),
                               (("--tlsv1.3", "--http1.1"), "1.1")):
            with self.subTest(flags=flags):
                out = self.curl("/", *flags, "-w", "%{http_version}").decode()
                self.assertIn("served by the node", out)
                self.assertTrue(out.endswith(version), out)
        self.assertGreater(lab.frontend.metrics().total("relayd_forwarded_bytes_total"), relayed)

        with self.subTest("who is asking"):
            headers = dict((name.lower(), value) for name, value in json.loads(self.curl("/app/headers")))
            self.assertEqual(headers["x-forwarded-for"], "198.18.3.2")
            self.assertEqual(headers["x-forwarded-proto"], "https")
            self.assertEqual(headers["tailscale-funnel-request"], "?1")
            self.assertEqual(headers["host"], NAME)

        with self.subTest("browser"):
            # On a busy machine Chromium now and then ends without a page; not twice.
            self.assertIn("served by the node", self.browse() + self.browse())

        with self.subTest("a stranger's certificate"):
            done = curl(lab.frontend, f"https://{NAME}/", funnel.Authority(), namespace=lab.public, check=False)
            self.assertEqual(done.returncode, 60)  # The CA is not known.

        with self.subTest("large download"):
            for flag in ("--http1.1", "--http2"):
                self.assertEqual(hashlib.sha256(self.curl(f"/app/big/{SIZE}", flag)).hexdigest(), noise_sha256(SIZE))
        with self.subTest("large upload"), tempfile.NamedTemporaryFile() as file:
            for _ in range(SIZE // len(NOISE)):
                file.write(NOISE)
            file.flush()
            for flags in (("--http1.1",), ("--http2",), ("--http1.1", "-H", "Transfer-Encoding: chunked")):
                out = self.curl("/app/upload", "--data-binary", f"@{file.name}", "-H", "Expect:", *flags)
                self.assertEqual(out.decode(), noise_sha256(SIZE), flags)
        with self.subTest("WebSocket"), connect_tls(lab.frontend, lab.authority, namespace=lab.public) as sock:
            self.assertEqual(websocket_echo(sock, NAME, b"hello " * 5000, "/app/ws"), b"hello " * 5000)

    def test_the_ingress_reaches_the_peerapi_and_nothing_else(self):
        lab = self.lab
        address = (lab.node.inner_v4, 9999)
        with lab.node.entered():
            listener = socket.create_server(address)
        self.enterContext(listener)

        def reaches():
            with lab.ingress.entered(), contextlib.suppress(OSError), socket.create_connection(address, timeout=2):
                return True
            return False

        self.assertTrue(reaches())
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../deploy/funnel-node.nft"),
                  encoding="ascii") as file:
            rules = file.read()
        for old, new in (('"wg0"', f'"{lab.node.interface}"'), ("9640", lab.peerapi.rsplit(":", 1)[1])):
            self.assertIn(old, rules)
            rules = rules.replace(old, new)
        with tempfile.NamedTemporaryFile("w", suffix=".nft") as file:
            file.write(rules)
            file.flush()
            lab.node.run("nft", "-f", file.name)
        self.assertFalse(reaches())
        self.assertNotEqual(lab.ingress.run("ping", "-c", "1", "-W", "1", lab.node.inner_v4, check=False).returncode, 0)
        self.assertIn("served by the node", self.curl("/").decode())

    def browse(self):
        """The page's text as Chromium sees it, whose hello is a post-quantum one; it trusts the CA by its user's store."""
        with tempfile.TemporaryDirectory() as home:
            store = os.path.join(home, ".pki/nssdb")
            os.makedirs(store)
            for command in (("-N", "--empty-password"), ("-A", "-n", "test", "-t", "C,,", "-i", self.lab.authority.cert)):
                subprocess.run(["certutil", "-d", f"sql:{store}", *command], check=True, capture_output=True)
            ip, port = self.lab.frontend.funnel
            done = self.lab.public.run(
                "env", f"HOME={home}", "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
                "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
                "--disable-dev-shm-usage", f"--user-data-dir={home}/profile",
                f"--host-resolver-rules=MAP {NAME}:443 {ip}:{port}, MAP * ~NOTFOUND", "--timeout=20000", "--dump-dom",
                f"https://{NAME}/", check=False, timeout=60)
            return "\n".join(line for line in done.stdout.splitlines() if "dbus" not in line)


if __name__ == "__main__":
    e2e.main((*TOOLS, *funnel.TOOLS, "nginx", "chromium", "certutil", "nft"), ("relayd", "relay-client", "funnel-node"))
