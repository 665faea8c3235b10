"""What the black-box protocol tests share: one relayd, and pairs of clients of it."""

import e2e
from disco import Client, Key
from programs import Relayd, wait_until


class RelayTestCase(e2e.TestCase):
    flags = ()

    def setUp(self):
        self.relayd = self.start(Relayd(*self.flags))

    def pair(self, relay_ip="127.0.0.1", other_ip=None):
        """Two clients of a new endpoint, not bound yet: the first reaches the relay at `relay_ip`."""
        alice, bob = Key(), Key()
        endpoint = self.relayd.allocate(alice, bob)
        port = self.relayd.udp_port
        return (Client(alice, endpoint, bob.public, (relay_ip, port)),
                Client(bob, endpoint, alice.public, (other_ip or relay_ip, port)))

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
