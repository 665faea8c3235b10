#!/usr/bin/env python3
"""Writes corpus/{geneve,disco,api_body,handle_packet,frame,worker,serve_config}/ from the protocol vectors. A file's name says what it holds."""
import json
import pathlib
import socket
import struct

HERE = pathlib.Path(__file__).resolve().parent
VECTORS = json.loads((HERE.parent / "data" / "reference.json").read_text())
KEYS = [pair["public_text"] for pair in VECTORS["keys"]["pairs"].values()]


def write(target, seeds):
    """One file for each of (name, bytes); what another file holds already is left out."""
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    seen = {file.read_bytes() for file in folder.iterdir()}
    for name, content in seeds:
        if content not in seen:
            seen.add(content)
            (folder / name.replace("/", "_")).write_bytes(content)


def geneve():
    for case in VECTORS["geneve"]["decode"]:
        yield case["name"], bytes.fromhex(case["bytes_hex"])


def disco():
    for case in VECTORS["disco_messages"]:
        yield case["name"], bytes.fromhex(case["payload_hex"])
    for case in VECTORS["disco_parse"]:
        yield case["name"], bytes.fromhex(case["payload_hex"])
    for case in VECTORS["disco_wrapper"]:
        yield "packet_" + case["name"], bytes.fromhex(case["packet_hex"])
    for case in VECTORS["seed_2025_03"]["disco_messages"]:
        yield "first_dialect_" + case["name"], bytes.fromhex(case["payload_hex"])
    yield "ping_zero_key_long_padding", b"\x01\x00" + bytes(12 + 32 + 40)


def api_body():
    section = VECTORS["server_endpoint_json"]
    texts = {"allocate_request": section["allocate_request_json"]}
    texts |= {"endpoint_" + case["name"]: case["json"] for case in section["encode"]}
    texts |= {"endpoint_" + case["name"]: case["input"] for case in section["decode"]}
    texts |= {"first_dialect_" + case["name"]: case["json"] for case in VECTORS["seed_2025_03"]["server_endpoint_json"]}
    texts |= {"duration_" + case["ns"].replace("-", "minus_"): case["text"] for case in section["go_durations"]}
    quoted = [json.dumps(key) for key in KEYS]
    texts |= {
        "allocate_one_key": '{"DiscoKeys":[%s]}' % quoted[0],
        "allocate_three_keys": '{"DiscoKeys":[%s,%s,%s]}' % tuple(quoted[:3]),
        "allocate_null_key": '{"DiscoKeys":[%s,null]}' % quoted[0],
        "allocate_lower_case_name": '{"discokeys":[%s,%s]}' % tuple(quoted[:2]),
        "allocate_unknown_fields": '{"x":[{"y":1e9}],"DiscoKeys":[%s,%s]}' % tuple(quoted[:2]),
        "allocate_trailing_garbage": '{"DiscoKeys":[%s,%s]}x' % tuple(quoted[:2]),
        "allocate_truncated": '{"DiscoKeys":[%s,' % quoted[0],
        "allocate_deep": "[" * 64,
        "key": KEYS[0],
        "key_upper_case_hex": "discokey:" + KEYS[0].removeprefix("discokey:").upper(),
        "duration_fraction": "1h15m30.918273645s",
        "duration_long_fraction": "0.100000000000000000000h",
        "duration_over_int64": "9223372036854775808ns",
        "addr_ipv4": "192.0.2.7:41641",
        "addr_ipv4_leading_zero": "192.0.02.7:41641",
        "addr_ipv6": "[2001:db8::1:0:0:1]:65535",
        "addr_mapped": "[::ffff:192.0.2.7]:80",
        "addr_zone_index": "[fe80::1%3]:80",
        "addr_zone_name": "[fe80::1%lo]:80",
        "addr_no_brackets": "::1:80",
    }
    return ((name, text.encode()) for name, text in texts.items())


def handle_packet():
    raw, sealed_a, _, bind_a, bind_b, answer_a, answer_b, data, advance, reallocate = range(10)

    def step(operation, source=0, content=b""):
        return bytes([operation | source << 4, len(content)]) + content

    bind_both = step(bind_a) + step(answer_a) + step(bind_b, 1) + step(answer_b, 1)
    yield "bind_both_and_relay", bind_both + step(data, 0, b"hello") + step(data, 1, b"world")
    yield "data_before_bound", step(data) + step(bind_a) + step(answer_a) + step(data)
    yield "data_from_elsewhere", bind_both + step(data, 2, b"evil")
    yield "roam", bind_both + step(bind_a, 2) + step(data) + step(answer_a, 2) + step(data, 2) + step(data)
    yield "roam_link_local", bind_both + step(bind_a, 3) + step(answer_a, 3) + step(data, 1)
    yield "answer_twice", step(bind_a) + step(answer_a) + step(answer_a)
    yield "answer_from_elsewhere", step(bind_a) + step(answer_a, 2) + step(answer_a)
    yield "answer_too_late", step(bind_a) + step(advance, 0, b"x" * 12) + step(answer_a)
    yield "bind_multicast_source", step(bind_a, 4) + step(bind_a, 5)
    yield "bind_flood", step(bind_a) * 45 + step(advance) + step(answer_a)
    yield "reallocated_in_between", step(bind_a) + step(reallocate) + step(answer_a) + bind_both + step(data)
    yield "empty_datagrams", step(raw) + bind_both + step(raw)
    first = bytes(32)
    yield "first_dialect", step(sealed_a, 0, b"\x04\x00" + first) + step(sealed_a, 2, b"\x04\x00" + first) + step(
        sealed_a, 0, b"\x06\x00" + first)
    common = bytes([0, 0, 0, 1, 0, 0, 0, 9]) + bytes(64)
    yield "sealed_bind_wrong_remote_key", step(sealed_a, 0, b"\x04\x00" + common)
    for case in VECTORS["disco_wrapper"]:
        packet = bytes.fromhex("00807a1100000100" + case["packet_hex"])
        if len(packet) < 256:
            yield "raw_" + case["name"], step(raw, 0, packet)


def checksum(data):
    total = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


RELAY = {4: "198.18.0.254", 6: "2001:db8::fe"}
CLIENT = {4: ("198.18.0.1", 1001), 6: ("2001:db8::2", 1002)}  # Bound to VNI 1 (frame_fuzz.cc).
ADDRESS_FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
WIREGUARD_DATA = bytes.fromhex("00007a1200000100") + b"\x04\0\0\0" + bytes(28)


def udp(version, payload=WIREGUARD_DATA, source=None, to=None, port=7777, length=None, check=None):
    """Addresses and the UDP datagram with its right checksum."""
    source = source or CLIENT[version]
    pair = (socket.inet_pton(ADDRESS_FAMILY[version], source[0]) +
            socket.inet_pton(ADDRESS_FAMILY[version], to or RELAY[version]))
    head = struct.pack(">HHH", source[1], port, 8 + len(payload))
    right = checksum(pair + struct.pack(">HH", 17, 8 + len(payload)) + head + bytes(2) + payload) or 0xffff
    head = head[:4] + struct.pack(">HH", 8 + len(payload) if length is None else length,
                                  right if check is None else check)
    return pair, head + payload


def ipv4(datagram, options=b"", tos=0, fragment=0x4000, protocol=17, total=None, check=None, first=None):
    pair, body = datagram
    size = 20 + len(options)
    head = struct.pack(">BBHHHBBH", first or 0x40 | size // 4, tos, total or size + len(body), 7, fragment, 64, protocol,
                       0) + pair + options
    head = head[:10] + struct.pack(">H", checksum(head) if check is None else check) + head[12:]
    return 0x0800, head + body


def ipv6(datagram, traffic_class=0, extensions=b"", next_header=17, payload=None):
    pair, body = datagram
    body = extensions + body
    return 0x86dd, struct.pack(">IHBB", 0x60000000 | traffic_class << 20,
                               len(body) if payload is None else payload, next_header, 64) + pair + body


def ethernet(packet, tags=b"", to=b"\2\0\0\0\0\1", padding=0):
    ether_type, body = packet
    return to + b"\2\0\0\0\0\2" + tags + struct.pack(">H", ether_type) + body + bytes(padding)


def frame():
    vlan = bytes.fromhex("81000005")
    bind = bytes.fromhex("00807a1100000100") + "TS\U0001f4ac".encode() + bytes(150)
    long = WIREGUARD_DATA + bytes(1300)
    fragment = bytes([17, 0])
    frames = {
        "v4_data": ethernet(ipv4(udp(4))),
        "v4_data_long": ethernet(ipv4(udp(4, long))),
        "v4_data_vlan": ethernet(ipv4(udp(4)), vlan),
        "v4_options": ethernet(ipv4(udp(4), options=bytes([1] * 8))),
        "v4_all_options_vlan": ethernet(ipv4(udp(4), options=bytes([1] * 40)), vlan),
        "v4_ecn_dscp": ethernet(ipv4(udp(4), tos=0xbb)),
        "v4_padding": ethernet(ipv4(udp(4, b"")), padding=18),
        "v4_no_udp_checksum": ethernet(ipv4(udp(4, check=0))),
        "v4_wrong_udp_checksum": ethernet(ipv4(udp(4, check=0x1234))),
        "v4_udp_checksum_all_ones": ethernet(ipv4(udp(4, check=0xffff))),
        "v4_odd_payload": ethernet(ipv4(udp(4, WIREGUARD_DATA + b"x"))),
        "v4_wrong_header_checksum": ethernet(ipv4(udp(4), check=1)),
        "v4_version_6": ethernet(ipv4(udp(4), first=0x65)),
        "v4_header_too_short": ethernet(ipv4(udp(4), first=0x44)),
        "v4_header_beyond_packet": ethernet(ipv4(udp(4, b""), first=0x4f)),
        "v4_total_beyond_frame": ethernet(ipv4(udp(4), total=1500)),
        "v4_first_fragment": ethernet(ipv4(udp(4, long), fragment=0x2000)),
        "v4_last_fragment": ethernet(ipv4(udp(4), fragment=0x0010)),
        "v4_tcp": ethernet(ipv4(udp(4), protocol=6)),
        "v4_other_address": ethernet(ipv4(udp(4, to="198.18.0.253"))),
        "v4_other_port": ethernet(ipv4(udp(4, port=53))),
        "v4_udp_length_beyond": ethernet(ipv4(udp(4, length=500))),
        "v4_udp_length_0": ethernet(ipv4(udp(4, length=0))),
        "v4_udp_length_short": ethernet(ipv4(udp(4, length=20))),
        "v4_loopback_source": ethernet(ipv4(udp(4, source=("127.0.0.1", 9)))),
        "v4_multicast_source": ethernet(ipv4(udp(4, source=("224.0.0.1", 9)))),
        "v4_port_0_source": ethernet(ipv4(udp(4, source=("198.18.0.1", 0)))),
        "v4_unknown_source": ethernet(ipv4(udp(4, source=("198.18.0.9", 9)))),
        "v4_unknown_vni": ethernet(ipv4(udp(4, WIREGUARD_DATA[:4] + b"\0\0\x02\0"))),
        "v4_handshake_that_does_not_open": ethernet(ipv4(udp(4, bind))),
        "v6_data": ethernet(ipv6(udp(6))),
        "v6_data_long_vlan": ethernet(ipv6(udp(6, long)), vlan),
        "v6_ecn_dscp": ethernet(ipv6(udp(6), traffic_class=0xbb)),
        "v6_padding": ethernet(ipv6(udp(6, b"")), padding=4),
        "v6_no_udp_checksum": ethernet(ipv6(udp(6, check=0))),
        "v6_wrong_udp_checksum": ethernet(ipv6(udp(6, check=0x1234))),
        "v6_link_local_source": ethernet(ipv6(udp(6, source=("fe80::1", 9), to="fe80::fe"))),
        "v6_mapped_source": ethernet(ipv6(udp(6, source=("::ffff:198.18.0.1", 1001)))),
        "v6_mapped_destination": ethernet(ipv6(udp(6, to="::ffff:198.18.0.254"))),
        "v6_first_fragment": ethernet(ipv6(udp(6, long), extensions=fragment + b"\0\1\0\0\0\7", next_header=44)),
        "v6_atomic_fragment": ethernet(ipv6(udp(6), extensions=fragment + b"\0\0\0\0\0\7", next_header=44)),
        "v6_fragment_header_cut": ethernet(ipv6(udp(6), payload=7, next_header=44)),
        "v6_hop_by_hop": ethernet(ipv6(udp(6), extensions=bytes([17, 0, 1, 4, 0, 0, 0, 0]), next_header=0)),
        "v6_payload_beyond_frame": ethernet(ipv6(udp(6), payload=1000)),
        "v6_payload_0": ethernet(ipv6(udp(6), payload=0)),
        "to_broadcast": ethernet(ipv4(udp(4)), to=b"\xff" * 6),
        "two_tags": ethernet(ipv4(udp(4)), bytes.fromhex("88a80007") + vlan),
        "arp": ethernet((0x0806, bytes.fromhex("0001080006040001") + bytes(20))),
        "empty": b"",
        "ethernet_cut": ethernet(ipv4(udp(4)))[:13],
        "v4_header_cut": ethernet(ipv4(udp(4)))[:30],
        "v6_header_cut": ethernet(ipv6(udp(6)))[:50],
    }
    for name, content in frames.items():
        yield name, b"\0" + content
    yield "v4_header_checksum_by_the_nic", b"\1" + frames["v4_wrong_header_checksum"]


def worker():
    """Frames of worker_fuzz.cc: how it comes, its length, itself."""
    def item(content=b"", how=0, pieces_of=0):
        return struct.pack(">BH", how | pieces_of, len(content)) + content

    verified, second_port, bind, answer = 1, 2, 4, 8
    frames = {name: content[1:] for name, content in frame() if content[0] == 0}
    for name, content in frames.items():
        yield name, item(content)
        yield name + "_second_port", item(content, second_port)
    yield "v4_header_checksum_by_the_nic", item(frames["v4_wrong_header_checksum"], verified)
    data = item(frames["v4_data"])
    yield "bind", item(how=bind)
    yield "bind_answer_data", item(how=bind) + item(how=answer) + data
    yield "answer_without_challenge", item(how=answer)
    yield "binds_beyond_the_bucket", item(how=bind) * 40
    yield "v4_burst_of_mixed_fates", (data + item(frames["v4_tcp"]) + item(frames["v4_unknown_vni"]) +
                                      item(frames["v6_data"], second_port)) * 9
    for size in (16, 48, 96, 240):
        yield f"v4_data_long_in_pieces_of_{size}", item(frames["v4_data_long"], pieces_of=size)
        yield f"v4_padding_in_pieces_of_{size}", item(frames["v4_padding"], pieces_of=size)
        yield f"v6_data_long_vlan_in_pieces_of_{size}", item(frames["v6_data_long_vlan"], second_port, size)
        yield f"bind_in_pieces_of_{size}", item(how=bind, pieces_of=size) + item(how=answer, pieces_of=size)
    too_big = ethernet(ipv4(udp(4, WIREGUARD_DATA + bytes(1420))))
    yield "v4_too_big_for_the_way_out", item(too_big) * 3

    addresses, datagram = udp(4, WIREGUARD_DATA + bytes(600))
    first = ethernet(ipv4((addresses, datagram[:256]), fragment=0x2000))
    middle = ethernet(ipv4((addresses, datagram[256:512]), fragment=0x2020))
    last = ethernet(ipv4((addresses, datagram[512:]), fragment=0x0040))
    yield "v4_fragments", item(first) + item(middle) + item(last)
    yield "v4_fragments_backwards_in_pieces", item(last, pieces_of=16) + item(middle) + item(first, pieces_of=48)
    yield "v4_fragments_with_data_between", item(first) + data + item(middle) + data + item(last) + data
    yield "v4_fragment_twice", item(first) + item(first) + item(last)
    yield "v4_fragments_overlap", item(first) + item(ethernet(ipv4((addresses, datagram[128:512]), fragment=0x2010)))
    tiny = ethernet(ipv4((addresses, datagram[:8]), fragment=0x2000))
    yield "v4_fragments_split_the_headers", item(tiny) + item(
        ethernet(ipv4((addresses, datagram[8:]), fragment=0x0001)))
    addresses, datagram = udp(6, WIREGUARD_DATA + bytes(600))

    def piece(begin, end, more):
        header = struct.pack(">BBHI", 17, 0, begin | more, 77)
        return ethernet(ipv6((addresses, datagram[begin:end]), extensions=header, next_header=44))

    yield "v6_fragments", item(piece(0, 320, 1), second_port) + item(piece(320, 9999, 0), second_port)
    yield "v6_fragments_on_two_ports", item(piece(0, 320, 1)) + item(piece(320, 9999, 0), second_port)
    yield "length_beyond_the_input", b"\0\xff\xff" + frames["v4_data"]


def serve_config():
    """Configuration files of funnel-node."""
    def site(handlers, name="node.example:443"):
        return json.dumps({"TCP": {"443": {"HTTPS": True}}, "Web": {name: {"Handlers": handlers}}})

    def tcp(**fields):
        return json.dumps({"TCP": {"5432": fields}, "AllowFunnel": {"db.example:5432": True}})

    proxies = {
        "port": "3000", "localhost": "localhost:3000/a/", "ipv6": "http://[::1]:80", "insecure": "https+insecure://127.0.0.1",
        "remote": "http://198.18.0.1", "name": "http://web.example", "user": "http://me@127.0.0.1", "own": "9640",
        "own_wildcard": "[::1]:9642", "dot_segment": "http://127.0.0.1/a/../b", "unix": "unix:/run/web.sock", "empty": "",
    }
    texts = {
        "every_field": json.dumps({
            "TCP": {"443": {"HTTPS": True}, "22": {"TCPForward": "[::1]:22"},
                    "5432": {"TCPForward": "localhost:5432", "TerminateTLS": "DB.example.", "ProxyProtocol": 2}},
            "Web": {"Node.Example:443": {"Handlers": {
                "/": {"Proxy": "3000"}, "/docs/": {"Path": "docs"}, "/hi": {"Text": "h\u00e9llo\n"},
                "/old": {"Redirect": "301:/new"}}}, "*.example:443": {"Handlers": {"/": {"Text": ""}}}},
            "AllowFunnel": {"node.example:443": True, "*.example:443": True, "off.example:443": False, "x:1": True},
            "Listen": ["198.19.0.7:9640", "[2001:db8::7]:9640"],
            "Peers": [{"prefix": "198.19.0.0/16", "capabilities": ["ingress", "connector:a"]}],
            "Certificates": [{"Name": "*.example", "Cert": "any.pem", "Key": "/any.key"}],
            "AcmeTLS": "127.0.0.1:8444", "AllowRemoteBackends": False}, indent=1),
        "empty_file": "", "empty_object": "{}", "list": "[]", "deep_nesting": "[" * 64,
        "not_served_http": '{"TCP": {"80": {"HTTP": true}}}', "not_served_foreground": '{"Foreground": {}}',
        "unknown_field": '{"Funnel": {}}', "field_twice": '{"TCP": {}, "TCP": {}}',
        "web_without_https": '{"Web": {"a:443": {"Handlers": {"/": {"Text": "x"}}}}}',
        "https_without_web": '{"TCP": {"443": {"HTTPS": true}}, "AllowFunnel": {"a:443": true}}',
        "name_twice_by_case": site({"/": {"Text": ""}}).replace('"Web": {', '"Web": {"NODE.example.:443": {"Handlers": {"/": {"Text": ""}}}, '),
        "mount_twice_by_slash": site({"/a": {"Text": ""}, "/a/": {"Text": ""}}),
        "mount_dot_segment": site({"/a/../b": {"Text": ""}}), "mount_control": site({"/a\r\nb": {"Text": ""}}),
        "text_cut_within_a_character": site({"/": {"Text": "\u20ac" * 40}}).encode().decode("unicode_escape"),
        "two_kinds": site({"/": {"Text": "", "Path": "a"}}), "path_nul": site({"/": {"Path": "a\0b"}}),
        "redirect_newline": site({"/": {"Redirect": "https://a/\r\nX: y"}}),
        "redirect_status_304": site({"/": {"Redirect": "304:https://a/"}}),
        "redirect_variable": site({"/": {"Redirect": "https://${HOST}"}}),
        "web_ip_literal": site({"/": {"Text": ""}}, "127.0.0.1:443"), "web_long_label": site({}, "a" * 64 + ":443"),
        "forward_pass_through": tcp(TCPForward="127.0.0.1:1"), "forward_wildcard": tcp(TCPForward=":1", TerminateTLS="*.x"),
        "forward_name": tcp(TCPForward="db:1"), "terminate_without_forward": tcp(TerminateTLS="a"),
        "both_kinds_of_port": tcp(HTTPS=True, TCPForward="localhost:1"), "port_0": '{"TCP": {"0": {}}}',
        "port_twice_by_zero": '{"TCP": {"443": {"HTTPS": true}, "0443": {"HTTPS": true}}}',
        "remote_allowed": '{"TCP": {"1": {"TCPForward": "198.18.0.1:1"}}, "AllowRemoteBackends": true}',
        "listen_is_backend": '{"TCP": {"1": {"TCPForward": "127.0.0.1:5"}}, "Listen": ["0.0.0.0:5"]}',
        "listen_twice_by_mapping": '{"Listen": ["1.2.3.4:5", "[::ffff:1.2.3.4]:5"]}',
    }
    texts |= {"proxy_" + name: site({"/": {"Proxy": target}}) for name, target in proxies.items()}
    return ((name, text.encode()) for name, text in texts.items())


write("geneve", geneve())
write("disco", disco())
write("api_body", api_body())
write("handle_packet", handle_packet())
write("frame", frame())
write("worker", worker())
write("serve_config", serve_config())
