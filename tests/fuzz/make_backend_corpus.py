#!/usr/bin/env python3
"""Writes corpus/backend_response/. A file's name says what it holds: what was asked for, the steps, and the bytes."""
import pathlib

HERE = pathlib.Path(__file__).resolve().parent
ANY, HEAD, UPGRADE = 0, 1, 2

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
SOCKET = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05hello"


def responses():
    yield "length", ANY, OK + b"Content-Length: 5\r\n\r\nhello"
    yield "length_0", ANY, OK + b"Content-Length: 0\r\n\r\n"
    yield "length_and_more_behind", ANY, OK + b"Content-Length: 2\r\n\r\nokHTTP/1.1 200"
    yield "length_cut_off", ANY, OK + b"Content-Length: 5\r\n\r\nhell"
    yield "length_twice", ANY, OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"
    yield "length_list", ANY, OK + b"Content-Length: 5, 5\r\n\r\nhello"
    yield "length_signed", ANY, OK + b"Content-Length: +5\r\n\r\nhello"
    yield "length_over_uint64", ANY, OK + b"Content-Length: 18446744073709551616\r\n\r\n"
    yield "to_the_end", ANY, OK + b"\r\nhello"
    yield "to_the_end_http10", ANY, b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nhello"
    yield "chunks", ANY, CHUNKED + b"5\r\nhello\r\n0a;x=y\r\n0123456789\r\n0\r\n\r\n"
    yield "chunks_trailers", ANY, CHUNKED + b"1\r\nx\r\n0\r\nGrpc-Status: 0\r\nContent-Length: 7\r\n\r\n"
    yield "chunks_folded_trailer", ANY, CHUNKED + b"0\r\nX: y\r\n z\r\n\r\n"
    yield "chunks_bare_lf", ANY, CHUNKED + b"5\nhello\n0\n\n"
    yield "chunks_signed", ANY, CHUNKED + b"+5\r\nhello\r\n0\r\n\r\n"
    yield "chunks_too_long_a_size", ANY, CHUNKED + b"0000000000000005\r\nhello\r\n0\r\n\r\n"
    yield "chunks_long_extension", ANY, CHUNKED + b"5;" + b"x" * 1100 + b"\r\nhello\r\n0\r\n\r\n"
    yield "chunks_and_length", ANY, OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    yield "chunks_twice", ANY, OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"
    yield "chunks_http10", ANY, b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    yield "gzip_and_chunks", ANY, OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"
    yield "no_content", ANY, b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200"
    yield "no_content_with_length", ANY, b"HTTP/1.1 204 No Content\r\nContent-Length: 1\r\n\r\nx"
    yield "not_modified", ANY, b"HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n"
    yield "to_head", HEAD, OK + b"Content-Length: 500\r\n\r\n"
    yield "to_head_chunked", HEAD, CHUNKED
    yield "continue_and_hints", ANY, b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 103 E\r\nLink: x\r\n\r\n" + CHUNKED + b"0\r\n\r\n"
    yield "hints_without_end", ANY, b"HTTP/1.1 103 E\r\n\r\n" * 20
    yield "upgrade", UPGRADE, SOCKET
    yield "upgrade_not_asked_for", ANY, SOCKET
    yield "upgrade_to_h2c", UPGRADE, SOCKET.replace(b"websocket", b"h2c")
    yield "hop_by_hop", ANY, OK + b"Connection: X-A\r\nX-A: 1\r\nKeep-Alive: x\r\nContent-Length: 0\r\n\r\n"
    yield "folded_field", ANY, OK + b"X: a\r\n Content-Length: 5\r\n\r\n"
    yield "field_with_bare_lf", ANY, OK + b"X: a\nContent-Length: 5\r\n\r\n"
    yield "field_with_bare_cr", ANY, OK + b"X: a\rb\r\n\r\n"
    yield "field_with_nul", ANY, OK + b"X: a\0b\r\n\r\n"
    yield "field_with_blank_in_front_of_colon", ANY, OK + b"Content-Length : 5\r\n\r\nhello"
    yield "field_without_name", ANY, OK + b": x\r\n\r\n"
    yield "head_of_32769_bytes", ANY, OK + b"X: " + b"x" * (32769 - len(OK) - 7) + b"\r\n\r\n"
    yield "empty_line_first", ANY, b"\r\n" + OK + b"\r\n"
    yield "http2", ANY, b"HTTP/2.0 200 OK\r\n\r\n"
    yield "smtp", ANY, b"220 mail.example ESMTP\r\n\r\n"


folder = HERE / "corpus" / "backend_response"
folder.mkdir(parents=True, exist_ok=True)
for name, asked, response in responses():
    (folder / name).write_bytes(bytes([asked, 7]) + response)
