"""What must hold for any input, by hypothesis: the same that tools/fuzz.py tries for longer."""

from collections.abc import Iterator

import pytest
from fuzz_server import running_server, send_request
from fuzz_targets import TARGETS
from hypothesis import given, settings
from hypothesis import strategies as st

steady = settings(derandomize=True, deadline=None, database=None)


def pieces(*texts: str, max_size: int = 12) -> st.SearchStrategy[bytes]:
    """Return strings of *texts*, and of characters that programs trip over, in any order."""
    odd = st.sampled_from(
        "\x00\t\r\n \x7f\x85\xad\u200b\u2028\u202e\u3002\uff0e\uff11\xe9\u0130\u017f"
    )
    part = st.sampled_from(texts) | odd | st.characters() | st.sampled_from("0123456789abcfxX%")
    text = st.lists(part, max_size=max_size).map("".join)
    return text.map(lambda value: value.encode("utf-8", "surrogatepass")) | st.binary(max_size=60)


LINK_PARTS = (
    *("http://", "https://", "HTTP:", "http:", "//", "/", "\\", "?", "#", "@", ":", "[", "]", "."),
    *(
        "user:pass@",
        "h",
        "example.com",
        "127.0.0.1",
        "0x7f",
        "0177",
        "2130706433",
        "::1",
        "::ffff:",
    ),
    *("[::1]", "[::ffff:127.0.0.1]", "%25", "%2e", "%00", "%40", ":80", ":443", ":8080", ":0", "-"),
    *(
        "xn--",
        "xn--a",
        "localhost",
        "..",
        "ftp://",
        "\u2100",
        "\uff0f",
        "\uff20",
        "\xdf",
        "1.2.3.4",
    ),
)
FIELD_PARTS = (
    *("\n", "\n\n", ": ", "Range: bytes=", "If-Range: ", "If-None-Match: ", "If-Match: ", "-", ","),
    *("0-9", "9-", "-5", "200", "206", "304", "412", "416", "503", "Content-Range: bytes ", "/"),
    *("0-9/10", "*/10", "Content-Length: ", "10", "Transfer-Encoding: chunked", "ETag: ", '"v1"'),
    *("W/", "Last-Modified: ", "Date: ", "Sat, 13 Jan 2024 10:30:45 GMT", "Content-Encoding: "),
    *("gzip", "Accept-Ranges: bytes", "Content-Type: ", "multipart/byteranges", "Retry-After: 5"),
    *(
        "Content-Range: bytes 0-9/10",
        "Range: bytes=0-9",
        "Content-Length: 10",
        "9" * 19,
        "9" * 5000,
    ),
)
INPUTS = {
    "link": st.one_of(
        pieces(*LINK_PARTS),
        pieces(*LINK_PARTS).map(lambda data: b"http://" + data),
        pieces(*LINK_PARTS).map(lambda data: b"https://a.b" + data),
    ),
    "redirect": pieces(*LINK_PARTS),
    "address": st.one_of(
        st.binary(min_size=4, max_size=4),
        st.binary(min_size=16, max_size=16),
        st.binary(max_size=4).map(lambda low: b"\x00\x64\xff\x9b".ljust(12, b"\0") + low.rjust(4)),
        st.binary(min_size=2, max_size=2).map(lambda low: b"\x20\x01" + low + bytes(12)),
        pieces("127.", "0.", "1", "::", "ffff:", "fe80::", "%lo", "%1", "10.0.0.1", "."),
    ),
    "name": pieces(
        *("inline; ", "filename=", "filename*=", "UTF-8''", "iso-8859-1''", '"', "\\", ";", "/"),
        *("a.mp4", "..", "%0d%0a", "%22", "%ff", "\ud800", "\u202e", "%ed%a0%80", "\n", "x" * 300),
    ),
    "type": pieces(
        *(
            "video/",
            "audio/",
            "mp4",
            "x+xml",
            "text/html",
            "text/plain",
            "image/svg+xml",
            ";",
            "\n",
        ),
        *("application/octet-stream", "application/dash+xml", "a.mpd", "a.html", "<html>", "<?xml"),
        *("%PDF-", "GIF8", "<!--", "\x00\x00\x00\x18ftyp", "RIFF", "OggS", "charset=utf-7"),
    ),
    "plan": pieces(*FIELD_PARTS, max_size=25),
    "log": pieces("https://", "?", "token=", "sig=", "Bearer ", "@", "=", "secret", "%3d", "a b"),
}


def test_every_target_has_inputs() -> None:
    assert INPUTS.keys() == TARGETS.keys()


@pytest.mark.parametrize("name", TARGETS)
def test_any_input(name: str) -> None:
    target = TARGETS[name]

    @settings(steady, max_examples=1000)
    @given(INPUTS[name])
    def hold(data: bytes) -> None:
        target(data)

    hold()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with running_server() as found:
        yield found


REQUEST_PARTS = (
    *("GET ", "HEAD ", "POST ", "OPTIONS ", "CONNECT ", "/", "/stream?url=", "/api/validate?url="),
    *(
        "http://127.0.0.1/",
        "http%3A%2F%2F10.0.0.1%2F",
        "&url=",
        "&sig=",
        "&token=",
        "%",
        "%00",
        "*",
    ),
    *(" HTTP/1.1\r\n", " HTTP/1.0\r\n", " HTTP/2.0\r\n", "Host: 127.0.0.1\r\n", "Host: x\r\n"),
    *("\r\n", "\n", "\r", ": ", "Range: bytes=0-9\r\n", "Content-Length: 5\r\n", "\r\n\r\n"),
    *("Transfer-Encoding: chunked\r\n", "5\r\nabcde\r\n", "0\r\n\r\n", "Expect: 100-continue\r\n"),
    *("Connection: close\r\n", "Upgrade: websocket\r\nConnection: upgrade\r\n", "Cookie: a=b\r\n"),
    *("Authorization: Basic ", "Origin: null\r\n", "Sec-Fetch-Site: cross-site\r\n", "/static/"),
    *("../", "%2e%2e/", "/login", "/logout", "/health", "//", "\\", "PRI * HTTP/2.0\r\n\r\nSM\r\n"),
    *("X-Forwarded-For: ", "1.2.3.4, ", "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "x" * 9000),
)
requests = st.one_of(
    pieces(*REQUEST_PARTS, max_size=20),
    pieces(*REQUEST_PARTS).map(lambda data: b"GET /" + data + b"\r\n\r\n"),
    pieces(*REQUEST_PARTS).map(
        lambda data: b"GET /stream?url=" + data + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    ),
    pieces(*REQUEST_PARTS).map(
        lambda data: b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + data + b"\r\n\r\n"
    ),
    pieces(*REQUEST_PARTS).map(
        lambda data: b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\n" + data + b"\r\n\r\n"
    ),
)


def test_any_bytes_as_a_request_are_answered_or_end_the_connection(port: int) -> None:
    @settings(steady, max_examples=300)
    @given(requests)
    def hold(data: bytes) -> None:
        send_request(port, data)

    hold()
    whole = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    assert send_request(port, whole, patience_s=5).startswith(b"HTTP/1.1 200 OK\r\n")
