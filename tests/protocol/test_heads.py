"""The two heads that a plan is made from."""

import pytest
from wire import ask, fields, head

from streamproxy.errors import UpstreamProtocol
from streamproxy.protocol.heads import read_ask, upstream_fields
from streamproxy.protocol.ranges import IntRange

DATE = "Sat, 13 Jan 2024 10:30:45 GMT"


@pytest.mark.parametrize(
    ("lines", "forwarded"),
    [
        pytest.param([], None, id="no range"),
        pytest.param(["Range: bytes=0-9"], "0-9", id="a range"),
        pytest.param(["range: bytes=0-9"], "0-9", id="field name in lower case"),
        pytest.param(["Range: bytes=0-4,5-9"], "0-9", id="ranges that touch"),
        pytest.param(["Range: bytes=0-4,\t5-9"], "0-9", id="a tab is white space too"),
        pytest.param(["Range: items=0-9"], None, id="unknown unit is ignored"),
        pytest.param(["Range: bytes=9-0"], None, id="malformed is ignored"),
        pytest.param(["Range: bytes=0-9\x00"], None, id="control character is ignored"),
        pytest.param(["Range: bytes=0-9", "Range: bytes=5-9"], None, id="two fields are ignored"),
        pytest.param(["Range: bytes=0-9", "Range: bytes=0-9"], "0-9", id="the same field twice"),
        pytest.param(['If-Range: "v1"'], None, id="If-Range alone"),
        pytest.param(["Range: bytes=0-9", 'If-Range: "v1"'], "0-9", id="strong If-Range"),
        pytest.param(["Range: bytes=0-9", f"If-Range: {DATE}"], "0-9", id="If-Range with a date"),
        pytest.param(["Range: bytes=0-9", 'If-Range: W/"v1"'], None, id="weak If-Range"),
    ],
)
def test_range_to_forward(lines: list[str], forwarded: str | None) -> None:
    sent = ask(*lines).range_to_forward

    assert (None if sent is None else str(sent)) == forwarded


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(['If-Range: "v1"', 'If-Range: "v2"'], id="contradictory"),
        pytest.param(['If-Range: "caf\xe9"'], id="beyond ASCII"),
        pytest.param(["If-Range: "], id="empty"),
    ],
)
def test_if_range_that_cannot_be_read_is_not_taken_to_hold(lines: list[str]) -> None:
    """A part of an unknown version could be joined to a part of another one."""
    assert ask("Range: bytes=5-9", *lines).range_to_forward is None


def test_if_range_is_ignored_with_its_range() -> None:
    assert ask("Range: bytes=9-0", 'If-Range: "v1"').if_range is None


def test_conditions_are_read_without_a_range() -> None:
    asked = ask('If-None-Match: "v1"', f"If-Modified-Since: {DATE}", "Cookie: id=1")

    assert asked.ranges is None
    assert asked.conditions == {"If-None-Match": '"v1"', "If-Modified-Since": DATE}


@pytest.mark.parametrize(
    ("lines", "sent", "expected"),
    [
        pytest.param([], None, [], id="nothing"),
        pytest.param(
            ["Range: bytes=0-9"], IntRange(0, 9), ["Range: bytes=0-9"], id="the range that is sent"
        ),
        pytest.param(["Range: bytes=0-9"], None, [], id="the whole, on the second try"),
        pytest.param(
            ["Range: bytes=0-9", 'If-Range: "v1"'],
            IntRange(0, 9),
            ["Range: bytes=0-9", 'If-Range: "v1"'],
            id="If-Range beside its range",
        ),
        pytest.param(
            ["Range: bytes=0-9", 'If-Range: "v1"'], None, [], id="no If-Range without a range"
        ),
        pytest.param(
            [
                "Range: bytes=0-9",
                'If-None-Match: "v1"',
                "Cookie: id=1",
                "Authorization: Basic eA==",
            ],
            IntRange(0, 9),
            ["Range: bytes=0-9", 'If-None-Match: "v1"'],
            id="conditions, and nothing personal",
        ),
    ],
)
def test_fields_that_go_upstream(
    lines: list[str], sent: IntRange | None, expected: list[str]
) -> None:
    asked = read_ask(fields(*lines))

    assert upstream_fields(asked, sent) == dict(fields(*expected))


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param([], None, id="absent"),
        pytest.param(["Content-Length: 0"], 0, id="zero"),
        pytest.param(["Content-Length: 0042"], 42, id="leading zeros"),
        pytest.param([f"Content-Length: {'9' * 18}"], 10**18 - 1, id="eighteen digits"),
    ],
)
def test_content_length(lines: list[str], expected: int | None) -> None:
    assert head(200, *lines).content_length == expected


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(["Content-Length: 10", "Content-Length: 11"], id="conflicting"),
        pytest.param(["Content-Length: 10", "Content-Length: 10"], id="repeated"),
        pytest.param(["Content-Length: 10, 10"], id="list"),
        pytest.param(["Content-Length: -1"], id="negative"),
        pytest.param(["Content-Length: +1"], id="plus sign"),
        pytest.param(["Content-Length: "], id="empty"),
        pytest.param(["Content-Length: 1.0"], id="fraction"),
        pytest.param(["Content-Length: 1_0"], id="underscore"),
        pytest.param(["Content-Length: 0x10"], id="hexadecimal"),
        pytest.param(["Content-Length: \u0661"], id="Arabic digit"),
        pytest.param([f"Content-Length: {10**18}"], id="nineteen digits"),
    ],
)
def test_content_length_that_is_no_number_is_refused(lines: list[str]) -> None:
    with pytest.raises(UpstreamProtocol):
        _ = head(200, *lines).content_length


@pytest.mark.parametrize(
    ("lines", "coding", "is_close_delimited"),
    [
        pytest.param([], None, True, id="neither"),
        pytest.param(["Content-Length: 5"], None, False, id="a length"),
        pytest.param(["Transfer-Encoding: Chunked"], "chunked", False, id="chunked"),
        pytest.param(["Transfer-Encoding: "], None, True, id="an empty coding is none"),
        pytest.param(
            ["Transfer-Encoding: gzip, chunked"], "gzip, chunked", False, id="two codings"
        ),
        pytest.param(
            ["Transfer-Encoding: gzip", "Transfer-Encoding: chunked"],
            "gzip, chunked",
            False,
            id="two fields",
        ),
    ],
)
def test_framing(lines: list[str], coding: str | None, *, is_close_delimited: bool) -> None:
    answered = head(200, *lines)

    assert answered.transfer_coding == coding
    assert answered.is_close_delimited == is_close_delimited


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param([], None, id="absent"),
        pytest.param(["Content-Encoding: "], None, id="empty"),
        pytest.param(["Content-Encoding: Identity"], None, id="identity"),
        pytest.param(["Content-Encoding: GZIP"], "gzip", id="gzip"),
        pytest.param(["Content-Encoding: gzip, br"], "gzip, br", id="list"),
        pytest.param(
            ["Content-Encoding: gzip", "Content-Encoding: br"], "gzip, br", id="two fields"
        ),
    ],
)
def test_content_coding(lines: list[str], expected: str | None) -> None:
    assert head(200, *lines).content_coding == expected


@pytest.mark.parametrize("value", ["gz\xefp", "gzip;q=1", 'g"zip', "g\x00zip", "g/zip"])
def test_content_coding_that_is_no_token_is_refused(value: str) -> None:
    with pytest.raises(UpstreamProtocol):
        _ = head(200, f"Content-Encoding: {value}").content_coding
