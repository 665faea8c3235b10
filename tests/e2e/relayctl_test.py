#!/usr/bin/env python3
"""relayctl: what a script sees of each of its commands, and its exit statuses."""

import http.server
import json
import os
import pty
import re
import signal
import stat
import subprocess
import tempfile
import termios
import threading

import e2e
from disco import Key
from programs import Program, Relayd, binary, wait_until
from relay_test_case import RelayTestCase

DONE, FAILED, USAGE, UNREACHABLE = 0, 1, 2, 3


class RelayctlTest(RelayTestCase):
    flags = ("--addr_ports=192.0.2.1:40000",)

    def run_with(self, *arguments, relayd=True, stdin=None):
        """(exit status, stdout, stderr) of relayctl with the test's relayd, or with none."""
        api, metrics = (self.relayd.api, self.relayd.metrics_at) if relayd else ("127.0.0.1:1", "127.0.0.1:1")
        done = subprocess.run([binary("relayctl"), f"--api=http://{api}", f"--metrics=http://{metrics}", *arguments],
                              input=stdin or "", capture_output=True, text=True, timeout=10, check=False)
        return done.returncode, done.stdout, done.stderr

    def output_of(self, *arguments):
        status, out, err = self.run_with(*arguments)
        self.assertEqual((status, err), (DONE, ""), out)
        return out

    def assert_fails(self, expected, *arguments, **keywords):
        """One line on stderr, nothing on stdout."""
        status, out, err = self.run_with(*arguments, **keywords)
        self.assertEqual((status, out), (expected, ""), err)
        self.assertRegex(err, r"\A[^\n]+\n\Z")

    def test_status(self):
        alice, bob = self.bound_pair()
        self.pair()
        self.assert_relays(alice, bob)
        alice.send(b"junk")
        wait_until(lambda: self.relayd.metrics().dropped()["bad_geneve"] == 1, "the drop")
        status = json.loads(self.output_of("status", "--json"))
        self.assertEqual({key: status[key] for key in ("ready", "endpoints_open", "endpoints_connecting",
                                                       "forwarded_packets", "forwarded_bytes", "dropped_packets")},
                         {"ready": True, "endpoints_open": 1, "endpoints_connecting": 1, "forwarded_packets": 1,
                          "forwarded_bytes": 12, "dropped_packets": 1})
        text = self.output_of("status")
        self.assertIn("ready", text)
        self.assertEqual((status["io"], status["ports"]), ("socket", []))
        self.assertRegex(text, r"\nio +socket\n")
        self.assertRegex(text, r"1 open, 1 connecting")

    def test_sessions(self):
        self.assertEqual(json.loads(self.output_of("sessions", "--json")), {"UDPPort": self.relayd.udp_port,
                                                                            "Sessions": []})
        alice, bob = self.bound_pair()
        self.assert_relays(alice, bob)
        self.assertEqual(json.loads(self.output_of("sessions", "--json"))["Sessions"], self.relayd.sessions())
        table = self.output_of("sessions")
        host, port = alice.sock.getsockname()
        self.assertRegex(table, rf"{re.escape(alice.key.short)}\s+{host}:{port}\s+1\s+12\n")
        self.assertIn(bob.key.short, table)

    def test_sessions_beyond_a_page(self):
        for _ in range(1100):
            self.relayd.allocate(Key(), Key())
        sessions = json.loads(self.output_of("sessions", "--json"))["Sessions"]
        self.assertEqual([session["VNI"] for session in sessions], list(range(1, 1101)))

    def test_sessions_all_or_none(self):
        client = {"Endpoint": "", "ShortDisco": "d:0011223344556677", "PacketsTx": 0, "BytesTx": 0}
        page = json.dumps({"UDPPort": 1, "Sessions": [{"VNI": vni, "Client1": client, "Client2": client}
                                                      for vni in range(1, 1001)]}).encode()

        class FirstPageOnly(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                first = "after=0&" in self.path
                self.send_response(200 if first else 500)
                self.end_headers()
                self.wfile.write(page if first else b"")
                asked.append(self.path)

            def log_message(self, *_):
                pass

        asked = []
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), FirstPageOnly) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            for form in ((), ("--json",)):
                self.assert_fails(FAILED, f"--api=http://127.0.0.1:{server.server_port}", "sessions", *form)
            server.shutdown()
        self.assertEqual(len(asked), 4)

    def test_allocate(self):
        one, other = Key(), Key()
        endpoint = json.loads(self.output_of("allocate", one.text, other.text))
        self.assertEqual(endpoint, self.relayd.allocate(one, other))
        self.assert_fails(USAGE, "allocate", one.text)
        self.assert_fails(USAGE, "allocate", one.text, "discokey:12")
        self.assert_fails(FAILED, "allocate", one.text, one.text)

    def test_keygen_and_pubkey(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "alice.key")
            public = self.output_of("keygen", "--out", path).strip()
            with open(path, encoding="ascii") as file:
                private = re.fullmatch(r"privkey:([0-9a-f]{64})\n", file.read()).group(1)
            self.assertEqual(Key(bytes.fromhex(private)).text, public)
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
            self.assertEqual(self.output_of("pubkey", path).strip(), public)
            self.assert_fails(FAILED, "keygen", "--out", path)  # Never over an old one.
        status, out, err = self.run_with("keygen")
        self.assertEqual(status, DONE)
        self.assertEqual(Key(bytes.fromhex(out.strip().removeprefix("privkey:"))).text, err.strip())
        pair = json.loads(self.output_of("keygen", "--json"))
        self.assertEqual(Key(bytes.fromhex(pair["private_key"].removeprefix("privkey:"))).text, pair["public_key"])

    def test_a_key_that_others_may_read_is_refused(self):
        with tempfile.NamedTemporaryFile("w", suffix=".key") as file:
            print(f"privkey:{Key().private.hex()}", file=file, flush=True)
            self.output_of("pubkey", file.name)
            os.chmod(file.name, 0o640)
            self.assert_fails(FAILED, "pubkey", file.name)

    def test_says_that_its_output_is_lost(self):
        for command in ("keygen", "status", "sessions", "drops", "top"):
            for form in ((), ("--json",)) if command != "top" else ((), ("--once", "--interval=100ms")):
                with open("/dev/full", "wb") as full:
                    done = subprocess.run([binary("relayctl"), f"--api=http://{self.relayd.api}",
                                           f"--metrics=http://{self.relayd.metrics_at}", command, *form],
                                          stdout=full, stderr=subprocess.PIPE, text=True, timeout=10, check=False)
                self.assertEqual(done.returncode, FAILED, command)
                self.assertIn("cannot write", done.stderr.splitlines()[-1])

    def test_drops(self):
        alice, _ = self.pair()
        alice.send(b"junk")
        wait_until(lambda: self.relayd.metrics().dropped()["bad_geneve"] == 1, "the drop")
        drops = {drop["reason"]: drop for drop in json.loads(self.output_of("drops", "--json"))["drops"]}
        self.assertLessEqual(set(self.relayd.metrics().dropped()), set(drops))
        self.assertEqual(drops["bad_geneve"]["packets"], 1)
        self.assertEqual(drops["unknown_vni"]["packets"], 0)
        for reason, drop in drops.items():
            self.assertGreater(len(drop["advice"].split()), 3, reason)
            self.assertRegex(self.output_of("drops"), rf"\b{reason}\b")

    def test_top_once(self):
        alice, _ = self.bound_pair()
        ended = threading.Event()

        def talk():
            while not ended.wait(0.005):
                alice.say(b"hello")
                alice.send(b"junk")

        talker = threading.Thread(target=talk)
        talker.start()
        try:
            text = self.output_of("top", "--once", "--interval=500ms")
        finally:
            ended.set()
            talker.join()
        self.assertRegex(text, rf"\Arelayd \S+ at http://{re.escape(self.relayd.metrics_at)}, io=socket\n")
        self.assertRegex(text, r"\nendpoints +1 open, 0 connecting,")
        self.assertRegex(text, r"\nforwarded +[1-9]\S* +[1-9]\S*\n +in +udp4 +[1-9]")
        self.assertRegex(text, r"\ndropped +[1-9]\S* +bad_geneve [1-9]")
        self.assertRegex(text, r"\n0 +[1-9]\S* +- +- +- +[1-9]\S*\n  dropped +[1-9]\S* +bad_geneve [1-9]\S*\n\Z")  # The worker.
        self.assertNotIn("\x1b", text)

    def test_top_goes_on_without_a_relayd(self):
        metrics = self.relayd.metrics_at
        top = self.start(Program([binary("relayctl"), f"--metrics=http://{metrics}", "top", "--interval=100ms"]))
        top.wait_for("^received ")
        self.relayd.stop()
        top.wait_for("^tries again")
        seen = len(top.lines)
        self.start(Relayd(metrics=metrics))
        top.wait_for("^received ", after=seen)
        top.signal(signal.SIGINT)
        self.assertEqual(top.wait(), DONE)
        self.assertNotIn("\x1b", top.all_output())

    def test_top_on_a_terminal(self):
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        before = termios.tcgetattr(theirs)
        top = subprocess.Popen([binary("relayctl"), f"--metrics=http://{self.relayd.metrics_at}", "top",
                                "--interval=100ms"], stdin=theirs, stdout=theirs, stderr=theirs)
        self.addCleanup(top.kill)
        shown = b""
        while b"received" not in shown:
            shown += os.read(ours, 65536)
        os.write(ours, b"q")
        while b"\x1b[?1049l" not in shown:
            shown += os.read(ours, 65536)
        self.assertEqual(top.wait(10), DONE)
        self.assertEqual(termios.tcgetattr(theirs), before)
        os.close(theirs)

    def test_failures(self):
        for command in (("status",), ("sessions",), ("drops",), ("top", "--once"), ("allocate", Key().text, Key().text)):
            self.assert_fails(UNREACHABLE, *command, relayd=False)
        for words in ((), ("dance",), ("status", "now"), ("pubkey",), ("top", "--interval=1"),
                      ("top", "--interval=1ms")):
            self.assert_fails(USAGE, *words)
        self.assert_fails(USAGE, "--no_such_flag", "status")
        self.assert_fails(FAILED, "pubkey", "-", stdin="privkey:12")
        status, out, _ = self.run_with("--help")
        self.assertEqual(status, DONE)
        for command in ("status", "sessions", "allocate", "drops", "top", "keygen"):
            self.assertIn(command, out)


if __name__ == "__main__":
    e2e.main(binaries=("relayd", "relayctl"))
