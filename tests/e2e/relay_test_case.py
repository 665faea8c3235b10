"""What the black-box protocol tests share: one relayd, and pairs of clients of it."""

import e2e
from disco import Client, Key, udp_socket
from programs import Relayd, wait_until


class RelayTestCase(e2e.TestCase):
    flags = ()
    # Where the relay and its clients are: here on one machine, elsewhere in the classes of dpdk.py.
    relay_v4, relay_v6 = "127.0.0.1", "::1"
    other_relay_v4s = ("127.0.0.2", "127.0.0.3")
    client_v4, client_v6 = "127.0.0.1", "::1"

    def setUp(self):
        self.relayd = self.start_relayd()

    def start_relayd(self):
        return self.start(Relayd(*self.flags))

    def client_socket(self, relay_ip=None):
        """A client's new socket of the family in which it reaches `relay_ip`."""
        return udp_socket(self.client_v6 if ":" in (relay_ip or self.relay_v4) else self.client_v4)

    def client(self, key, endpoint, peer, relay_ip=None):
        relay_ip = relay_ip or self.relay_v4
        return Client(key, endpoint, peer.public, (relay_ip, self.relayd.udp_port), self.client_socket(relay_ip))

    def pair(self, relay_ip=None, other_ip=None):
        """Two clients of a new endpoint, not bound yet: the first reaches the relay at `relay_ip`."""
        alice, bob = Key(), Key()
        endpoint = self.relayd.allocate(alice, bob)
        return (self.client(alice, endpoint, bob, relay_ip), self.client(bob, endpoint, alice, other_ip or relay_ip))

    def bind(self, *clients, first_dialect=False):
        """Handshakes, and waits until the relay has taken all the answers."""
        before = self.bindings()
        for client in clients:
            if first_dialect:
                client.first_handshake()
            else:
                client.handshake()
        wait_until(lambda: self.bindings() == before + len(clients), "the bindings")

    def bindings(self):
        metrics = self.relayd.metrics()
        return (metrics.get("relayd_handshakes_total", result="bound")
                + metrics.get("relayd_handshakes_total", result="rebound"))

    def bound_pair(self, *ips):
        pair = self.pair(*ips)
        self.bind(*pair)
        return pair

    def assert_relays(self, sender, receiver, body=b"data"):
        """One packet goes through as it is, from the address that the receiver itself bound to."""
        sender.say(body)
        heard = receiver.hear()
        self.assertIsNotNone(heard, "nothing came")
        self.assertEqual(heard[0], sender.data_packet(body))
        self.assertEqual(heard[1][:2], receiver.address[:2])

    def assert_silence(self, *clients):
        """After all that was sent is accounted for, nothing has come."""
        self.wait_at_rest(self.relayd)
        for client in clients:
            self.assertIsNone(client.hear(0.05))
