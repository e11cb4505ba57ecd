"""What is answered when the upstream sends the whole, nothing, or a refusal."""

import pytest
from wire import ask, content_range, head, plan

from streamproxy.errors import (
    RangeNotSatisfiable,
    UpstreamProtocol,
    UpstreamStatus,
)
from streamproxy.protocol.plan import should_ask_again

DATE = "Sat, 13 Jan 2024 10:30:45 GMT"
HOUR_BEFORE = "Sat, 13 Jan 2024 09:30:45 GMT"
STRONG_DATE = [f"Last-Modified: {HOUR_BEFORE}", f"Date: {DATE}"]


@pytest.mark.parametrize(
    ("asked", "expected", "skip"),
    [
        pytest.param("bytes=0-9", "bytes 0-9/2000", 0, id="the start"),
        pytest.param("bytes=0-", "bytes 0-1999/2000", 0, id="all of it"),
        pytest.param("bytes=500-599", "bytes 500-599/2000", 500, id="the middle"),
        pytest.param("bytes=1000-", "bytes 1000-1999/2000", 1000, id="as far as max_skip"),
        pytest.param("bytes=1001-", "200", 0, id="one byte beyond max_skip: the whole"),
        pytest.param("bytes=-1000", "bytes 1000-1999/2000", 1000, id="suffix"),
        pytest.param("bytes=-999", "200", 0, id="suffix beyond max_skip"),
        pytest.param("bytes=-2001", "bytes 0-1999/2000", 0, id="suffix longer than the body"),
        pytest.param("bytes=0-4,5-9", "bytes 0-9/2000", 0, id="ranges that touch"),
        pytest.param("bytes=0-4,6-9", "200", 0, id="ranges with a gap"),
        pytest.param("items=0-9", "200", 0, id="unknown unit"),
        pytest.param("bytes=9-0", "200", 0, id="malformed"),
    ],
)
def test_range_is_cut_out_of_the_whole(asked: str, expected: str, skip: int) -> None:
    planned = plan(ask(f"Range: {asked}"), head(200, "Content-Length: 2000"), max_skip=1000)

    assert (content_range(planned), planned.skip) == (expected, skip)
    assert planned.complete_length == 2000
    assert not planned.ranges_seen


@pytest.mark.parametrize("asked", ["bytes=2000-", "bytes=-0", f"bytes={10**30}-"])
def test_range_that_the_whole_does_not_have_is_416(asked: str) -> None:
    with pytest.raises(RangeNotSatisfiable) as caught:
        plan(ask(f"Range: {asked}"), head(200, "Content-Length: 2000"))

    assert caught.value.fields == {"Content-Range": "bytes */2000"}


@pytest.mark.parametrize(
    ("lines", "length"),
    [
        pytest.param(["Content-Length: 2000"], 2000, id="a length"),
        pytest.param(["Content-Length: 0"], 0, id="zero length"),
        pytest.param(["Transfer-Encoding: chunked"], None, id="chunked"),
        pytest.param([], None, id="close-delimited"),
    ],
)
@pytest.mark.parametrize("status", [200, 203])
def test_whole_is_passed_on(lines: list[str], length: int | None, status: int) -> None:
    planned = plan(ask(), head(status, *lines))

    assert content_range(planned) == "200"
    assert (planned.skip, planned.length, planned.complete_length) == (0, length, length)
    assert planned.has_body == (length != 0)


@pytest.mark.parametrize("lines", [["Transfer-Encoding: chunked"], []])
@pytest.mark.parametrize("asked", ["bytes=0-9", "bytes=5-", "bytes=-5", "bytes=-0"])
def test_range_of_an_unknown_length_is_the_whole(lines: list[str], asked: str) -> None:
    planned = plan(ask(f"Range: {asked}"), head(200, *lines))

    assert content_range(planned) == "200"
    assert planned.length is None


def test_suffix_of_an_empty_body_is_the_empty_body() -> None:
    assert content_range(plan(ask("Range: bytes=-5"), head(200, "Content-Length: 0"))) == "200"


def test_open_range_of_an_empty_body_is_416() -> None:
    with pytest.raises(RangeNotSatisfiable) as caught:
        plan(ask("Range: bytes=0-"), head(200, "Content-Length: 0"))

    assert caught.value.complete_length == 0


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(["Content-Length: 10", "Content-Length: 11"], id="conflicting lengths"),
        pytest.param(["Content-Length: -1"], id="negative length"),
        pytest.param(["Content-Length: 10, 10"], id="list of lengths"),
        pytest.param(["Content-Length: ten"], id="a length that is no number"),
        pytest.param(["Content-Length: 10", "Transfer-Encoding: chunked"], id="framed twice"),
        pytest.param(["Transfer-Encoding: gzip, chunked"], id="unknown transfer coding"),
        pytest.param(["Content-Length: 10", "Content-Range: bytes 0-9/100"], id="a part as whole"),
        pytest.param(
            ["Content-Length: 90", "Content-Range: bytes 10-99/100"], id="the end as whole"
        ),
        pytest.param(["Content-Length: 10", "Content-Range: bytes 0-9/*"], id="maybe a part"),
        pytest.param(["Content-Length: 10", "Content-Encoding: \xff"], id="unknown content coding"),
    ],
)
@pytest.mark.parametrize("asked", [[], ["Range: bytes=0-9"]])
def test_whole_whose_bytes_are_not_certain_is_refused(lines: list[str], asked: list[str]) -> None:
    with pytest.raises(UpstreamProtocol):
        plan(ask(*asked), head(200, *lines))


def test_whole_shorter_than_its_content_range_is_refused() -> None:
    """Half a file that ends cleanly would be taken for the file."""
    with pytest.raises(UpstreamProtocol):
        plan(ask(), head(200, "Content-Length: 50", "Content-Range: bytes 0-99/100"))


@pytest.mark.parametrize("value", ["bytes 0-99/100", "bytes */100", "garbage"])
def test_content_range_of_a_whole_is_not_copied(value: str) -> None:
    planned = plan(ask(), head(200, "Content-Length: 100", f"Content-Range: {value}"))

    assert content_range(planned) == "200"


def test_coded_whole_is_passed_on_with_its_coding() -> None:
    answered = head(200, "Content-Length: 100", "Content-Encoding: gzip", "Accept-Ranges: bytes")
    planned = plan(ask(), answered)

    assert planned.fields == {
        "Content-Length": "100",
        "Content-Encoding": "gzip",
        "Accept-Ranges": "none",
    }


def test_range_of_a_coded_whole_is_refused() -> None:
    with pytest.raises(UpstreamProtocol):
        plan(ask("Range: bytes=0-9"), head(200, "Content-Length: 100", "Content-Encoding: gzip"))


@pytest.mark.parametrize(
    ("if_range", "lines", "expected"),
    [
        pytest.param('"v1"', ['ETag: "v1"'], "bytes 5-9/100", id="strong tag"),
        pytest.param('"v1"', ['ETag: "v2"'], "200", id="another tag"),
        pytest.param('"v1"', ['ETag: W/"v1"'], "200", id="weak tag of the response"),
        pytest.param('"v1"', [], "200", id="no tag"),
        pytest.param('W/"v1"', ['ETag: W/"v1"'], "200", id="weak tag"),
        pytest.param('W/"v1"', ['ETag: "v1"'], "200", id="weak tag, strong in the response"),
        pytest.param(HOUR_BEFORE, STRONG_DATE, "bytes 5-9/100", id="date"),
        pytest.param(DATE, STRONG_DATE, "200", id="another date"),
        pytest.param(HOUR_BEFORE, STRONG_DATE[:1], "200", id="a date that may be weak"),
        pytest.param("v1", ['ETag: "v1"'], "200", id="neither tag nor date"),
    ],
)
def test_if_range_decides_between_part_and_whole(
    if_range: str, lines: list[str], expected: str
) -> None:
    asked = ask("Range: bytes=5-9", f"If-Range: {if_range}")

    assert content_range(plan(asked, head(200, "Content-Length: 100", *lines))) == expected


def test_if_range_that_does_not_hold_is_no_416() -> None:
    asked = ask("Range: bytes=500-", 'If-Range: "v1"')
    answered = head(200, "Content-Length: 100", 'ETag: "v2"')

    assert content_range(plan(asked, answered)) == "200"


@pytest.mark.parametrize(
    ("lines", "max_skip", "seekable"),
    [
        pytest.param(["Content-Length: 100", "Accept-Ranges: bytes"], 0, True, id="promised"),
        pytest.param(["Content-Length: 100", "Accept-Ranges: Bytes"], 0, True, id="in any case"),
        pytest.param(["Content-Length: 100"], 100, True, id="any part can be cut out"),
        pytest.param(["Content-Length: 100"], 99, False, id="not every part can be cut out"),
        pytest.param(["Content-Length: 100", "Accept-Ranges: none"], 99, False, id="denied"),
        pytest.param(["Transfer-Encoding: chunked"], 1000, False, id="unknown length"),
    ],
)
def test_whole_says_whether_parts_can_be_had(
    lines: list[str], max_skip: int, *, seekable: bool
) -> None:
    planned = plan(ask(), head(200, *lines), max_skip=max_skip)

    assert planned.seekable == seekable
    assert planned.fields["Accept-Ranges"] == ("bytes" if seekable else "none")


@pytest.mark.parametrize("condition", ['If-None-Match: "v1"', f"If-Modified-Since: {DATE}"])
def test_not_modified_is_passed_on_to_who_asked(condition: str) -> None:
    answered = head(304, 'ETag: "v1"', "Content-Length: 100", "Content-Type: video/mp4")
    planned = plan(ask(condition, "Range: bytes=0-9"), answered)

    assert (planned.status, planned.fields, planned.has_body) == (304, {"ETag": '"v1"'}, False)


@pytest.mark.parametrize("lines", [[], ['If-Match: "v1"'], ["Range: bytes=0-9", 'If-Range: "v1"']])
def test_not_modified_that_nobody_asked_for_is_refused(lines: list[str]) -> None:
    with pytest.raises(UpstreamProtocol):
        plan(ask(*lines), head(304))


@pytest.mark.parametrize("condition", ['If-Match: "v1"', f"If-Unmodified-Since: {DATE}"])
def test_failed_precondition_is_passed_on_to_who_set_it(condition: str) -> None:
    with pytest.raises(UpstreamStatus) as caught:
        plan(ask(condition), head(412))

    assert caught.value.status == 412


@pytest.mark.parametrize("lines", [[], ['If-None-Match: "v1"']])
def test_failed_precondition_that_nobody_set_is_a_bad_gateway(lines: list[str]) -> None:
    with pytest.raises(UpstreamStatus) as caught:
        plan(ask(*lines), head(412))

    assert (caught.value.status, caught.value.upstream_status) == (502, 412)


@pytest.mark.parametrize(
    ("asked", "value", "length", "is_shown"),
    [
        pytest.param("100-", "bytes */100", 100, True, id="just beyond the end"),
        pytest.param("99-", "bytes */100", None, False, id="the last byte exists"),
        pytest.param("-5", "bytes */100", None, False, id="a suffix exists"),
        pytest.param("0-", "bytes */0", 0, True, id="an empty body"),
        pytest.param("-5", "bytes */0", 0, True, id="a suffix of an empty body"),
        pytest.param("100-", None, None, False, id="no length"),
        pytest.param("100-", "bytes */*", None, False, id="an unknown length"),
        pytest.param("100-", "bytes 0-9/100", None, False, id="a part"),
    ],
)
def test_416_is_believed_where_it_is_shown_to_be_right(
    asked: str, value: str | None, length: int | None, *, is_shown: bool
) -> None:
    request = ask(f"Range: bytes={asked}")
    answered = head(416, *([f"Content-Range: {value}"] if value else []))

    assert should_ask_again(request, answered, request.range_to_forward) != is_shown
    with pytest.raises(RangeNotSatisfiable) as caught:
        plan(request, answered)
    assert caught.value.complete_length == length
    expected = {} if length is None else {"Content-Range": f"bytes */{length}"}
    assert caught.value.fields == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        *((status, True) for status in (400, 403, 405, 416, 501)),
        *((status, False) for status in (200, 206, 304, 401, 404, 410, 412, 429, 500, 502, 503)),
    ],
)
def test_whole_is_asked_for_where_ranges_are_refused(status: int, *, expected: bool) -> None:
    asked = ask("Range: bytes=0-9")

    assert should_ask_again(asked, head(status), asked.range_to_forward) == expected
    assert not should_ask_again(asked, head(status), None)


def test_range_is_cut_out_of_what_the_second_try_brings() -> None:
    planned = plan(ask("Range: bytes=5-9"), head(200, "Content-Length: 100"), again=True)

    assert (content_range(planned), planned.skip) == ("bytes 5-9/100", 5)
