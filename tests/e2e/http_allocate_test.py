#!/usr/bin/env python3
"""The HTTP API as DESIGN has it: who is refused, in which order, and what an allocation answers."""

import json
import re
import socket
import subprocess
import time

import e2e
from disco import Key
from programs import Relayd, allocation, http_request, wait_until

ROUTE = "/v0/relay/endpoint"
KEY = r"discokey:[0-9a-f]{64}"
# Points of order 1, 2, 4 and 8 on the curve and its twist, and what they are above 2^255 - 19 (libsodium's blocklist).
LOW_ORDER = ["00" * 32, "01" + "00" * 31,
             "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
             "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
             "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
             "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
             "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"]


class HttpTestCase(e2e.TestCase):
    def assert_refused(self, answer, status, text=None):
        code, headers, body = answer
        self.assertEqual(code, status, body)
        self.assertTrue(headers["Content-Type"].startswith("text/plain"), headers["Content-Type"])
        self.assertRegex(body, r"\A[^\n]+\n?\Z")
        if text is not None:
            self.assertEqual(body.strip(), text)
        if status == 503:
            self.assertEqual(headers["Retry-After"], "3")


class AllocateTest(HttpTestCase):
    def setUp(self):
        self.relayd = self.start(Relayd("--addr_ports=192.0.2.1:40000,[2001:db8::1]:40001"))

    def post(self, body, headers=None, path=ROUTE):
        return self.relayd.call("POST", path, body, headers)

    def result(self, name):
        return self.relayd.metrics().get("relayd_allocations_total", result=name)

    def test_answer_is_what_go_writes(self):
        one, other = Key(), Key()
        status, headers, text = self.post(allocation(one, other))
        self.assertEqual(status, 200)
        self.assertTrue(headers["Content-Type"].startswith("application/json"))
        first, second = sorted((one.text, other.text))
        self.assertRegex(text, rf'\A{{"ServerDisco":"{KEY}","ClientDisco":\["{first}","{second}"\],"LamportID":\d+,'
                               r'"AddrPorts":\["192.0.2.1:40000","\[2001:db8::1\]:40001"\],"VNI":1,'
                               r'"BindLifetime":"30s","SteadyStateLifetime":"5m0s"}\n?\Z')

    def test_one_endpoint_for_a_pair_in_either_order(self):
        one, other = Key(), Key()
        first = self.relayd.allocate(one, other)
        self.assertEqual(self.relayd.allocate(other, one), first)
        second = self.relayd.allocate(one, Key())
        self.assertEqual(second["VNI"], first["VNI"] + 1)
        self.assertGreater(second["LamportID"], first["LamportID"])
        self.assertEqual((self.result("created"), self.result("existing")), (2, 1))

    def test_lenient_where_go_is(self):
        one, other = Key(), Key()
        upper = [key.text[:9] + key.text[9:].upper() for key in (one, other)]
        self.assertEqual(self.post(json.dumps({"DiscoKeys": upper, "Unknown": [1, {"a": None}]}))[0], 200)
        padded = allocation(one, other)
        self.assertEqual(self.post(padded + " " * (4096 - len(padded)))[0], 200)  # Exactly 4 KiB.

    def test_bad_bodies(self):
        one, other = Key(), Key()
        server = self.relayd.allocate(one, other)["ServerDisco"]
        bad = ["", "null", "[]", "{}", "{", "nonsense", '{"DiscoKeys":null}', '{"DiscoKeys":"x"}', '{"DiscoKeys":[1,2]}',
               allocation(one, other)[:-1], allocation(one, other) + "x", allocation(one, one)]
        for keys in ([], [one.text], [one.text, other.text, Key().text], [one.text, ""], [one.text, other.text[:-1]],
                     [one.text, other.text + "0"], [one.text, "nodekey:" + other.text[9:]],
                     [one.text, other.text[:-1] + "g"], [one.text, server]):
            bad.append(json.dumps({"DiscoKeys": keys}))
        for point in LOW_ORDER:
            bad.append(json.dumps({"DiscoKeys": [one.text, "discokey:" + point]}))
            bad.append(json.dumps({"DiscoKeys": ["discokey:" + point, one.text]}))
        for body in bad:
            with self.subTest(body=body):
                self.assert_refused(self.post(body), 400)
        self.assertEqual(self.result("invalid"), len(bad))
        self.assertEqual(self.relayd.allocate(one, other)["VNI"], 1)  # As if nothing had been.

    def test_methods_paths_sizes(self):
        for method in ("GET", "PUT", "DELETE", "HEAD"):
            self.assertEqual(self.relayd.call(method, ROUTE)[0], 405, method)
        self.assertEqual(self.relayd.call("POST", "/v0/relay/sessions", "")[0], 405)
        for path in ("/", "/v0/relay", "/v0/relay/endpoint/", "/v0/relay/endpoints"):
            self.assertEqual(self.relayd.call("GET", path)[0], 404, path)
        self.assert_refused(self.post("x" * 4097), 413)
        chunks = (b"x" * 1000 for _ in range(5))  # Sent chunked: no Content-Length to refuse it by.
        self.assert_refused(self.post(chunks), 413)
        self.assertEqual(self.relayd.call("GET", "/healthz")[0], 200)
        self.assertEqual(self.relayd.call("GET", "/readyz")[0], 200)

    def test_order_of_refusals(self):
        foreign = {"Host": "evil.example"}
        self.assert_refused(self.relayd.call("PUT", ROUTE, "x" * 5000, foreign), 403)
        self.assert_refused(self.relayd.call("PUT", ROUTE, "x" * 5000), 405)
        self.assert_refused(self.post("x" * 5000), 413)

    def test_hosts_and_browsers(self):
        port = self.relayd.api.rsplit(":", 1)[1]
        good = allocation(Key(), Key())
        for host in (f"127.0.0.1:{port}", "127.0.0.1", "localhost", f"localhost:{port}", "peer", "LOCALHOST"):
            self.assertEqual(self.post(good, {"Host": host})[0], 200, host)
        for host in ("evil.example", "127.0.0.2", f"localhost.evil.example:{port}", "198.18.0.1", "[::1]"):
            self.assert_refused(self.post(good, {"Host": host}), 403)
        for name in ("Origin", "Referer"):
            self.assert_refused(self.post(good, {name: "http://localhost"}), 403)
        for name in ("Forwarded", "X-Forwarded-For", "Via", "Tailscale-Funnel-Request"):
            self.assert_refused(self.post(good, {name: "198.18.0.9"}), 403)
        for path in ("/healthz", "/readyz"):  # Health probes are exempt.
            self.assertEqual(self.relayd.call("GET", path, None, {"Host": "evil.example", "Origin": "x"})[0], 200)

    def test_only_loopback_without_a_policy(self):
        subprocess.run(["ip", "address", "add", "198.18.0.1/32", "dev", "lo"], check=True)
        self.addCleanup(subprocess.run, ["ip", "address", "del", "198.18.0.1/32", "dev", "lo"], check=True)
        relayd = self.start(Relayd(api="0.0.0.0:0"))
        port = int(relayd.api.rsplit(":", 1)[1])
        self.assert_refused(http_request("198.18.0.1", port, "POST", ROUTE, allocation(Key(), Key())), 403,
                            "relay not permitted")
        self.assertEqual(http_request("198.18.0.1", port, "GET", "/healthz")[0], 200)
        self.assertEqual(http_request("127.0.0.1", port, "POST", ROUTE, allocation(Key(), Key()))[0], 200)

    def test_sessions_in_pages(self):
        for _ in range(5):
            self.relayd.allocate(Key(), Key())
        def page(query):
            answer = json.loads(self.relayd.call("GET", "/v0/relay/sessions" + query)[2])
            self.assertEqual(answer["UDPPort"], self.relayd.udp_port)
            return [session["VNI"] for session in answer["Sessions"]]
        self.assertEqual(page(""), [1, 2, 3, 4, 5])
        self.assertEqual(page("?limit=2"), [1, 2])
        self.assertEqual(page("?after=2&limit=2"), [3, 4])
        self.assertEqual(page("?after=5"), [])
        text = self.relayd.call("GET", "/v0/relay/sessions?limit=1")[2]
        leg = r'{"Endpoint":"","ShortDisco":"d:[0-9a-f]{16}","PacketsTx":0,"BytesTx":0}'
        self.assertRegex(text, rf'\A{{"UDPPort":\d+,"Sessions":\[{{"VNI":1,"Client1":{leg},"Client2":{leg}}}\]}}\n?\Z')

    def test_caller_rate(self):
        relayd = self.start(Relayd("--caller_rate=10"))
        answers = [relayd.try_to_allocate(Key(), Key()) for _ in range(60)]
        refused = [answer for answer in answers if answer[0] != 200]
        self.assertGreater(len(refused), 20)
        self.assertGreaterEqual(60 - len(refused), 10)
        self.assert_refused(refused[0], 503)
        self.assertEqual(relayd.metrics().get("relayd_allocations_total", result="quota"), len(refused))
        wait_until(lambda: relayd.try_to_allocate(Key(), Key())[0] == 200, "the next allocation")

    def test_unbound_limit(self):
        relayd = self.start(Relayd("--caller_unbound_limit=3", "--bind_lifetime=2s"))
        pair = Key(), Key()
        for one, other in (pair, (Key(), Key()), (Key(), Key())):
            relayd.allocate(one, other)
        self.assert_refused(relayd.try_to_allocate(Key(), Key()), 503)
        relayd.allocate(*pair)  # What is there already costs nothing.
        wait_until(lambda: relayd.try_to_allocate(Key(), Key())[0] == 200, "the end of an unbound endpoint")


class ConnectionTest(HttpTestCase):
    def setUp(self):
        self.relayd = self.start(Relayd())
        self.address = ("127.0.0.1", int(self.relayd.api.rsplit(":", 1)[1]))

    def test_pipelined_requests_are_answered_in_order(self):
        with socket.create_connection(self.address, timeout=10) as sock:
            body = allocation(Key(), Key()).encode()
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
                         b"POST /v0/relay/endpoint HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s"
                         b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % (len(body), body))
            text = sock.makefile("rb").read().decode()
        self.assertEqual(re.findall(r"HTTP/1.1 (\d+)", text), ["200", "200", "404"])

    def test_junk_and_slow_requests_end(self):
        for junk in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET\r\n\r\n", b"\r\n" * 9000, b"x" * 100000):
            with socket.create_connection(self.address, timeout=10) as sock:
                try:
                    sock.sendall(junk)
                    while sock.recv(4096):
                        pass
                except ConnectionError:
                    pass
        with socket.create_connection(self.address, timeout=10) as sock:
            began = time.monotonic()
            sock.sendall(b"POST /v0/relay/endpoint HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
            try:
                while sock.recv(4096):
                    pass
            except ConnectionResetError:
                pass
            self.assertTrue(4 < time.monotonic() - began < 8, "5 s are for a request")
        self.assertEqual(self.relayd.call("GET", "/healthz")[0], 200)

    def test_loopback_may_have_many_connections_and_others_64(self):
        idle = [socket.create_connection(self.address) for _ in range(100)]
        self.assertEqual(self.relayd.call("GET", "/healthz")[0], 200)
        for sock in idle:
            sock.close()
        subprocess.run(["ip", "address", "add", "198.18.0.1/32", "dev", "lo"], check=True)
        self.addCleanup(subprocess.run, ["ip", "address", "del", "198.18.0.1/32", "dev", "lo"], check=True)
        relayd = self.start(Relayd(api="0.0.0.0:0"))
        address = ("198.18.0.1", int(relayd.api.rsplit(":", 1)[1]))
        held = [socket.create_connection(address) for _ in range(64)]
        for sock in held:  # All 64 are served.
            sock.settimeout(10)
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: 198.18.0.1\r\n\r\n")
            self.assertTrue(sock.recv(4096).startswith(b"HTTP/1.1 200"))
        with socket.create_connection(address, timeout=10) as one_too_many:
            try:
                one_too_many.sendall(b"GET /healthz HTTP/1.1\r\nHost: 198.18.0.1\r\n\r\n")
                heard = one_too_many.recv(4096)
            except ConnectionError:
                heard = b""
            self.assertFalse(heard.startswith(b"HTTP/1.1 200"))
        self.assertEqual(http_request(*("127.0.0.1", address[1]), "GET", "/healthz")[0], 200)


if __name__ == "__main__":
    e2e.main()
