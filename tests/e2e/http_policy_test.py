#!/usr/bin/env python3
"""The policy file, tokens, TLS, SIGHUP and draining."""

import hashlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import tempfile
import time

import e2e
from disco import Client, Key
from programs import Relayd, allocation, wait_until
from http_allocate_test import ROUTE, HttpTestCase


def policy(peers, tokens=()):
    return json.dumps({
        "peers": [{"prefix": prefix, "capabilities": capabilities} for prefix, capabilities in peers],
        "tokens": [{"name": name, "sha256": hashlib.sha256(secret.encode()).hexdigest(), "capabilities": capabilities}
                   for name, secret, capabilities in tokens]}, indent=1)


class PolicyTestCase(HttpTestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.policy_file = os.path.join(self.folder, "policy.json")

    def write(self, text):
        with open(self.policy_file, "w", encoding="utf-8") as file:
            file.write(text)

    def call_from(self, source, relayd, method="POST", path=ROUTE, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", int(relayd.api.rsplit(":", 1)[1]), timeout=10,
                                                source_address=(source, 0))
        if method == "POST" and body is None:
            body = allocation(Key(), Key())
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        answer = response.status, response.headers, response.read().decode()
        connection.close()
        return answer


class PolicyTest(PolicyTestCase):
    def test_longest_prefix_and_tokens(self):
        self.write(policy([("127.0.0.0/8", ["relay"]), ("127.0.0.9/32", ["admin"])],
                          [("alice", "open sesame", ["relay"]), ("root", "toor", ["admin"])]))
        relayd = self.start(Relayd(f"--policy_file={self.policy_file}"))
        sessions = {"method": "GET", "path": "/v0/relay/sessions"}
        self.assertEqual(self.call_from("127.0.0.1", relayd)[0], 200)
        self.assert_refused(self.call_from("127.0.0.1", relayd, **sessions), 403)
        self.assert_refused(self.call_from("127.0.0.9", relayd), 403, "relay not permitted")
        self.assertEqual(self.call_from("127.0.0.9", relayd, **sessions)[0], 200)
        self.assertEqual(relayd.metrics().get("relayd_allocations_total", result="forbidden"), 1)
        token = {"Authorization": "Bearer open sesame"}
        self.assertEqual(self.call_from("127.0.0.9", relayd, headers=token)[0], 200)  # Prefix and token together.
        self.assertEqual(self.call_from("127.0.0.9", relayd, headers=token, **sessions)[0], 200)
        for wrong in ("Bearer open sesam", "Bearer ", "Basic open sesame", "open sesame"):
            self.assert_refused(self.call_from("127.0.0.9", relayd, headers={"Authorization": wrong}), 403)
        # Capability comes before method, size and body.
        self.assert_refused(self.call_from("127.0.0.9", relayd, method="PUT", body="x" * 5000), 403)

    def test_loopback_is_a_prefix_like_any_other(self):
        self.write(policy([("198.18.0.0/15", ["relay", "admin"])]))
        relayd = self.start(Relayd(f"--policy_file={self.policy_file}"))
        self.assert_refused(self.call_from("127.0.0.1", relayd), 403, "relay not permitted")
        self.assertEqual(relayd.call("GET", "/readyz")[0], 200)

    def test_quotas_are_per_caller(self):
        self.write(policy([("127.0.0.0/8", ["relay"])], [("alice", "secret", ["relay"])]))
        relayd = self.start(Relayd(f"--policy_file={self.policy_file}", "--caller_unbound_limit=2"))
        token = {"Authorization": "Bearer secret"}
        for arguments in ({"source": "127.0.0.1"}, {"source": "127.0.0.2"}, {"source": "127.0.0.1", "headers": token}):
            answers = [self.call_from(relayd=relayd, **arguments)[0] for _ in range(3)]
            self.assertEqual(answers, [200, 200, 503], arguments)
        self.assert_refused(self.call_from("127.0.0.3", relayd, headers=token), 503)  # The token's, from anywhere.

    def test_reload(self):
        self.write(policy([("127.0.0.0/8", ["relay"])]))
        relayd = self.start(Relayd(f"--policy_file={self.policy_file}"))
        self.assertEqual(self.call_from("127.0.0.1", relayd)[0], 200)
        self.write(policy([("127.0.0.5/32", ["relay"])]))
        relayd.signal(signal.SIGHUP)
        wait_until(lambda: self.call_from("127.0.0.1", relayd)[0] == 403, "the new policy")
        self.assertEqual(self.call_from("127.0.0.5", relayd)[0], 200)
        bad = {"not JSON": '{\n"peers": [\n', "an unknown field": '{"peers": [],\n "pears": []}',
               "a bad prefix": '{"peers": [{"prefix": "300.0.0.0/8", "capabilities": ["relay"]}]}',
               "a bad digest": '{"tokens": [{"name": "x", "sha256": "12", "capabilities": ["relay"]}]}',
               "an unknown capability": '{"peers": [{"prefix": "127.0.0.0/8", "capabilities": ["realy"]}]}'}
        for what, text in bad.items():
            with self.subTest(what):
                said = len(relayd.lines)
                self.write(text)
                relayd.signal(signal.SIGHUP)
                relayd.wait_for(r"policy\.json:\d+", after=said)  # File, line and reason.
                self.assertEqual(self.call_from("127.0.0.1", relayd)[0], 403)
                self.assertEqual(self.call_from("127.0.0.5", relayd)[0], 200)  # The old one stays.


class TlsTest(PolicyTestCase):
    def certificate(self, name):
        """A new self-signed certificate in place of the old one."""
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-keyout", f"{self.folder}/key.pem", "-out", f"{self.folder}/cert.pem", "-days", "1",
                        "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name},IP:127.0.0.1"],
                       check=True, capture_output=True)

    def served_name(self, port):
        """The common name of the certificate that is served now."""
        context = ssl.create_default_context(cafile=f"{self.folder}/cert.pem")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
                with context.wrap_socket(sock, server_hostname="127.0.0.1") as tls:
                    return dict(pair[0] for pair in tls.getpeercert()["subject"])["commonName"]
        except ssl.SSLCertVerificationError:
            return None

    def test_tls(self):
        self.certificate("relay.example")
        self.write(policy([], [("alice", "secret", ["relay"])]))
        relayd = self.start(Relayd(f"--policy_file={self.policy_file}", f"--api_tls_cert={self.folder}/cert.pem",
                                   f"--api_tls_key={self.folder}/key.pem", "--api_hosts=alias.example"))
        port = int(relayd.api.rsplit(":", 1)[1])

        def curl(host, *arguments):
            done = subprocess.run(
                ["curl", "-sS", "--cacert", f"{self.folder}/cert.pem", "-o", "/dev/null", "-w", "%{http_code}",
                 "--connect-to", f"::127.0.0.1:{port}", *arguments, f"https://{host}:{port}{ROUTE}"],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False)
            return done.stdout

        post = ("-d", allocation(Key(), Key()))
        token = ("-H", "Authorization: Bearer secret")
        self.assertEqual(curl("relay.example", *post, *token), "200")  # The certificate's name is one of ours.
        self.assertEqual(curl("127.0.0.1", *post, *token), "200")
        self.assertEqual(curl("relay.example", *post, *token, "-H", "Host: alias.example"), "200")
        self.assertEqual(curl("relay.example", *post, *token, "-H", "Host: other.example"), "403")
        self.assertEqual(curl("relay.example", *post), "403")
        with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
            plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            try:
                self.assertNotIn(b" 200 ", plain.recv(4096))
            except ConnectionResetError:
                pass
        self.assertEqual(self.served_name(port), "relay.example")
        self.certificate("renewed.example")
        relayd.signal(signal.SIGHUP)
        wait_until(lambda: self.served_name(port) == "renewed.example", "the new certificate")
        # A client that says nothing must not hold up the others, nor the end.
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
        self.assertEqual(curl("renewed.example", *post, *token), "200")
        relayd.process.terminate()
        self.assertEqual(relayd.wait(2.0), 0)
        del silent


class DrainTest(HttpTestCase):
    def test_drain(self):
        """Refuses what is new, relays what is there, and ends with the last endpoint."""
        relayd = self.start(Relayd("--bind_lifetime=1s", "--steady_state_lifetime=2s"))
        one, other = Key(), Key()
        endpoint = relayd.allocate(one, other)
        address = ("127.0.0.1", relayd.udp_port)
        alice, bob = Client(one, endpoint, other.public, address), Client(other, endpoint, one.public, address)
        alice.handshake()
        bob.handshake()
        relayd.signal(signal.SIGUSR1)
        wait_until(lambda: relayd.call("GET", "/readyz")[0] == 503, "the drain")
        self.assertEqual(relayd.call("GET", "/healthz")[0], 200)
        self.assert_refused(relayd.try_to_allocate(Key(), Key()), 503)
        self.assert_refused(relayd.call("POST", ROUTE, "nonsense"), 400)  # 400 comes before 503.
        self.assertEqual(relayd.metrics().get("relayd_allocations_total", result="draining"), 1)
        alice.say(b"goes on")
        self.assertEqual(bob.hear()[0], alice.data_packet(b"goes on"))
        self.assertEqual(relayd.wait(6.0), 0)

    def test_drain_of_nothing(self):
        relayd = self.start(Relayd())
        relayd.signal(signal.SIGUSR1)
        self.assertEqual(relayd.wait(2.0), 0)

    def test_drain_timeout(self):
        relayd = self.start(Relayd("--drain_timeout=1s"))
        relayd.allocate(Key(), Key())  # Lives for 30 s.
        relayd.signal(signal.SIGUSR1)
        began = time.monotonic()
        self.assertEqual(relayd.wait(4.0), 0)
        self.assertGreaterEqual(time.monotonic() - began, 0.9)


if __name__ == "__main__":
    e2e.main(("curl", "openssl"))
