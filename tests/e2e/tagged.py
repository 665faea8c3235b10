"""A UDP socket behind an 802.1Q tag, whether or not the kernel knows VLANs: it makes and reads whole frames."""

import socket
import struct

PACKET_AUXDATA, SOL_PACKET = 8, 263  # linux/if_packet.h: where the kernel puts a tag that it took off.
TP_STATUS_VLAN_VALID = 1 << 4


def checksum(data):
    """RFC 1071, as it goes into a header."""
    if len(data) & 1:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip_bytes(ip):
    return socket.inet_pton(socket.AF_INET6 if ":" in ip else socket.AF_INET, ip)


def udp_datagram(source, destination, payload):
    """UDP header and payload between two (ip, port)."""
    header = struct.pack(">HHH", source[1], destination[1], 8 + len(payload))
    pseudo = ip_bytes(source[0]) + ip_bytes(destination[0]) + struct.pack(">IxxxB", 8 + len(payload), 17)
    sum_ = checksum(pseudo + header + b"\0\0" + payload) or 0xFFFF
    return header + struct.pack(">H", sum_) + payload


def ip_packet(source, destination, body, next_header=socket.IPPROTO_UDP):
    """An IP packet between two addresses."""
    if ":" in source:
        header = struct.pack(">IHBB", 6 << 28, len(body), next_header, 64)
        return header + ip_bytes(source) + ip_bytes(destination) + body
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 64, next_header, 0)
    addresses = ip_bytes(source) + ip_bytes(destination)
    return header[:10] + struct.pack(">H", checksum(header + addresses)) + addresses + body


def ethernet(destination, source, ip, vlan=None):
    """A frame; MAC addresses as text."""
    tag = b"" if vlan is None else struct.pack(">HH", 0x8100, vlan)
    kind = b"\x86\xdd" if ip[0] >> 4 == 6 else b"\x08\x00"
    return bytes.fromhex((destination + source).replace(":", "")) + tag + kind + ip


class TaggedSocket:
    """What disco.Client needs of a socket, on `interface` of the namespace that the caller is in."""

    def __init__(self, interface, vlan, address, mac, relay_mac):
        self.vlan, self.address, self.mac, self.relay_mac = vlan, address, mac, relay_mac
        self._raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))  # ETH_P_ALL
        self._raw.bind((interface, 3))
        self._raw.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self._heard = []

    def fileno(self):
        return self._raw.fileno()

    def sendto(self, payload, address):
        ip = ip_packet(self.address[0], address[0], udp_datagram(self.address, address, payload))
        self._raw.send(ethernet(self.relay_mac, self.mac, ip, self.vlan))

    def recvfrom(self, size):
        """The next frame to this socket's address; others, and those without the tag, are passed over."""
        while True:
            frame, ancillary, _, address = self._raw.recvmsg(size, 512)
            if address[2] == socket.PACKET_OUTGOING or frame[:6].hex() != self.mac.replace(":", ""):
                continue
            vlan, kind, ip = None, frame[12:14], frame[14:]
            if kind == b"\x81\x00":
                vlan, kind, ip = struct.unpack(">H", ip[:2])[0] & 0xFFF, ip[2:4], ip[4:]
            for level, number, data in ancillary:
                if (level, number) == (SOL_PACKET, PACKET_AUXDATA):
                    status, tci = struct.unpack_from("I", data)[0], struct.unpack_from("H", data, 16)[0]
                    vlan = tci & 0xFFF if status & TP_STATUS_VLAN_VALID else vlan
            is_v4 = kind == b"\x08\x00"
            source, destination = (ip[12:16], ip[16:20]) if is_v4 else (ip[8:24], ip[24:40])
            udp = ip[(ip[0] & 15) * 4 if is_v4 else 40:]
            if (vlan, destination, udp[2:4]) != (self.vlan, ip_bytes(self.address[0]), self.address[1].to_bytes(2)):
                continue
            pseudo = source + destination + struct.pack(">IxxxB", len(udp), 17)
            if checksum(pseudo + udp) != 0:
                raise AssertionError("a wrong UDP checksum")
            ip_text = socket.inet_ntop(socket.AF_INET if is_v4 else socket.AF_INET6, source)
            return udp[8:int.from_bytes(udp[4:6])], (ip_text, int.from_bytes(udp[:2]))
