"""What is answered when the upstream sends a part: 206 (RFC 9110, section 15.3.7)."""

import pytest
from wire import ask, content_range, head, plan

from streamproxy.errors import UpstreamProtocol
from streamproxy.protocol.plan import should_ask_again

DATE = "Sat, 13 Jan 2024 10:30:45 GMT"
LATER = "Sat, 13 Jan 2024 11:30:45 GMT"
HUGE = 10**30


@pytest.mark.parametrize(
    ("asked", "answered", "expected"),
    [
        pytest.param("0-9", "0-9/100", "bytes 0-9/100", id="as asked"),
        pytest.param("90-99", "90-99/100", "bytes 90-99/100", id="the end"),
        pytest.param("90-199", "90-99/100", "bytes 90-99/100", id="clamped"),
        pytest.param("90-", "90-99/100", "bytes 90-99/100", id="open"),
        pytest.param("-10", "90-99/100", "bytes 90-99/100", id="suffix"),
        pytest.param("-200", "0-99/100", "bytes 0-99/100", id="suffix longer than the body"),
        pytest.param("0-9", "0-9/*", "bytes 0-9/*", id="unknown length"),
        pytest.param("5-", "5-9/*", "bytes 5-9/*", id="unknown length, open"),
        pytest.param("0-9", "0-4/100", "bytes 0-4/100", id="shorter"),
        pytest.param("0-9", "0-4/*", "bytes 0-4/*", id="shorter, unknown length"),
        pytest.param("5-", "5-49/100", "bytes 5-49/100", id="shorter, open"),
        pytest.param("-10", "90-94/100", "bytes 90-94/100", id="shorter, suffix"),
        pytest.param("0-9", "0-10/100", "bytes 0-9/100", id="longer is cut off"),
        pytest.param("5-9", "5-99/100", "bytes 5-9/100", id="to the end is cut off"),
        pytest.param("0-9", "0-99/*", "bytes 0-9/*", id="longer, unknown length"),
        pytest.param("0-4,5-9", "0-9/100", "bytes 0-9/100", id="joined ranges"),
        pytest.param(f"5-{HUGE}", "5-99/100", "bytes 5-99/100", id="to 10^30"),
        pytest.param(f"-{HUGE}", "0-99/100", "bytes 0-99/100", id="suffix of 10^30"),
    ],
)
def test_part_that_fits_is_passed_on(asked: str, answered: str, expected: str) -> None:
    planned = plan(ask(f"Range: bytes={asked}"), head(206, f"Content-Range: bytes {answered}"))

    assert content_range(planned) == expected
    assert planned.skip == 0
    assert planned.ranges_seen
    assert planned.fields["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        pytest.param("5-9", "4-9/100", id="start too early"),
        pytest.param("5-9", "6-9/100", id="start too late"),
        pytest.param("5-9", "0-99/100", id="the whole instead"),
        pytest.param("5-", "0-99/100", id="the whole instead of the rest"),
        pytest.param("5-9", "50-59/100", id="somewhere else"),
        pytest.param("-10", "89-99/100", id="suffix too long"),
        pytest.param("-10", "91-99/100", id="suffix too short"),
        pytest.param("-10", "0-9/100", id="the start instead of the end"),
        pytest.param("-10", "90-99/1000", id="another length than the suffix follows from"),
        pytest.param("-10", "90-99/*", id="suffix of an unknown length"),
        pytest.param("0-9", "0-9/9", id="beyond its own length"),
        pytest.param("0-9", "0-9/0", id="part of nothing"),
        pytest.param("0-9", "9-0/100", id="backwards"),
        pytest.param("0-9", "*/100", id="no positions"),
        pytest.param("0-9", "0-9", id="no length"),
        pytest.param("0-9", "garbage", id="garbage"),
    ],
)
def test_part_that_does_not_fit_is_refused(asked: str, answered: str) -> None:
    with pytest.raises(UpstreamProtocol):
        plan(ask(f"Range: bytes={asked}"), head(206, f"Content-Range: bytes {answered}"))


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([], id="no Content-Range"),
        pytest.param(["Content-Range: "], id="an empty one"),
        pytest.param(["Content-Range: items 0-9/100"], id="another unit"),
        pytest.param(
            ["Content-Range: bytes 0-9/100", "Content-Range: bytes 10-19/100"], id="two of them"
        ),
        pytest.param(["Content-Range: bytes 0-9/100, bytes 0-9/100"], id="a list"),
        pytest.param(
            ["Content-Type: multipart/byteranges; boundary=x"], id="multipart, as it should be"
        ),
        pytest.param(
            ["Content-Type: Multipart/ByteRanges; boundary=x", "Content-Range: bytes 0-9/100"],
            id="multipart with a Content-Range",
        ),
        pytest.param(
            ["Content-Range: bytes 0-9/100", "Content-Length: 9"], id="a length one too short"
        ),
        pytest.param(
            ["Content-Range: bytes 0-9/100", "Content-Length: 11"], id="a length one too long"
        ),
        pytest.param(["Content-Range: bytes 0-9/100", "Content-Length: 0"], id="a length of zero"),
        pytest.param(
            ["Content-Range: bytes 0-9/100", "Content-Length: 10", "Content-Length: 11"],
            id="conflicting lengths",
        ),
        pytest.param(["Content-Range: bytes 0-9/100", "Content-Length: -10"], id="a negative one"),
        pytest.param(
            ["Content-Range: bytes 0-9/100", "Content-Length: 10, 10"], id="a list of them"
        ),
        pytest.param(
            ["Content-Range: bytes 0-9/100", "Content-Length: 10", "Transfer-Encoding: chunked"],
            id="framed twice",
        ),
        pytest.param(
            ["Content-Range: bytes 0-9/100", "Transfer-Encoding: gzip, chunked"],
            id="an unknown transfer coding",
        ),
        pytest.param(
            ["Content-Range: bytes 0-9/100", "Content-Encoding: gzip"], id="a content coding"
        ),
    ],
)
def test_part_that_nobody_can_place_is_refused(lines: list[str]) -> None:
    with pytest.raises(UpstreamProtocol):
        plan(ask("Range: bytes=0-9"), head(206, *lines))


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(["Content-Length: 10"], id="a length"),
        pytest.param(["Transfer-Encoding: chunked"], id="chunked"),
        pytest.param([], id="close-delimited"),
        pytest.param(["Content-Range: bytes 0-9/100"], id="the same Content-Range twice"),
        pytest.param(["Content-Encoding: identity"], id="the coding that is none"),
        pytest.param(["Content-Type: video/mp4"], id="a type"),
    ],
)
def test_part_is_passed_on_whatever_frames_it(lines: list[str]) -> None:
    answered = head(206, "Content-Range: bytes 0-9/100", *lines)

    assert content_range(plan(ask("Range: bytes=0-9"), answered)) == "bytes 0-9/100"


@pytest.mark.parametrize(
    ("asked", "lines"),
    [
        pytest.param([], ["Content-Range: bytes 0-9/100"], id="without a range"),
        pytest.param([], ["Content-Range: bytes 90-99/100"], id="without a range: the end"),
        pytest.param([], ["Content-Range: bytes 0-9/*"], id="of an unknown length"),
        pytest.param([], [], id="without a Content-Range"),
        pytest.param(["Range: items=0-9"], ["Content-Range: bytes 0-9/100"], id="to another unit"),
        pytest.param(
            ["Range: bytes=-0"], ["Content-Range: bytes 0-9/100"], id="to an empty suffix"
        ),
        pytest.param(
            ["Range: bytes=0-9,50-59"], ["Content-Range: bytes 0-9/100"], id="to ranges with a gap"
        ),
    ],
)
def test_part_that_was_not_asked_for_is_refused(asked: list[str], lines: list[str]) -> None:
    with pytest.raises(UpstreamProtocol):
        plan(ask(*asked), head(206, *lines))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        pytest.param([], ("200", 0), id="without a range"),
        pytest.param(["Range: bytes=0-9,50-59"], ("200", 0), id="to ranges with a gap"),
        pytest.param(["Range: bytes=-5,-10"], ("bytes 90-99/100", 90), id="to suffixes"),
    ],
)
def test_part_that_is_the_whole_is_taken_for_it(
    asked: list[str], expected: tuple[str, int]
) -> None:
    planned = plan(ask(*asked), head(206, "Content-Range: bytes 0-99/100"))

    assert (content_range(planned), planned.skip) == expected
    assert not planned.ranges_seen


@pytest.mark.parametrize(
    ("if_range", "lines", "is_same"),
    [
        pytest.param('"v1"', ['ETag: "v1"'], True, id="the same tag"),
        pytest.param('"v1"', [], True, id="no tag, which need not be repeated"),
        pytest.param('"v1"', [f"Last-Modified: {DATE}"], True, id="only a date"),
        pytest.param('"v1"', ['ETag: "v2"'], False, id="another tag"),
        pytest.param('"v1"', ['ETag: W/"v1"'], False, id="a weak tag"),
        pytest.param(DATE, [f"Last-Modified: {DATE}"], True, id="the same date"),
        pytest.param(DATE, ['ETag: "v1"'], True, id="only a tag"),
        pytest.param(DATE, [f"Last-Modified: {LATER}"], False, id="a later date"),
    ],
)
def test_part_of_another_version_is_not_passed_on(
    if_range: str, lines: list[str], *, is_same: bool
) -> None:
    asked = ask("Range: bytes=0-9", f"If-Range: {if_range}")
    answered = head(206, "Content-Range: bytes 0-9/100", *lines)

    assert should_ask_again(asked, answered, asked.range_to_forward) != is_same
    if is_same:
        assert content_range(plan(asked, answered)) == "bytes 0-9/100"
    else:
        with pytest.raises(UpstreamProtocol):
            plan(asked, answered)


def test_part_without_if_range_is_not_asked_for_again() -> None:
    asked = ask("Range: bytes=0-9")
    answered = head(206, "Content-Range: bytes 0-9/100", 'ETag: "v2"')

    assert not should_ask_again(asked, answered, asked.range_to_forward)


def test_part_brings_the_metadata_and_nothing_else() -> None:
    answered = head(
        206,
        "Content-Range: bytes 10-19/100",
        'ETag: "v1"',
        "Cache-Control: no-cache",
        "Accept-Ranges: none",
        "Set-Cookie: id=1",
    )
    planned = plan(ask("Range: bytes=10-19"), answered)

    assert planned.fields == {
        "ETag": '"v1"',
        "Cache-Control": "no-cache",
        "Accept-Ranges": "bytes",
        "Content-Length": "10",
        "Content-Range": "bytes 10-19/100",
    }
    assert (planned.first_pos, planned.complete_length, planned.has_body) == (10, 100, True)
