"""Funnel's figures for bench/figures: relayd's frontend beside HAProxy, funnel-node beside nginx, by turns, in one run.

Every proxy has the measured core to itself; clients (funnel_peer) and what is forwarded to share the others. What counts is
the time that the proxy's process ran (user and system, /proc/PID/task/*/schedstat), so that who generates the load does not
matter as long as it is the same for both.
"""
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import time

from harness import Failed, Missing, Program

NAMES = 1001
HELLO_BYTES = 1755
IDLE = 9000
ROUNDS = 5
GIB = 1 << 30
FRONTEND, HAPROXY, NODE, NGINX = 8443, 8444, 9650, 8445
PEERAPI_BACKEND, PLAIN_BACKEND = 7000, 7001


def note(text):
    print("# " + text, flush=True)


def tool(name):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")
    if path is None:
        raise Missing(f"{name}: deploy/install-deps --bench")
    return path


def loopback(port):
    return f"127.0.0.1:{port}"


class Proxy(Program):
    """A program under measurement: on the measured core alone."""

    def __init__(self, machine, command, port):
        super().__init__(machine, command, {machine.cores.dut})
        self.machine, self.port = machine, port

    def pids(self):
        """Itself and its children: HAProxy and nginx have a worker."""
        children = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(children, encoding="ascii") as file:
            return [self.process.pid, *map(int, file.read().split())]

    def cpu_seconds(self):
        total = 0
        for pid in self.pids():
            for task in os.listdir(f"/proc/{pid}/task"):
                with contextlib.suppress(FileNotFoundError, ProcessLookupError), \
                        open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
                    total += int(file.read().split()[0])
        return total / 1e9

    def anonymous_bytes(self):
        total = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/status", encoding="ascii") as file:
                total += next(int(line.split()[1]) for line in file if line.startswith("RssAnon")) * 1024
        return total

    def wait_listening(self):
        """Until its port takes a connection."""
        deadline = time.monotonic() + 20
        while True:
            with self.machine.namespace.entered():
                done = subprocess.run(["ss", "-Hltn", f"sport = :{self.port}"], capture_output=True, text=True, check=True)
            if done.stdout.strip():
                return self
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise Failed(f"{self.name()} does not listen on {self.port}:\n" + self.tail())
            time.sleep(0.05)


def relayd(machine):
    """The frontend, with NAMES routes to the one node."""
    routes = [{"name": f"node{i}.example", "ports": [443], "peerapi": [loopback(PEERAPI_BACKEND)]} for i in range(NAMES)]
    policy = machine.folder / "policy.json"
    policy.write_text(json.dumps({"peers": [{"prefix": "127.0.0.0/8", "capabilities": ["admin"]}],
                                  "funnel": {"routes": routes}}))
    return Proxy(machine, [
        machine.program("relayd", "relay"), "--udp_port=0", "--addr_ports=127.0.0.1:40000", f"--policy_file={policy}",
        "--api_listen=127.0.0.1:9640", "--metrics_listen=127.0.0.1:9641", f"--funnel_listen={loopback(FRONTEND)}=443",
        "--access_log=/dev/null"], FRONTEND).wait_listening()


def haproxy(machine, splice):
    names = machine.folder / "names.map"
    names.write_text("".join(f"node{i}.example plain\n" for i in range(NAMES)))
    config = machine.folder / "haproxy.cfg"
    config.write_text(f"""global
  nbthread 1
  maxconn {1000 if splice else 9500}
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  {"option splice-auto" if splice else ""}
frontend public
  bind {loopback(HAPROXY)}
  tcp-request inspect-delay 5s
  tcp-request content accept if {{ req.ssl_hello_type 1 }}
  use_backend %[req.ssl_sni,lower,map_str({names},none)]
backend none
backend plain
  server node {loopback(PLAIN_BACKEND)}
""")
    return Proxy(machine, [tool("haproxy"), "-db", "-f", config], HAPROXY).wait_listening()


def certificate(machine):
    cert, key = machine.folder / "node.pem", machine.folder / "node.key"
    if not cert.exists():
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", key, "-out", cert, "-days", "30", "-subj", "/CN=node0.example",
                        "-addext", "subjectAltName=DNS:node0.example"], check=True, capture_output=True)
    return cert, key


def funnel_node(machine):
    cert, key = certificate(machine)
    config = machine.folder / "node.json"
    config.write_text(json.dumps({
        "Listen": [loopback(NODE)],
        "Peers": [{"prefix": "127.0.0.0/8", "capabilities": ["ingress"]}],
        "TCP": {"443": {"TCPForward": loopback(PLAIN_BACKEND), "TerminateTLS": "node0.example"}},
        "AllowFunnel": {"node0.example:443": True},
        "Certificates": [{"Name": "node0.example", "Cert": str(cert), "Key": str(key)}]}))
    return Proxy(machine, [machine.program("funnel-node", "ingress"), f"--config={config}",
                           "--metrics_listen=127.0.0.1:9642"], NODE).wait_listening()


def nginx(machine):
    cert, key = certificate(machine)
    module = "/usr/lib/nginx/modules/ngx_stream_module.so"
    if not os.path.exists(module):
        raise Missing("nginx's stream module: deploy/install-deps --bench")
    config = machine.folder / "nginx.conf"
    config.write_text(f"""load_module {module};
worker_processes 1;
daemon off;
pid {machine.folder}/nginx.pid;
error_log stderr warn;
worker_rlimit_nofile 20000;
events {{ worker_connections 10000; }}
stream {{
  server {{
    listen {loopback(NGINX)} ssl backlog=4096;
    ssl_certificate {cert};
    ssl_certificate_key {key};
    ssl_protocols TLSv1.2 TLSv1.3;
    tcp_nodelay on;
    proxy_pass {loopback(PLAIN_BACKEND)};
  }}
}}
""")
    return Proxy(machine, [tool("nginx"), "-c", config, "-p", machine.folder], NGINX).wait_listening()


@contextlib.contextmanager
def backends(machine, *flags):
    """What proxies forward to, with a peerAPI in front and without."""
    machine.namespace.sysctl("net/ipv4/ip_local_port_range", "10000 65000")
    machine.namespace.sysctl("net/ipv4/tcp_tw_reuse", 1)
    with contextlib.ExitStack() as stack:
        for port, peerapi in ((PEERAPI_BACKEND, True), (PLAIN_BACKEND, False)):
            backend = stack.enter_context(contextlib.closing(Program(machine, [
                machine.program("funnel_peer"), "--role=backend", f"--addr={loopback(port)}",
                f"--peerapi={str(peerapi).lower()}", *flags], machine.cores.of_generator())))
            backend.wait_for("ready")
        yield


def client(machine, port, *flags, timeout=120):
    """One load to its end: its report."""
    with contextlib.closing(Program(machine, [machine.program("funnel_peer"), f"--addr={loopback(port)}", *flags],
                                    machine.cores.of_generator())) as program:
        program.wait(timeout)
        report = json.loads(program.wait_for(r"^\{.*\}$", 5).group(0))
    if report["failed"]:
        raise Failed(f"{report['failed']} of {report['failed'] + report['connections']} connections failed on {port}")
    return report


def alternate(proxies, measure):
    """measure(proxy) by turns; the median ratio of the first's over the second's, of turns next to each other."""
    values = {proxy: [] for proxy in proxies}
    for proxy in proxies:
        measure(proxy)  # Warm.
    for _ in range(ROUNDS):
        for proxy in proxies:
            values[proxy].append(measure(proxy))
    ours, theirs = (values[proxy] for proxy in proxies)
    ratios = [one / other for one, other in zip(ours, theirs)]
    return statistics.median(ratios), statistics.median(ours), statistics.median(theirs), min(ratios), max(ratios)


def per_connection(machine):
    """CPU seconds per 1,000 connections."""
    def measure(proxy):
        before = proxy.cpu_seconds()
        client(machine, proxy.port, "--connections=64", "--total=10000", f"--name_count={NAMES}")
        return (proxy.cpu_seconds() - before) / 10
    with backends(machine, f"--request_bytes={HELLO_BYTES}"), contextlib.closing(relayd(machine)) as ours, \
            contextlib.closing(haproxy(machine, False)) as theirs:
        ratio, mine, other, low, high = alternate((ours, theirs), measure)
    note(f"funnel connections: relayd {mine:.4f} CPU-s per 1,000, HAProxy {other:.4f}; ratio {low:.3f} to {high:.3f}")
    return {"funnel_conn_cpu_ratio": (ratio, "ratio")}


def bulk(connections):
    """CPU seconds per GiB to the clients, HAProxy with splice."""
    size = 4 * GIB // connections
    def run(machine):
        def measure(proxy):
            before = proxy.cpu_seconds()
            report = client(machine, proxy.port, f"--connections={connections}", f"--total={connections}",
                            f"--name_count={NAMES}")
            return (proxy.cpu_seconds() - before) / (report["bytes"] / GIB)
        with backends(machine, f"--request_bytes={HELLO_BYTES}", f"--answer_bytes={size}"), \
                contextlib.closing(relayd(machine)) as ours, contextlib.closing(haproxy(machine, True)) as theirs:
            ratio, mine, other, low, high = alternate((ours, theirs), measure)
        note(f"funnel bulk, {connections} connections: relayd {mine:.3f} CPU-s per GiB, HAProxy with splice {other:.3f}; "
             f"ratio {low:.3f} to {high:.3f}")
        return {f"funnel_bulk_{connections}_cpu_ratio": (ratio, "ratio")}
    return run


def held(machine, proxy):
    """User bytes a connection that is idle behind its first answer, and the share of a core that they all take."""
    before = proxy.anonymous_bytes()
    with contextlib.closing(Program(machine, [
            machine.program("funnel_peer"), f"--addr={loopback(proxy.port)}", "--connections=64", f"--total={IDLE}",
            f"--name_count={NAMES}", "--hold"], machine.cores.of_generator())) as program:
        program.wait_for(f"held {IDLE}", 60)
        time.sleep(2)
        used = proxy.anonymous_bytes() - before
        cpu = proxy.cpu_seconds()
        time.sleep(10)
        share = (proxy.cpu_seconds() - cpu) / 10
    return used / IDLE, 100 * share


def idle(machine):
    with backends(machine, f"--request_bytes={HELLO_BYTES}", "--hold"):
        with contextlib.closing(relayd(machine)) as ours:
            mine, share = held(machine, ours)
        try:
            with contextlib.closing(haproxy(machine, False)) as theirs:
                other, other_share = held(machine, theirs)
            note(f"funnel idle: HAProxy {other:.0f} bytes a connection, {IDLE} take {other_share:.2f} % of a core")
        except Missing as missing:
            note(f"funnel idle: without HAProxy beside it ({missing})")
    note(f"funnel idle: relayd {mine:.0f} bytes a connection, {IDLE} take {share:.2f} % of a core")
    return {"funnel_idle_bytes": (mine, "bytes")}


def server_name(machine):
    """The slowest of hellos that come whole, in segments and byte by byte, in one record and in records of 256 bytes.

    Records of one byte, and a hello of thousands of extensions, are nobody's but an attacker's: noted beside.
    """
    out = subprocess.run(["taskset", "-c", str(machine.cores.dut), machine.program("client_hello_bench"),
                          "--benchmark_format=json", "--benchmark_repetitions=9", "--benchmark_min_time=0.05"],
                         check=True, capture_output=True, text=True, timeout=120).stdout
    medians = {row["run_name"]: row["cpu_time"] for row in json.loads(out[out.index("{"):])["benchmarks"]
               if row.get("aggregate_name") == "median"}
    for name, took in medians.items():
        note(f"server name: {name} {took:.2f} us")
    return {"server_name_us": (max(took for name, took in medians.items()
                                   if name.startswith("ReadHello/") and "record:1/" not in name), "us")}


def node_flags(proxy):
    return ("--peerapi",) if proxy.port == NODE else ()


def tls_handshakes(machine):
    """Full handshakes a second of the proxy's CPU time, each with a forward behind it; ours with its POST in front."""
    def measure(proxy):
        before = proxy.cpu_seconds()
        client(machine, proxy.port, "--tls", "--connections=32", "--total=4000", *node_flags(proxy))
        return 4000 / (proxy.cpu_seconds() - before)
    with backends(machine), contextlib.closing(funnel_node(machine)) as ours, contextlib.closing(nginx(machine)) as theirs:
        ratio, mine, other, low, high = alternate((ours, theirs), measure)
    note(f"TLS handshakes: funnel-node {mine:.0f} a CPU second, nginx {other:.0f}; ratio {low:.3f} to {high:.3f}")
    return {"node_tls_handshake_ratio": (ratio, "ratio")}


def tls_bulk(machine):
    """GiB a second of the proxy's CPU time."""
    size = 2 * GIB
    def measure(proxy):
        before = proxy.cpu_seconds()
        report = client(machine, proxy.port, "--tls", "--connections=1", "--total=1", *node_flags(proxy))
        return report["bytes"] / GIB / (proxy.cpu_seconds() - before)
    with backends(machine, f"--answer_bytes={size}"), contextlib.closing(funnel_node(machine)) as ours, \
            contextlib.closing(nginx(machine)) as theirs:
        ratio, mine, other, low, high = alternate((ours, theirs), measure)
    note(f"TLS bulk: funnel-node {mine:.2f} GiB a CPU second, nginx {other:.2f}; ratio {low:.3f} to {high:.3f}")
    return {"node_tls_bulk_ratio": (ratio, "ratio")}


GROUPS = [
    (("funnel_conn_cpu_ratio",), per_connection),
    (("funnel_bulk_1_cpu_ratio",), bulk(1)),
    (("funnel_bulk_64_cpu_ratio",), bulk(64)),
    (("funnel_idle_bytes",), idle),
    (("server_name_us",), server_name),
    (("node_tls_handshake_ratio",), tls_handshakes),
    (("node_tls_bulk_ratio",), tls_bulk),
]
