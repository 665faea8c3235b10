"""Starts the real programs, waits for what they say, and stops them by their own pid."""

import contextlib
import http.client
import json
import os
import re
import subprocess
import tempfile
import threading
import time

import netns

BUILD = os.environ.get("RELAYD_BUILD") or os.path.join(os.path.dirname(__file__), "../../build/release")


def binary(name):
    return os.path.join(BUILD, "ingress" if name == "funnel-node" else "relay", name)


def wait_until(condition, what, timeout=10.0):
    """Asks again until `condition` gives something true, which it returns."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {what}")
        time.sleep(0.02)


class Program:
    """A running program. All lines of its output are kept, and shown when a wait for one fails."""

    command_prefix, pass_fds = (), ()  # For a start by another program, with descriptors of the test's.

    def __init__(self, command, namespace=None, env=None):
        self.command = [str(word) for word in (*self.command_prefix, *command)]
        self.lines = []
        self._heard = threading.Condition()
        self._closed = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        fd = namespace.fd if namespace else None

        def prepare():
            netns.die_with_parent()
            if fd is not None:
                netns.set_namespace(fd)

        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, errors="replace", preexec_fn=prepare,
                                        pass_fds=self.pass_fds, env={**os.environ, **(env or {})})
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self._heard:
                self.lines.append(line.rstrip("\n"))
                self._heard.notify_all()
        with self._heard:
            self._closed = True
            self._heard.notify_all()

    def wait_for(self, pattern, timeout=10.0, after=0):
        """The match in the first line from number `after` on that holds `pattern`."""
        deadline = time.monotonic() + timeout
        with self._heard:
            while True:
                for line in self.lines[after:]:
                    match = re.search(pattern, line)
                    if match:
                        return match
                left = deadline - time.monotonic()
                if left <= 0 or self._closed:
                    raise AssertionError(f"{self.command[0]} did not say /{pattern}/; it said:\n" + self.output())
                self._heard.wait(left)

    def output(self):
        return "\n".join(self.lines)

    def all_output(self):
        """After its end: the whole of it."""
        self._reader.join(5)
        return self.output()

    def signal(self, number):
        os.kill(self.process.pid, number)

    def wait(self, timeout=10.0):
        """The exit status."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.command[0]} still runs after {timeout:g} s:\n{self.output()}") from None

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Relayd(Program):
    """relayd with ports of its own choice, ready when the constructor returns."""

    def __init__(self, *flags, namespace=None, udp_port=0, api="127.0.0.1:0", metrics="127.0.0.1:0", env=None):
        self.namespace = namespace
        super().__init__([binary("relayd"), f"--udp_port={udp_port}", f"--api_listen={api}",
                          f"--metrics_listen={metrics}", *flags], namespace, env)
        ready = self.wait_for(r'msg="?ready"?.*').group(0)
        fields = dict(re.findall(r'(\w+)="?([^\s"]+)', ready))
        self.udp_port = int(fields["udp_port"])
        self.api = fields["api"]
        self.metrics_at = fields["metrics"]

    def connect_api(self, timeout=10):
        host, port = self.api.rsplit(":", 1)
        return http.client.HTTPConnection(host.strip("[]"), int(port), timeout=timeout)

    def call(self, method, path, body=None, headers=None):
        """One request to the API: (status, headers, text)."""
        return self._request(self.api, method, path, body, headers or {})

    def _request(self, where, method, path, body, headers):
        host, port = where.rsplit(":", 1)
        with self.namespace.entered() if self.namespace else contextlib.nullcontext():
            return http_request(host.strip("[]"), int(port), method, path, body, headers)

    def bytes_in_sockets(self):
        """What waits in the relay's UDP sockets, as the kernel tells it (/proc/net/udp, rx_queue)."""
        with self.namespace.entered() if self.namespace else contextlib.nullcontext():
            total = 0
            for table in ("udp", "udp6"):
                with open(f"/proc/thread-self/net/{table}", encoding="ascii") as file:
                    for row in list(map(str.split, file))[1:]:
                        if int(row[1].rsplit(":", 1)[1], 16) == self.udp_port:
                            total += int(row[4].split(":")[1], 16)
            return total

    def try_to_allocate(self, one, other):
        return self.call("POST", "/v0/relay/endpoint", allocation(one, other))

    def allocate(self, one, other):
        """A ServerEndpoint for two keys."""
        status, _, text = self.try_to_allocate(one, other)
        if status != 200:
            raise AssertionError(f"allocation answered {status}: {text}")
        return json.loads(text)

    def sessions(self):
        status, _, text = self.call("GET", "/v0/relay/sessions")
        if status != 200:
            raise AssertionError(f"sessions answered {status}: {text}")
        return json.loads(text)["Sessions"]

    def metrics(self):
        for attempt in range(3):
            # It waits a second for a request, which on a busy machine may come later.
            with contextlib.suppress(http.client.RemoteDisconnected if attempt < 2 else ()):
                status, _, text = self._request(self.metrics_at, "GET", "/metrics", None, {})
                break
        if status != 200:
            raise AssertionError(f"metrics answered {status}")
        return Metrics(text)


def allocation(one, other):
    return json.dumps({"DiscoKeys": [one.text, other.text]})


def http_request(host, port, method, path, body=None, headers=None):
    connection = http.client.HTTPConnection(host, port, timeout=10)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.headers, response.read().decode()
    finally:
        connection.close()


class Metrics:
    """One scrape of the text format."""

    def __init__(self, text):
        self.text = text
        self.samples = {}
        for name, labels, value in re.findall(r"^(\w+)(?:\{(.*?)\})? (\S+)$", text, re.MULTILINE):
            self.samples[name, frozenset(re.findall(r'(\w+)="(.*?)"', labels))] = float(value)

    def get(self, name, **labels):
        return self.samples[name, frozenset(labels.items())]

    def total(self, name, **labels):
        """The sum over all series of that name that have these labels."""
        wanted = set(labels.items())
        return sum(value for (series, has), value in self.samples.items() if series == name and wanted <= has)

    def dropped(self):
        return {dict(labels)["reason"]: value for (name, labels), value in self.samples.items()
                if name == "relayd_dropped_packets_total"}

    def balance(self):
        """What was received less all that became of it: 0 when at rest."""
        return (self.total("relayd_received_packets_total") - self.total("relayd_forwarded_packets_total")
                - self.total("relayd_answered_packets_total") - self.total("relayd_accepted_packets_total")
                - self.total("relayd_to_kernel_packets_total") - self.total("relayd_dropped_packets_total"))


class RelayClient(Program):
    """relay-client for one WireGuard peer; the key's file lives as long as this object."""

    def __init__(self, key, peer, api, listen, wireguard, *flags, namespace=None):
        self._key_file = tempfile.NamedTemporaryFile("w", suffix=".key")
        self._key_file.write(f"privkey:{key.private.hex()}\n")
        self._key_file.flush()
        super().__init__([binary("relay-client"), f"--api=http://{api}", f"--key_file={self._key_file.name}",
                          f"--peer={peer.text}", f"--listen={listen}", f"--wireguard={wireguard}", *flags], namespace)

    def wait_connected(self, timeout=15.0, after=0):
        return self.wait_for(r"state=connected", timeout, after)
