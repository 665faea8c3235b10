"""The whole path: a public client, the ingress, and a node that has no public address.

    public --- ingress (relayd: frontend and relay; relay-client, wireguard-go) --- node (relay-client, wireguard-go,
                                                                                          funnel-node, web servers)

The ingress reaches the node's peerAPI through a WireGuard tunnel alone, whose packets go through its own relay.
"""

import os
import tempfile

import netns
from disco import Key
from funnel import NAME, Authority, Frontend, FunnelNode, Web, node_config, route
from programs import Program, wait_until
from wireguard import API_PORT, METRICS_PORT, RELAY_V4, UDP_PORT, Machine, RelayMachine

PUBLIC_V4, PUBLIC_V6 = "198.18.3.1", "2001:db8:3::1"
PEERAPI_PORT = 9650


class Beside(Machine):
    """WireGuard and relay-client on the relay's own machine."""

    def __init__(self, relay):  # pylint: disable=super-init-not-called
        self.label, self.fd, self.number, self.relay = relay.label, relay.fd, 1, relay
        self.key = Key()
        self.inner_v4, self.inner_v6 = "198.19.0.1", "2001:db8:ffff::1"
        self.api_host = "127.0.0.1"


class Nginx(Program):
    """Serves one folder on 127.0.0.1:`port` of a namespace."""

    def __init__(self, namespace, port):
        self._folder = tempfile.TemporaryDirectory()
        folder = self._folder.name
        os.chmod(folder, 0o755)
        self.root = os.path.join(folder, "www")
        os.mkdir(self.root)
        with open(os.path.join(self.root, "index.html"), "w", encoding="ascii") as file:
            file.write("<title>node</title><p id=hello>served by the node</p>\n")
        config = os.path.join(folder, "nginx.conf")
        paths = "".join(f"  {name}_temp_path {folder}/{name};\n"
                        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with open(config, "w", encoding="ascii") as file:
            file.write(f"worker_processes 1;\ndaemon off;\npid {folder}/pid;\nerror_log stderr warn;\n"
                       f"events {{ worker_connections 1000; }}\nhttp {{\n  access_log off;\n{paths}"
                       f"  server {{ listen 127.0.0.1:{port}; root {self.root}; }}\n}}\n")
        super().__init__(["nginx", "-c", config, "-p", folder, "-e", "stderr"], namespace)
        wait_until(lambda: namespace.run("ss", "-Hltn", f"sport = :{port}").stdout.strip(), "nginx")


class FunnelLab:
    def __init__(self, test, relayd_flags=(), node_flags=()):
        self.test = test
        self.authority = Authority()
        self.ingress = RelayMachine("ingress")
        test.addCleanup(self.ingress.close)
        self.ingress.ip(f"address add {RELAY_V4}/32 dev lo")
        self.public = netns.Namespace("public")
        test.addCleanup(self.public.close)
        netns.connect(self.ingress, self.public, "public0", (f"{PUBLIC_V4}/24", f"{PUBLIC_V6}/64"),
                      ("198.18.3.2/24", "2001:db8:3::2/64"))
        self.node = Machine("node", 2, self.ingress, (4,))
        test.addCleanup(self.node.close)
        self.beside = Beside(self.ingress)
        self.peerapi = f"{self.node.inner_v4}:{PEERAPI_PORT}"
        self.start_frontend(relayd_flags)
        self.start_tunnel()
        self.web = test.start(Web(self.node))
        self.nginx = test.start(Nginx(self.node, 8000))
        self.node_config = node_config(self.authority, self.peerapi, proxy="8000", peers=f"{self.beside.inner_v4}/32")
        self.node_config["Web"][f"{NAME}:443"]["Handlers"]["/app"] = {"Proxy": str(self.web.port)}
        self.start_node(node_flags)

    def start_frontend(self, flags):
        peers = [{"prefix": prefix, "capabilities": ["admin", "relay"]} for prefix in ("127.0.0.0/8", "198.18.0.0/16")]
        self.frontend = self.test.start(Frontend(
            [route(NAME, self.peerapi, ports=[443])], f"--addr_ports={RELAY_V4}:{UDP_PORT}", *flags, peers=peers,
            listen=f"{PUBLIC_V4}:443", namespace=self.ingress, udp_port=UDP_PORT, api=f"[::]:{API_PORT}",
            metrics=f"127.0.0.1:{METRICS_PORT}"))
        self.frontend.api = f"127.0.0.1:{API_PORT}"

    def start_tunnel(self):
        pair = (self.beside, self.node)
        for machine in pair:
            machine.start_wireguard(self.test)
        self.beside.add_peer(self.node)
        self.node.add_peer(self.beside)
        clients = [self.test.start(machine.start_relay_client(peer)) for machine, peer in (pair, pair[::-1])]
        for client in clients:
            client.wait_connected()
        if not self.beside.pings(self.node.inner_v4):
            raise AssertionError("the tunnel does not carry a ping")

    def start_node(self, flags=()):
        self.funnel_node = self.test.start(FunnelNode(self.node_config, *flags, namespace=self.node))
        return self.funnel_node
