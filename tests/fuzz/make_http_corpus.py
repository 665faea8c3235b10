#!/usr/bin/env python3
"""Writes corpus/http1_request/. A file's name says what it holds; those that begin with `refused_` are."""
import pathlib

HERE = pathlib.Path(__file__).resolve().parent


def request(*fields, line=b"POST /a?b=c HTTP/1.1", host=b"Host: node.example", body=b""):
    lines = [line, *([host] if host else []), *fields]
    return b"".join(field + b"\r\n" for field in lines) + b"\r\n" + body


def chunked(body, *fields):
    return request(b"Transfer-Encoding: chunked", *fields, body=body)


HELLO = b"5\r\nhello\r\n0\r\n\r\n"
SEEDS = {
    "get": request(line=b"GET / HTTP/1.1"),
    "get_http_1_0": request(line=b"GET / HTTP/1.0"),
    "get_of_a_browser": request(
        b"User-Agent: Mozilla/5.0 (X11; Linux x86_64)", b"Accept: text/html,application/xhtml+xml,*/*;q=0.8",
        b"Accept-Encoding: gzip, deflate, br", b"Cookie: a=b; c=d", b"Upgrade-Insecure-Requests: 1", line=b"GET /x?y HTTP/1.1"),
    "get_absolute": request(line=b"GET https://node.example/x?y HTTP/1.1"),
    "get_absolute_without_path": request(line=b"GET https://NODE.example?y HTTP/1.1"),
    "get_twice": request(line=b"GET /1 HTTP/1.1") + request(line=b"GET /2 HTTP/1.1"),
    "options_star": request(line=b"OPTIONS * HTTP/1.1"),
    "websocket": request(b"Connection: keep-alive, Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13",
                         b"Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==", line=b"GET /chat HTTP/1.1", body=b"\x81\x85"),
    "post": request(b"Content-Length: 5", body=b"hello"),
    "post_and_more": request(b"Content-Length: 5", body=b"helloGET / HTTP/1.1\r\n"),
    "post_cut": request(b"Content-Length: 500", body=b"hello"),
    "post_empty": request(b"Content-Length: 0"),
    "post_expect": request(b"Expect: 100-continue", b"Content-Length: 5", body=b"hello"),
    "chunked": chunked(HELLO),
    "chunked_and_more": chunked(HELLO + request(line=b"GET /2 HTTP/1.1")),
    "chunked_upper_case": request(b"transfer-encoding: CHUNKED", body=b"00000A\r\n0123456789\r\n000\r\n\r\n"),
    "chunked_extensions": chunked(b"5;a=b;c=d;e\r\nhello\r\n0;last\r\n\r\n"),
    "chunked_trailers": chunked(b"5\r\nhello\r\n0\r\nX-Sum: 1\r\nHost: other\r\nX-Forwarded-For: ::1\r\n\r\n", b"TE: trailers"),
    "chunked_by_the_byte": chunked(b"".join(b"1\r\n%c\r\n" % c for c in b"hello") + b"0\r\n\r\n"),
    "chunked_cut": chunked(b"5\r\nhel"),
    "chunked_holds_a_request": chunked(b"29\r\nGET /x HTTP/1.1\r\nHost: node.example\r\n\r\nab\r\n0\r\n\r\n"),
    "head_cut": request()[:-2],
    "no_colon_in_value": request(b"X-Long: " + b"x" * 300, b"X-Empty:", b"X-Bytes: \xc3\xa4\xff"),
    "underscores": request(b"Content_Length: 7", b"Transfer_Encoding: chunked", b"Content-Length: 5", body=b"hello"),
    "refused_both_lengths": request(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=HELLO),
    "refused_both_lengths_other_order": request(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=HELLO),
    "refused_two_lengths": request(b"Content-Length: 5", b"Content-Length: 6", body=b"hello!"),
    "refused_equal_lengths": request(b"Content-Length: 5", b"Content-Length: 5", body=b"hello"),
    "refused_list_of_lengths": request(b"Content-Length: 5, 5", body=b"hello"),
    "refused_length_plus": request(b"Content-Length: +5", body=b"hello"),
    "refused_length_overflow": request(b"Content-Length: 18446744073709551621", body=b"hello"),
    "refused_gzip_chunked": request(b"Transfer-Encoding: gzip, chunked", body=HELLO),
    "refused_chunked_gzip": request(b"Transfer-Encoding: chunked, gzip", body=HELLO),
    "refused_chunked_twice": request(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=HELLO),
    "refused_chunked_http_1_0": request(b"Transfer-Encoding: chunked", line=b"POST / HTTP/1.0", body=HELLO),
    "refused_chunked_vertical_tab": request(b"Transfer-Encoding: \x0bchunked", body=HELLO),
    "refused_blank_before_colon": request(b"Transfer-Encoding : chunked", body=HELLO),
    "refused_folded": request(b"X: 1", b" Transfer-Encoding: chunked", body=HELLO),
    "refused_bare_line_feed": request(b"X: 1\nTransfer-Encoding: chunked", body=HELLO),
    "refused_bare_carriage_return": request(b"X: 1\rTransfer-Encoding: chunked", body=HELLO),
    "refused_line_feeds_alone": request().replace(b"\r\n", b"\n"),
    "refused_nul": request(b"X: \0"),
    "refused_chunk_line_feed": chunked(b"5\nhello\r\n0\r\n\r\n"),
    "refused_chunk_end_line_feed": chunked(b"5\r\nhello\n0\r\n\r\n"),
    "refused_chunk_blank": chunked(b"5 \r\nhello\r\n0\r\n\r\n"),
    "refused_chunk_0x": chunked(b"0x5\r\nhello\r\n0\r\n\r\n"),
    "refused_chunk_overflow": chunked(b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    "refused_chunk_long_extension": chunked(b"5;" + b"x" * 300 + b"\r\nhello\r\n0\r\n\r\n"),
    "refused_chunk_extension_quoted": chunked(b"5;a=\"b\"\r\nhello\r\n0\r\n\r\n"),
    "refused_chunk_extension_quote_open": chunked(b"0;a=\"b;\r\n\r\n"),
    "refused_chunk_extension_line_feed": chunked(b"5;\nhello\r\n0\r\n\r\n"),
    "refused_chunk_longer_than_it_says": chunked(b"4\r\nhello\r\n0\r\n\r\n"),
    "refused_trailer_folded": chunked(b"0\r\nX: 1\r\n y\r\n\r\n"),
    "refused_two_hosts": request(b"Host: other.example"),
    "refused_no_host": request(host=None),
    "refused_other_authority": request(line=b"GET https://other.example/ HTTP/1.1"),
    "refused_connect": request(line=b"CONNECT node.example:443 HTTP/1.1"),
    "refused_http_0_9": b"GET /\r\n\r\n",
    "refused_http_2_preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "refused_101_fields": request(*[b"X: 1"] * 100),
    "refused_long_head": request(b"X: " + b"x" * 16384),
    "refused_empty_line_in_front": b"\r\n" + request(),
}

if __name__ == "__main__":
    folder = HERE / "corpus" / "http1_request"
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in SEEDS.items():
        (folder / name).write_bytes(content)
