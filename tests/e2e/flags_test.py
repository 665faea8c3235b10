#!/usr/bin/env python3
"""Wrong flags and files are refused at the start: one clear line, exit status 2. Ends are clean."""

import os
import signal
import socket
import subprocess
import tempfile

import e2e
from programs import Relayd, binary


class FlagsTest(e2e.TestCase):
    def assert_refused(self, *flags, names=""):
        done = subprocess.run([binary("relayd"), "--udp_port=0", "--api_listen=127.0.0.1:0",
                               "--metrics_listen=127.0.0.1:0", *flags],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10, check=False)
        self.assertEqual(done.returncode, 2, f"{flags}: {done.stderr}{done.stdout}")
        lines = (done.stdout + done.stderr).splitlines()
        self.assertEqual(len(lines), 1, lines)
        self.assertIn(names, lines[0])

    def test_values(self):
        for flag in ("udp_port=-1", "udp_port=65536", "udp_port=x", "bind_lifetime=abc", "bind_lifetime=-1s",
                     "bind_lifetime=0s", "bind_lifetime=30", "steady_state_lifetime=0s", "max_endpoints=0",
                     "max_endpoints=16777216", "workers=0", "workers=-1", "workers=100000", "api_listen=nowhere",
                     "api_listen=127.0.0.1:99999", "metrics_listen=127.0.0.1", "addr_ports=192.0.2.1",
                     "addr_ports=192.0.2.1:0", "addr_ports=a.example:40000", "io=carrier-pigeon", "drain_timeout=soon",
                     "eal=--no-pci", "mtu=1400",
                     "api_tls_cert=/nonexistent.pem", "first_dialect=maybe", "caller_rate=-1", "no_such_flag=1"):
            with self.subTest(flag):
                self.assert_refused(f"--{flag}", names=flag.split("=")[0])

    def test_values_of_dpdk(self):
        self.assert_refused("--io=dpdk", names="--eal")
        for flag in ("rx_descriptors=0", "mbufs=1", "mbuf_size=x", "mtu=67", "udp_checksum=maybe", "kernel_path=kni",
                     "tap_prefix=a/b", "local_addrs=nowhere", "idle=never", "idle_after=200", "idle_sleep=0s",
                     "workers=1000"):
            with self.subTest(flag):
                self.assert_refused("--io=dpdk", "--eal=--no-huge --vdev=net_null0", f"--{flag}",
                                    names=flag.split("=", maxsplit=1)[0])

    def test_stray_argument(self):
        self.assert_refused("relay", names="relay")

    def test_files(self):
        self.assert_refused("--policy_file=/nonexistent.json", names="/nonexistent.json")
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            file.write('{"peers": [],\n "pears": []}')
            file.flush()
            self.assert_refused(f"--policy_file={file.name}", names=f"{file.name}:2")

    def test_taken_ports(self):
        tcp = socket.create_server(("127.0.0.1", 0))
        port = tcp.getsockname()[1]
        for flag in ("api_listen", "metrics_listen"):
            done = subprocess.run([binary("relayd"), "--udp_port=0", "--api_listen=127.0.0.1:0",
                                   "--metrics_listen=127.0.0.1:0", f"--{flag}=127.0.0.1:{port}"],
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10, check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(str(port), done.stderr)

    def test_flagfile(self):
        with tempfile.NamedTemporaryFile("w", suffix=".flags") as file:
            file.write("--bind_lifetime=7s\n--max_endpoints=10\n")
            file.flush()
            self.start(Relayd(f"--flagfile={file.name}"))


class EndTest(e2e.TestCase):
    def test_signals(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            relayd = self.start(Relayd("--workers=3"))
            held = [socket.create_connection(("127.0.0.1", int(relayd.api.rsplit(":", 1)[1]))) for _ in range(10)]
            held[0].sendall(b"POST /v0/relay/endpoint HTTP/1.1\r\nHost:")
            held.append(socket.create_connection(("127.0.0.1", int(relayd.metrics_at.rsplit(":", 1)[1]))))
            relayd.signal(number)
            self.assertEqual(relayd.wait(2.0), 0)

    def test_tells_systemd(self):
        """Type=notify: READY=1 when it is, STOPPING=1 at the end."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "notify")
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            sock.bind(path)
            sock.settimeout(10)
            os.environ["NOTIFY_SOCKET"] = path
            self.addCleanup(os.environ.pop, "NOTIFY_SOCKET")
            relayd = self.start(Relayd())
            self.assertIn(b"READY=1", sock.recv(4096))
            relayd.signal(signal.SIGTERM)
            self.assertEqual(relayd.wait(2.0), 0)
            self.assertIn(b"STOPPING=1", sock.recv(4096))


if __name__ == "__main__":
    e2e.main()
