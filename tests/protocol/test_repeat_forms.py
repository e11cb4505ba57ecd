"""Requests that differ in nothing but their range, and heads that differ in nothing but numbers."""

import pytest

from streamproxy.protocol.repeats import (
    ClosedRange,
    HeadForm,
    RequestForm,
    is_head_of,
    write_head,
)

HEAD = b"GET /stream?url=x HTTP/1.1\r\nHost: a\r\nRange: bytes=5-9\r\nAccept: */*\r\n\r\n"
PART = ClosedRange(5, 9)
VALUES = PART.values("id-1", "Sat, 13 Jan 2024 10:00:00 GMT")


def form_of(head: bytes = HEAD) -> RequestForm:
    form = RequestForm.of(head)
    assert form is not None
    return form


@pytest.mark.parametrize(
    ("found", "part"),
    [
        (b"bytes=5-9", (5, 9)),
        (b"bytes=0-0", (0, 0)),
        (b"bytes=999999999999999999-999999999999999999", (10**18 - 1, 10**18 - 1)),
        (b"bytes=9-5", None),
        (b"bytes=5-", None),
        (b"bytes=-5", None),
        (b"bytes=5-9,20-29", None),
        (b"bytes=1000000000000000000-1000000000000000000", None),
        (b"bytes= 5-9", None),
        (b"Bytes=5-9", None),
        (b"bytes=+5-9", None),
        (b"bytes=5-9\r\nX: y", None),
        (b"bytes=5-9\r\n\r\nGET / HTTP/1.1\r\nRange: bytes=5-9", None),
        ("bytes=5-٩".encode(), None),
        (b"", None),
    ],
)
def test_request_of_the_form_is_read(found: bytes, part: tuple[int, int] | None) -> None:
    read = form_of().read(HEAD.replace(b"bytes=5-9", found))

    assert (read and (read.first_pos, read.last_pos)) == part


@pytest.mark.parametrize(
    "received",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(HEAD[:-1], id="not whole"),
        pytest.param(HEAD[1:], id="without its beginning"),
        pytest.param(HEAD + HEAD, id="two of them"),
        pytest.param(HEAD + b"\r\n", id="more behind it"),
        pytest.param(HEAD.replace(b"url=x", b"url=y"), id="another link"),
        pytest.param(HEAD.replace(b"Host", b"host"), id="written otherwise"),
        pytest.param(HEAD.replace(b"*/*", b"*/*\r\nCookie: a=b"), id="one field more"),
        pytest.param(HEAD.replace(b"Range: bytes=5-9\r\n", b""), id="no range"),
        pytest.param(HEAD.replace(b"GET", b"HEAD"), id="another method"),
    ],
)
def test_request_of_another_form_is_not_read(received: bytes) -> None:
    assert form_of().read(received) is None


def test_beginning_and_end_of_the_form_do_not_overlap() -> None:
    """What is shorter than the form begins and ends as it does, where both are alike."""
    head = b"GET / HTTP/1.1\r\nRange: bytes=1-2\r\n\r\n"

    assert form_of(head).read(b"GET / HTTP/1.1\r\nRange: \r\n\r\n") is None
    assert form_of(head).read(b"GET / HTTP/1.1\r\nRange: bytes=1-2\r\n\r\n") is not None


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(HEAD[:-2], id="not whole"),
        pytest.param(HEAD + b"body", id="more than a head"),
        pytest.param(HEAD + HEAD, id="two heads"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"\r\n", id="an empty line"),
        pytest.param(HEAD.replace(b"Range", b"X-Range"), id="no range"),
        pytest.param(HEAD.replace(b"5-9", b"5-"), id="an open range"),
        pytest.param(HEAD.replace(b"5-9", b"-5"), id="a suffix"),
        pytest.param(HEAD.replace(b"Accept: */*", b"range: bytes=5-9"), id="two ranges"),
        pytest.param(HEAD.replace(b"Accept: */*", b"RANGE:bytes=-5"), id="two that differ"),
        pytest.param(HEAD.replace(b"*/*", b"*" * 16384), id="too long"),
    ],
)
def test_other_heads_have_no_form(head: bytes) -> None:
    assert RequestForm.of(head) is None


@pytest.mark.parametrize(
    ("head", "is_it"),
    [
        (HEAD, True),
        (HEAD.replace(b": ", b":\t "), True),
        (HEAD.replace(b"*/*\r\n", b"*/* \r\n"), True),
        (HEAD.replace(b"GET", b"HEAD"), False),
        (HEAD.replace(b"/1.1", b"/1.0"), False),
        (HEAD.replace(b"url=x", b"url=y"), False),
        (HEAD.replace(b"Host", b"host"), False),
        (HEAD.replace(b"5-9", b"5-8"), False),
        (HEAD.replace(b"*/*", b"*/*\r\nCookie: a=b"), False),
        (b"\r\n" + HEAD, False),
        (HEAD + HEAD, False),
    ],
)
def test_head_is_told_from_others(head: bytes, is_it: bool) -> None:
    fields = [(b"Host", b"a"), (b"Range", b"bytes=5-9"), (b"Accept", b"*/*")]

    assert is_head_of(head, "/stream?url=x", fields) is is_it


def test_form_of_a_head_is_filled_with_other_values() -> None:
    head = write_head(
        "HTTP/1.1 206 Partial Content",
        {
            "ETag": '"100%d"',
            "Content-Length": "5",
            "Content-Range": "bytes 5-9/100",
            "X-Request-Id": "id-1",
            "Date": "Sat, 13 Jan 2024 10:00:00 GMT",
        },
    )
    names = {b"content-length", b"content-range", b"x-request-id", b"date"}

    form = HeadForm.of(head, VALUES, names)

    assert form is not None
    assert form.fill(VALUES) == head
    other = ClosedRange(10, 29).values("id-2", "Sat, 13 Jan 2024 10:00:01 GMT")
    assert form.fill(other) == (
        b'HTTP/1.1 206 Partial Content\r\nETag: "100%d"\r\nContent-Length: 20\r\n'
        b"Content-Range: bytes 10-29/100\r\nX-Request-Id: id-2\r\n"
        b"Date: Sat, 13 Jan 2024 10:00:01 GMT\r\n\r\n"
    )


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(["Content-Range: bytes 5-9/100"], id="no length"),
        pytest.param(["Content-Length: 5"], id="no range"),
        pytest.param(
            ["Content-Length: 5", "Content-Length: 5", "Content-Range: bytes 5-9/100"],
            id="two lengths",
        ),
        pytest.param(["Content-Length: 50", "Content-Range: bytes 5-9/100"], id="more follows"),
        pytest.param(["Content-Length: 4", "Content-Range: bytes 5-8/100"], id="another part"),
        pytest.param(["Content-Length:5", "Content-Range: bytes 5-9/100"], id="without a space"),
        pytest.param(["Content-Length: 5", "Content-Range: bytes 5-90/100"], id="a longer part"),
        pytest.param(["Content-Length: 5", "Content-Range: Bytes 5-9/100"], id="in other letters"),
    ],
)
def test_heads_that_say_it_otherwise_have_no_form(lines: list[str]) -> None:
    head = "\r\n".join(["HTTP/1.1 206 Partial Content", *lines, "", ""]).encode()

    assert HeadForm.of(head, VALUES, {b"content-length", b"content-range"}) is None


def test_what_is_the_same_for_all_parts_may_follow_on_the_range() -> None:
    head = b"HTTP/1.1 206 OK\r\ncontent-range: bytes 5-9/*\r\n\r\n"

    form = HeadForm.of(head, VALUES, {b"content-range"})

    assert form is not None
    other = ClosedRange(0, 0).values("", "")
    assert form.fill(other) == b"HTTP/1.1 206 OK\r\ncontent-range: bytes 0-0/*\r\n\r\n"
