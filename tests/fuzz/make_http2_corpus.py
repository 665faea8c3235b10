#!/usr/bin/env python3
"""Writes corpus/http2_front/: frames of clients, behind two bytes of http2_front_fuzz.cc. A file's name says what it holds."""
import pathlib
import struct

HERE = pathlib.Path(__file__).resolve().parent
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS, PADDED = 1, 4, 8


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    """A field without indexing, its name and value as they are."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def head(path=b"/x", method=b"GET", *more):
    fields = [(b":method", method), (b":scheme", b"https"), (b":authority", b"a"), (b":path", path), *more]
    return b"".join(literal(*field) for field in fields)


def get(stream, path=b"/x", *more):
    return frame(HEADERS, END_STREAM | END_HEADERS, stream, head(path, b"GET", *more))


def post(stream, path=b"/wait", *more):
    return frame(HEADERS, END_HEADERS, stream, head(path, b"POST", *more))


def connections():
    hello = frame(SETTINGS)
    yield "get", hello + get(1)
    yield "get_abort_none_half_big", hello + b"".join(
        get(1 + 2 * i, path) for i, path in enumerate((b"/abort", b"/none", b"/half", b"/big")))
    yield "head", hello + frame(HEADERS, 5, 1, head(b"/x", b"HEAD"))
    yield "post", hello + post(1) + frame(DATA, 0, 1, b"abc") + frame(DATA, END_STREAM, 1, b"def")
    yield "post_answered_early", hello + post(1, b"/x") + frame(DATA, 0, 1, b"x" * 9000) * 4
    yield "post_beyond_the_window", hello + post(1) + frame(DATA, 0, 1, b"x" * 16384) * 5
    yield "post_longer_than_announced", hello + post(1, b"/wait", (b"content-length", b"2")) + frame(DATA, 1, 1, b"abc")
    yield "post_shorter_than_announced", hello + post(1, b"/wait", (b"content-length", b"5")) + frame(DATA, 1, 1, b"abc")
    yield "post_trailers", hello + post(1) + frame(DATA, 0, 1, b"abc") + frame(
        HEADERS, END_STREAM | END_HEADERS, 1, literal(b"x-sum", b"1") + literal(b"host", b"evil"))
    yield "post_padded", hello + post(1) + frame(DATA, PADDED | END_STREAM, 1, b"\5abc" + bytes(5))
    yield "post_expects", hello + post(1, b"/wait", (b"expect", b"100-continue"))
    yield "reset", hello + get(1, b"/wait") + frame(RST_STREAM, 0, 1, b"\0\0\0\x08") + get(3)
    yield "resets", hello + b"".join(
        get(1 + 2 * i, b"/wait") + frame(RST_STREAM, 0, 1 + 2 * i, b"\0\0\0\x08") for i in range(210))
    yield "host_differs", hello + get(1, b"/x", (b"host", b"b"))
    yield "connect", hello + frame(HEADERS, 5, 1, literal(b":method", b"CONNECT") + literal(b":authority", b"a:1"))
    yield "extended_connect", hello + get(1, b"/x", (b":protocol", b"websocket"))
    yield "connection_field", hello + get(1, b"/x", (b"connection", b"close"))
    yield "path_with_line_end", hello + get(1, b"/x HTTP/1.1\r\nX: y")
    yield "field_with_line_end", hello + get(1, b"/x", (b"x", b"a\r\nb"))
    yield "cookies", hello + get(1, b"/x", (b"cookie", b"a=1"), (b"cookie", b"b=2"))
    yield "head_in_continuations", hello + frame(HEADERS, END_STREAM, 1, head()[:9]) + frame(
        CONTINUATION, END_HEADERS, 1, head()[9:])
    yield "continuations", hello + frame(HEADERS, END_STREAM, 1, head()) + frame(CONTINUATION, 0, 1) * 1100
    yield "head_too_large", hello + get(1, b"/x", *[(b"x", b"y" * 100)] * 130)
    yield "head_bomb", hello + frame(HEADERS, 5, 1, head() + b"\x40\x01x\x7f\xb9\x16" + b"x" * 3000 + b"\xbe" * 9000)
    yield "pings", hello + frame(PING, 0, 0, bytes(8)) * 1100
    yield "window_of_zero", hello + get(1, b"/wait") + frame(WINDOW_UPDATE, 0, 1, bytes(4))
    yield "window_overflows", hello + get(1, b"/wait") + frame(WINDOW_UPDATE, 0, 1, b"\x7f\xff\xff\xff")
    yield "small_windows", frame(SETTINGS, 0, 0, b"\0\4\0\0\0\1") + get(1, b"/big") + frame(
        WINDOW_UPDATE, 0, 1, b"\0\0\0\1") * 9
    yield "goaway", hello + get(1, b"/wait") + frame(GOAWAY, 0, 0, bytes(8))
    yield "push_promise", hello + frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\2" + head())
    yield "even_stream", hello + get(2)
    yield "stream_on_itself", hello + frame(PRIORITY, 0, 1, b"\0\0\0\1\x10")
    yield "unknown_frame", hello + frame(190, 255, 7, b"x")
    yield "frame_too_large", hello + frame(DATA, 0, 1, bytes(16385))
    yield "too_many_streams", hello + b"".join(get(1 + 2 * i, b"/wait") for i in range(110))
    yield "no_settings", get(1)


folder = HERE / "corpus" / "http2_front"
folder.mkdir(parents=True, exist_ok=True)
for name, frames in connections():
    (folder / name).write_bytes(b"\1\0" + frames)
for name in ("get", "post", "post_trailers"):
    (folder / f"{name}_in_bytes").write_bytes(b"\3\1" + dict(connections())[name])
