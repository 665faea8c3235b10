#!/usr/bin/env python3
"""Writes corpus/{geneve,disco,api_body,handle_packet}/ from the protocol vectors. A file's name says what it holds."""
import json
import pathlib

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


write("geneve", geneve())
write("disco", disco())
write("api_body", api_body())
write("handle_packet", handle_packet())
