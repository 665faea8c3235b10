#!/usr/bin/env python3
"""Writes corpus/{client_hello,proxy_header}/. A file's name begins with the verdict on it and says what it holds."""
import pathlib
import socket
import ssl
import struct

HERE = pathlib.Path(__file__).resolve().parent
NAME = b"node.example"


def write(target, seeds):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in seeds.items():
        (folder / name).write_bytes(content)


def prefixed(content, size):
    return len(content).to_bytes(size, "big") + content


def extension(kind, content):
    return struct.pack(">H", kind) + prefixed(content, 2)


def server_name(name):
    return extension(0, prefixed(b"\0" + prefixed(name, 2), 2))


def alpn(*names):
    return extension(16, prefixed(b"".join(prefixed(name, 1) for name in names), 2))


VERSIONS = extension(43, b"\x04\x03\x04\x03\x03")
GROUPS = extension(10, prefixed(b"\0\x1d\0\x17", 2))
SHARE = struct.pack(">HH", 0x1d, 32) + bytes(range(32))
POST_QUANTUM = (extension(10, prefixed(b"\x11\xec\0\x1d", 2)) +
                extension(51, prefixed(struct.pack(">HH", 0x11ec, 1216) + bytes(1216) + SHARE, 2)))


def message(*extensions, size=0, session=bytes(32), compression=b"\0"):
    """The handshake message; padded so that it takes `size` bytes in one record."""
    def whole(content):
        body = b"\x03\x03" + bytes(range(32)) + prefixed(session, 1)
        body += prefixed(bytes.fromhex("130113021303c02bc02fc02cc030"), 2) + prefixed(compression, 1)
        return b"\1" + prefixed(body + (prefixed(content, 2) if content else b""), 3)

    content = b"".join(extensions)
    room = size - 5 - len(whole(content)) - 4
    return whole(content + extension(21, bytes(room)) if room >= 0 else content)


def record(content, kind=22, version=0x0301):
    return struct.pack(">BH", kind, version) + prefixed(content, 2)


def records(content, size):
    return b"".join(record(content[at:at + size]) for at in range(0, len(content), size))


def from_openssl(version, name=NAME.decode(), protocols=()):
    """What a client that uses OpenSSL sends, with its random parts overwritten: the same bytes at every run."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = version
    context.check_hostname = name is not None
    if protocols:
        context.set_alpn_protocols(protocols)
    out = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    hello = bytearray(out.read())
    hello[11:43] = bytes(range(32))
    hello[44:44 + hello[43]] = bytes(hello[43])
    if version == ssl.TLSVersion.TLSv1_3:
        share = hello.index(bytes.fromhex("003300260024001d0020")) + 10
        hello[share:share + 32] = bytes(32)
    return bytes(hello)


def client_hello():
    curl = (b"h2", b"http/1.1")
    plain = message(server_name(NAME), GROUPS, alpn(*curl), VERSIONS, extension(51, prefixed(SHARE, 2)))
    quantum = message(server_name(NAME), POST_QUANTUM, alpn(*curl), VERSIONS, size=1755)
    tls13 = from_openssl(ssl.TLSVersion.TLSv1_3, protocols=["h2", "http/1.1"])

    def named(name):
        return record(message(server_name(name), VERSIONS))

    def raw_name(content):
        return record(message(extension(0, content), VERSIONS))

    long_name = b".".join([b"a" * 63] * 4)
    early_data = record(b"\1", kind=20, version=0x0303) + record(bytes(200), kind=23, version=0x0303)
    return {
        "done_openssl_tls12": from_openssl(ssl.TLSVersion.TLSv1_2, protocols=["http/1.1"]),
        "done_openssl_tls13": tls13,
        "done_openssl_no_name": from_openssl(ssl.TLSVersion.TLSv1_3, name=None),
        "done_533_bytes": record(message(server_name(NAME), GROUPS, alpn(*curl), VERSIONS, size=533)),
        "done_post_quantum_1755_bytes": record(quantum),
        "done_post_quantum_in_two_records": records(quantum, 1000),
        "done_records_of_1_byte": records(plain, 1),
        "done_records_of_7_bytes": records(plain, 7),
        "done_handshake_header_split": record(plain[:2]) + record(plain[2:]),
        "done_early_data_behind": record(plain) + early_data,
        "done_record_version_0300": record(plain, version=0x0300),
        "done_record_version_03ff": record(plain, version=0x03ff),
        "done_no_extensions": record(message()),
        "done_no_session": record(message(server_name(NAME), session=b"")),
        "done_trailing_dot": named(b"node.example."),
        "done_upper_case": named(b"NODE.example"),
        "done_underscore": named(b"_acme-challenge.node.example"),
        "done_longest_name": named(long_name[:253]),
        "done_acme_alpn": record(message(server_name(NAME), alpn(b"acme-tls/1"), VERSIONS)),
        "done_40_protocols": record(message(server_name(NAME), alpn(*[b"p%d" % i for i in range(40)]))),
        "done_grease": record(message(extension(0x3a3a, b""), server_name(NAME), extension(0xfafa, b"\0"), VERSIONS)),
        "done_16384_bytes": record(message(server_name(NAME), size=16384)),
        "reading_empty": b"",
        "reading_one_byte": b"\x16",
        "reading_record_header_cut": tls13[:4],
        "reading_handshake_header_cut": tls13[:8],
        "reading_body_cut": tls13[:-1],
        "reading_second_record_missing": records(quantum, 1000)[:1005],
        "not_tls_http": b"GET / HTTP/1.1\r\nHost: node.example\r\n\r\n",
        "not_tls_ssh": b"SSH-2.0-OpenSSH_9.2\r\n",
        "not_tls_sslv2": bytes.fromhex("802e0100020015000000100100800200800300800400800500800600400700c0") + bytes(16),
        "not_tls_sslv2_that_asks_for_tls": bytes.fromhex("802b010301001200000010000004000005") + bytes(28),
        "not_tls_alert": record(b"\1\0", kind=21),
        "not_tls_application_data": record(plain, kind=23),
        "not_tls_major_version_2": b"\x16\x02\0" + prefixed(plain, 2),
        "not_tls_dtls": bytes.fromhex("16fefd0000000000000000") + prefixed(plain, 2),
        "not_tls_zero_length_record": record(b"") + record(plain),
        "not_tls_zero_length_record_between": record(plain[:40]) + record(b"") + record(plain[40:]),
        "not_tls_record_of_16385": b"\x16\3\1\x40\1" + plain,
        "not_tls_record_of_65535": b"\x16\3\1\xff\xff" + plain,
        "not_tls_server_hello": record(b"\2" + plain[1:]),
        "not_tls_alert_between": record(plain[:40]) + record(b"\1\0", kind=21) + record(plain[40:]),
        "not_tls_record_beyond_hello": record(plain + b"\x0b\0\0\0"),
        "not_tls_second_record_beyond_hello": record(plain[:40]) + record(plain[40:] + b"\0"),
        "not_tls_empty_hello": record(b"\1\0\0\0"),
        "not_tls_body_of_zeros": record(b"\1\0\0\x40" + bytes(64)),
        "not_tls_session_too_long": record(message(server_name(NAME), session=bytes(33))),
        "not_tls_no_null_compression": record(message(extension(0, b"\0"), compression=b"")),
        "not_tls_extensions_cut": record(b"\1" + prefixed(plain[4:-3], 3)),
        "not_tls_same_extension_twice": record(message(server_name(NAME), server_name(NAME))),
        "not_tls_name_extension_empty": raw_name(b""),
        "not_tls_name_list_empty": raw_name(b"\0\0"),
        "not_tls_name_list_too_long": raw_name(b"\0\x20\0" + prefixed(NAME, 2)),
        "not_tls_name_too_long_for_list": raw_name(prefixed(b"\0\0\x40" + NAME, 2)),
        "not_tls_name_of_other_type": raw_name(prefixed(b"\1" + prefixed(NAME, 2), 2)),
        "not_tls_two_names": raw_name(prefixed((b"\0" + prefixed(NAME, 2)) * 2, 2)),
        "not_tls_alpn_empty": record(message(server_name(NAME), extension(16, b"\0\0"))),
        "not_tls_alpn_empty_protocol": record(message(server_name(NAME), alpn(b"h2", b""))),
        "not_tls_alpn_cut": record(message(server_name(NAME), extension(16, b"\0\3\5h2"))),
        "too_big_length_of_16_mib": record(b"\1\xff\xff\xff" + bytes(100)),
        "too_big_by_one_byte": record(message(server_name(NAME), size=16385))[:600],
        "too_big_in_small_records": records(message(server_name(NAME), size=3000), 1),
        "bad_name_empty": named(b""),
        "bad_name_ipv4": named(b"192.0.2.1"),
        "bad_name_ipv4_as_one_number": named(b"3221225985"),
        "bad_name_ipv6": named(b"2001:db8::1"),
        "bad_name_space": named(b"node example"),
        "bad_name_header_injection": named(b"node.example\r\nX-Forwarded-For: 127.0.0.1"),
        "bad_name_port": named(b"node.example:443"),
        "bad_name_zero_byte": named(b"node.example\0.evil"),
        "bad_name_utf8": named("nöde.example".encode()),
        "bad_name_wildcard": named(b"*.example"),
        "bad_name_two_dots": named(b"node..example"),
        "bad_name_two_trailing_dots": named(b"node.example.."),
        "bad_name_label_of_64": named(b"a" * 64 + b".example"),
        "bad_name_of_254_bytes": named(long_name[:190] + b"." + b"a" * 63),
        "bad_name_of_300_bytes": named(b"a." * 150),
        "bad_name_of_9000_bytes": named(b"a" * 9000),
    }


CRC32C = [0] * 256
for index in range(256):
    value = index
    for _ in range(8):
        value = value >> 1 ^ (0x82f63b78 if value & 1 else 0)
    CRC32C[index] = value


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc = crc >> 8 ^ CRC32C[(crc ^ byte) & 0xff]
    return crc ^ 0xffffffff


def v2(content, command=0x21, family=0x11, length=None):
    size = len(content) if length is None else length
    return b"\r\n\r\n\0\r\nQUIT\n" + struct.pack(">BBH", command, family, size) + content


def tlv(kind, content):
    return bytes([kind]) + prefixed(content, 2)


def with_checksum(content, wrong=0, **more):
    """A TLV of any kind on either side of it."""
    before, after = content + tlv(4, b"pad"), tlv(1, b"h2")
    zeros = v2(before + tlv(3, bytes(4)) + after, **more)
    crc = struct.pack(">I", crc32c(zeros) ^ wrong)
    return v2(before + tlv(3, crc) + after, **more)


def proxy_header():
    ipv4 = socket.inet_aton("192.0.2.1") + socket.inet_aton("198.51.100.7") + struct.pack(">HH", 56324, 443)
    six = [socket.inet_pton(socket.AF_INET6, ip) for ip in ("2001:db8::1", "2001:db8::2")]
    ipv6 = b"".join(six) + struct.pack(">HH", 56324, 443)
    mapped = b"".join([socket.inet_pton(socket.AF_INET6, "::ffff:192.0.2.1"), six[1]]) + struct.pack(">HH", 1, 443)
    longest = b"PROXY TCP6 " + b" ".join([b"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"] * 2) + b" 65535 65535\r\n"
    line = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n"
    unknown = b"PROXY UNKNOWN "
    return {
        "done_v1_tcp4": line,
        "done_v1_tcp4_and_hello": line + record(message(server_name(NAME))),
        "done_v1_tcp6": b"PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n",
        "done_v1_tcp6_mapped": b"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.7 56324 443\r\n",
        "done_v1_tcp6_longest": longest,
        "done_v1_port_0": b"PROXY TCP4 192.0.2.1 198.51.100.7 0 65535\r\n",
        "done_v1_unknown": b"PROXY UNKNOWN\r\n",
        "done_v1_unknown_with_words": unknown + b"ffff::1 ffff::2 65535 65535\r\n",
        "done_v1_unknown_of_107_bytes": unknown + b"x" * (105 - len(unknown)) + b"\r\n",
        "reading_empty": b"",
        "reading_v1_cut": line[:20],
        "reading_v1_lf_missing": line[:-1],
        "reading_v1_106_bytes": unknown + b"x" * (106 - len(unknown)),
        "malformed_v1_107_bytes_without_end": unknown + b"x" * (107 - len(unknown)),
        "malformed_v1_108_bytes": unknown + b"x" * (106 - len(unknown)) + b"\r\n",
        "malformed_http": b"GET / HTTP/1.1\r\n\r\n",
        "malformed_tls": record(message(server_name(NAME))),
        "malformed_lower_case": b"proxy TCP4 192.0.2.1 198.51.100.7 56324 443\r\n",
        "malformed_v1_no_family": b"PROXY \r\n",
        "malformed_v1_udp4": b"PROXY UDP4 192.0.2.1 198.51.100.7 56324 443\r\n",
        "malformed_v1_unknown_run_together": b"PROXY UNKNOWNX\r\n",
        "malformed_v1_two_spaces": b"PROXY TCP4  192.0.2.1 198.51.100.7 56324 443\r\n",
        "malformed_v1_space_at_end": line[:-2] + b" \r\n",
        "malformed_v1_word_missing": b"PROXY TCP4 192.0.2.1 198.51.100.7 56324\r\n",
        "malformed_v1_ipv6_in_tcp4": b"PROXY TCP4 2001:db8::1 198.51.100.7 56324 443\r\n",
        "malformed_v1_ipv4_in_tcp6": b"PROXY TCP6 192.0.2.1 2001:db8::2 56324 443\r\n",
        "malformed_v1_leading_zero_in_ip": b"PROXY TCP4 192.0.2.01 198.51.100.7 56324 443\r\n",
        "malformed_v1_leading_zero_in_port": b"PROXY TCP4 192.0.2.1 198.51.100.7 056324 443\r\n",
        "malformed_v1_port_65536": b"PROXY TCP4 192.0.2.1 198.51.100.7 65536 443\r\n",
        "malformed_v1_port_negative": b"PROXY TCP4 192.0.2.1 198.51.100.7 -1 443\r\n",
        "malformed_v1_port_empty": b"PROXY TCP4 192.0.2.1 198.51.100.7  443\r\n",
        "malformed_v1_zone": b"PROXY TCP6 fe80::1%1 2001:db8::2 56324 443\r\n",
        "malformed_v1_zero_byte": b"PROXY TCP4 192.0.2.1\0 198.51.100.7 56324 443\r\n",
        "malformed_v1_bare_lf": line[:-2] + b"\nPROXY\r\n",
        "done_v2_tcp4": v2(ipv4),
        "done_v2_tcp4_and_hello": v2(ipv4) + record(message(server_name(NAME))),
        "done_v2_tcp6": v2(ipv6, family=0x21),
        "done_v2_tcp6_mapped_source": v2(mapped, family=0x21),
        "done_v2_tlvs": v2(ipv4 + tlv(4, b"") + tlv(1, b"h2") + tlv(0xea, bytes(90))),
        "done_v2_checksum": with_checksum(ipv4),
        "done_v2_checksum_tcp6": with_checksum(ipv6, family=0x21),
        "done_v2_local": v2(b"", command=0x20, family=0),
        "done_v2_local_with_addresses": v2(ipv4, command=0x20),
        "done_v2_local_with_odd_bytes": v2(b"\1\2\3", command=0x20),
        "done_v2_unspecified": v2(b"", family=0),
        "done_v2_unix": v2(bytes(216), family=0x31),
        "done_v2_udp4": v2(ipv4, family=0x12),
        "done_v2_552_bytes": v2(ipv4 + tlv(4, bytes(536 - 12 - 3))),
        "reading_v2_signature_cut": v2(ipv4)[:7],
        "reading_v2_length_cut": v2(ipv4)[:15],
        "reading_v2_addresses_cut": v2(ipv4)[:27],
        "reading_v2_552_bytes_cut": v2(ipv4 + tlv(4, bytes(536 - 12 - 3)))[:-1],
        "malformed_v2_553_bytes": v2(ipv4 + tlv(4, bytes(536 - 12 - 2))),
        "malformed_v2_length_65535": v2(ipv4, length=0xffff),
        "malformed_v2_signature": v2(ipv4).replace(b"QUIT", b"QUIX"),
        "malformed_v2_version_1": v2(ipv4, command=0x11),
        "malformed_v2_version_3": v2(ipv4, command=0x31),
        "malformed_v2_command_2": v2(ipv4, command=0x22),
        "malformed_v2_family_4": v2(ipv4, family=0x41),
        "malformed_v2_transport_3": v2(ipv4, family=0x13),
        "malformed_v2_tcp4_too_short": v2(ipv4[:-1]),
        "malformed_v2_tcp6_too_short": v2(ipv4, family=0x21),
        "malformed_v2_tlv_header_cut": v2(ipv4 + b"\4\0"),
        "malformed_v2_tlv_cut": v2(ipv4 + b"\4\0\5abcd"),
        "malformed_v2_checksum_wrong": with_checksum(ipv4, wrong=1),
        "malformed_v2_checksum_of_3_bytes": v2(ipv4 + tlv(3, b"abc")),
    }


if __name__ == "__main__":
    write("client_hello", client_hello())
    write("proxy_header", proxy_header())
