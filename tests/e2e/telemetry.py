"""DPDK's own telemetry of a running relayd: what dpdk-telemetry.py asks, and how."""

import json
import os
import socket


class Telemetry:
    """`folder`: what was RUNTIME_DIRECTORY of the relayd, of which it is the only one there."""

    def __init__(self, folder):
        self._path = os.path.join(folder, "dpdk/rte/dpdk_telemetry.v2")

    def ask(self, command, *parameters):
        """The answer's body; None if there is none."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
            sock.settimeout(10)
            sock.connect(self._path)
            most = json.loads(sock.recv(1024))["max_output_len"]  # Beside its version and process.
            sock.send(",".join([command, *map(str, parameters)]).encode())
            return json.loads(sock.recv(most + 1024))[command]

    def buffers_in_use(self):
        """By pool of packet buffers: at this moment, where /metrics looks once a second."""
        return {name: pool["in_use"] for name, pool in self.ask("/relayd/pools").items()}
