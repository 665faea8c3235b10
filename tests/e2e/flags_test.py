#!/usr/bin/env python3
"""Wrong flags and files are refused at the start: one clear line, exit status 2. Ends are clean."""

import os
import re
import signal
import socket
import subprocess
import tempfile
import unittest

import e2e
import netns
from dpdk import EAL, HAS_ROOT
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
        """Wrong ones are refused before DPDK or anything else has been touched."""
        self.assert_refused("--io=dpdk", names="--eal")
        for flag in ("eal=--vdev=net_null0", "mtu=1400", "udp_checksum=compute", "kernel_path=none", "idle=poll",
                     "tap_prefix=x", "mbufs=8192", "reassemble", "local_addrs=192.0.2.1"):
            with self.subTest(flag):
                self.assert_refused(f"--{flag}", names=flag.split("=")[0])  # Without --io=dpdk.
        for flag in ("mtu=67", "mtu=65536", "mbuf_size=1", "mbuf_size=x", "mbufs=1", "rx_descriptors=0",
                     "tx_descriptors=70000", "udp_checksum=perhaps", "kernel_path=kni", "tap_prefix=",
                     "tap_prefix=a/b", "tap_prefix=much-too-long-a-name", "local_addrs=here", "local_addrs=224.0.0.1",
                     "idle=never", "idle_after=-1s", "idle_after=200", "idle_sleep=0s", "idle_sleep=2s", "workers=0",
                     "workers=1000", "cores=0,1", "cores=9999", "eal="):
            with self.subTest(flag):
                self.assert_refused("--io=dpdk", f"--eal={EAL} --vdev=net_null0", f"--{flag}",
                                    names=flag.split("=")[0])
        for eal in ("--workers 2 --vdev=net_null0", "--help", "--proc-type=secondary --vdev=net_null0", "net_null0",
                    "--vdev='net_null0", "--vdev=net_af_xdp0,iface=lo,queue_count=2"):
            with self.subTest(eal):
                self.assert_refused("--io=dpdk", f"--eal={eal}", names="--eal")

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


class CheckTest(e2e.TestCase):
    """relayd --check: what would happen on standard output, what is wrong on standard error too."""

    def check(self, *flags):
        done = subprocess.run([binary("relayd"), "--check", "--udp_port=0", "--api_listen=127.0.0.1:0",
                               "--metrics_listen=127.0.0.1:0", *flags],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False)
        return done.returncode, done.stdout, done.stderr

    def assert_good(self, *flags):
        status, report, errors = self.check(*flags)
        self.assertEqual(status, 0, report + errors)
        self.assertRegex(report, r"check +relayd would start\n\Z")
        self.assertNotRegex(report, "(?m)^error")
        return report

    def assert_bad(self, *flags, status, names):
        found, report, errors = self.check(*flags)
        self.assertEqual(found, status, report + errors)
        self.assertIn(names, errors.splitlines()[-1])
        return report

    def test_sockets(self):
        report = self.assert_good("--workers=2")
        self.assertRegex(report, r"io +socket")
        self.assert_bad("--policy_file=/nonexistent.json", status=2, names="/nonexistent.json")
        self.assert_bad("--udp_port=-1", status=2, names="udp_port")
        taken = socket.create_server(("127.0.0.1", 0))
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        self.assertRegex(self.assert_bad(f"--api_listen={where}", status=1, names=where), "(?m)^error")

    @unittest.skipUnless(HAS_ROOT, "needs root")
    def test_tap(self):
        report = self.assert_good("--io=dpdk", f"--eal={EAL} --vdev=net_tap0,iface=wire0")
        self.assertRegex(report, r"net_tap0, driver net_tap, .*MTU 1500")
        self.assertIn("TAP interface relay0", report)
        self.assertNotRegex(report, "(?m)^warning")
        self.assertEqual(re.findall("wire0|relay0", netns.here().ip("-o link")), [])
        self.assert_bad("--io=dpdk", f"--eal={EAL} --vdev=net_tap0,iface=wire0", "--mtu=9000", "--mbuf_size=9216",
                        status=2, names="net_tap0 (net_tap): MTU 9000: the driver takes 1")

    @unittest.skipUnless(HAS_ROOT, "needs root")
    def test_what_only_a_start_would_meet(self):
        """A TAP interface that cannot be made."""
        flags = ("--io=dpdk", f"--eal={EAL} --vdev=net_null0")
        here = netns.here()
        here.ip("link add relay0 type veth peer name relay0peer")
        self.addCleanup(here.ip, "link delete relay0")
        self.assertRegex(self.assert_bad(*flags, status=1, names="TAP interface relay0"), "(?m)^error")
        self.assert_good(*flags, "--tap_prefix=other")

    @unittest.skipUnless(HAS_ROOT, "needs root")
    def test_af_xdp(self):
        here = netns.here()
        here.ip("link add left type veth peer name right")
        self.addCleanup(here.ip, "link delete left")
        for side in ("left", "right"):
            here.ip(f"link set {side} up")
        for forwarding in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
            here.sysctl(f"net/{forwarding}", 0)  # As the machine is, in new namespaces.
        flags = ("--io=dpdk", f"--eal={EAL} --vdev=net_af_xdp0,iface=left")
        report = self.assert_good(*flags)
        self.assertRegex(report, "(?m)^warning.*left is virtual.*--udp_checksum=compute")
        self.assertNotRegex(self.assert_good(*flags, "--udp_checksum=compute"), "(?m)^warning")
        report = self.assert_good(*flags, "--udp_checksum=compute", "--workers=2")
        self.assertRegex(report, "(?m)^warning.*two workers means two ports")
        for forwarding in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
            here.sysctl(f"net/{forwarding}", 1)
            self.assertRegex(self.assert_good(*flags), "(?m)^warning.*forwards packets")
            here.sysctl(f"net/{forwarding}", 0)
        self.assertNotIn("prog/xdp", here.ip("-d link"))

    @unittest.skipUnless(HAS_ROOT, "needs root")
    def test_vlans_on_af_xdp(self):
        here = netns.here()
        here.ip("link add left up type veth peer name right")
        self.addCleanup(here.ip, "link delete left")
        if here.run("ip", *"link add link left name left.7 type vlan id 7".split(), check=False).returncode != 0:
            self.skipTest("this kernel has no VLANs")
        report = self.assert_good("--io=dpdk", f"--eal={EAL} --vdev=net_af_xdp0,iface=left")
        self.assertRegex(report, "(?m)^warning.*left has VLANs.*rxvlan off")

    def test_what_is_wrong_with_ports(self):
        for eal, names in (("--vdev=net_af_xdp0,iface=nowhere", "nowhere"), ("--vdev=net_nonsense0", "net_nonsense0"),
                           ("--vdev=net_tap0 --no-such-option", "no-such-option"), ("", "no port")):
            with self.subTest(eal):
                found, report, errors = self.check("--io=dpdk", f"--eal={EAL} {eal}")
                self.assertIn(found, (1, 2))
                self.assertIn(names, errors.splitlines()[-1])


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
