"""Byte ranges, by the tables of RFC 9110, section 14."""

import pytest

from streamproxy.errors import RangeNotSatisfiable
from streamproxy.protocol.ranges import (
    MAX_POS,
    ContentRange,
    IntRange,
    InvalidRange,
    RangeSpec,
    SuffixRange,
    forwardable_range,
    parse_content_range,
    parse_range,
    parse_unsatisfied_range,
    select_range,
)

HUGE = 10**30
BEYOND = MAX_POS + 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("bytes=0-499", [IntRange(0, 499)], id="closed"),
        pytest.param("bytes=500-500", [IntRange(500, 500)], id="one byte"),
        pytest.param("bytes=500-", [IntRange(500)], id="open"),
        pytest.param("bytes=0-", [IntRange(0)], id="open from the start"),
        pytest.param("bytes=-500", [SuffixRange(500)], id="suffix"),
        pytest.param("bytes=-0", [SuffixRange(0)], id="suffix of no bytes is valid"),
        pytest.param("bytes=007-0099", [IntRange(7, 99)], id="leading zeros"),
        pytest.param("bytes=-005", [SuffixRange(5)], id="leading zeros of a suffix"),
        pytest.param(f"bytes=0-{HUGE}", [IntRange(0, HUGE)], id="10^30"),
        pytest.param(f"bytes={HUGE}-", [IntRange(HUGE)], id="open from 10^30"),
        pytest.param(f"bytes=-{HUGE}", [SuffixRange(HUGE)], id="suffix of 10^30"),
        pytest.param("bytes=" + "0" * 3996 + "1-2", [IntRange(1, 2)], id="4000 characters"),
        pytest.param("BYTES=0-1", [IntRange(0, 1)], id="unit in capitals"),
        pytest.param("Bytes=0-1", [IntRange(0, 1)], id="unit in mixed case"),
        pytest.param(" \tbytes=0-1\t ", [IntRange(0, 1)], id="white space around the value"),
        pytest.param("bytes= 0-1", [IntRange(0, 1)], id="white space before the first item"),
        pytest.param(
            "bytes=0-1 ,\t4-5", [IntRange(0, 1), IntRange(4, 5)], id="white space around a comma"
        ),
        pytest.param(
            "bytes=4-5,0-1,-2", [IntRange(4, 5), IntRange(0, 1), SuffixRange(2)], id="their order"
        ),
        pytest.param("bytes=,0-1, ,,4-,", [IntRange(0, 1), IntRange(4)], id="empty list items"),
    ],
)
def test_valid_field_lists_its_ranges(value: str, expected: list[RangeSpec]) -> None:
    assert parse_range(value) == tuple(expected)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("", id="empty"),
        pytest.param("bytes", id="unit alone"),
        pytest.param("bytes=", id="no range"),
        pytest.param("bytes= , ,", id="only empty items"),
        pytest.param("0-1", id="no unit"),
        pytest.param("=0-1", id="empty unit"),
        pytest.param("items=0-1", id="unknown unit"),
        pytest.param("bytes2=0-1", id="a unit that begins with bytes"),
        pytest.param("bytes =0-1", id="white space before the sign"),
        pytest.param("bytes:0-1", id="wrong sign"),
        pytest.param("bytes=-", id="no position"),
        pytest.param("bytes=5", id="one position"),
        pytest.param("bytes=5-4", id="last before first"),
        pytest.param("bytes=--5", id="two signs"),
        pytest.param("bytes=0--5", id="negative position"),
        pytest.param("bytes=+1-5", id="plus sign"),
        pytest.param("bytes=0-1-2", id="three positions"),
        pytest.param("bytes=0 - 1", id="white space inside"),
        pytest.param("bytes=0-1;4-5", id="other separator"),
        pytest.param("bytes=0x0-0x1", id="hexadecimal"),
        pytest.param("bytes=0-1.5", id="fraction"),
        pytest.param("bytes=0-1e3", id="exponent"),
        pytest.param("bytes=1_0-2_0", id="underscores"),
        pytest.param("bytes=\u0660-\u0661", id="Arabic digits"),
        pytest.param("bytes=\uff10-\uff11", id="full-width digits"),
        pytest.param("bytes=-\u00b2", id="superscript digit"),
        pytest.param("bytes=\u00a00-1", id="no-break space"),
        pytest.param("bytes=0-1\n", id="line feed"),
        pytest.param("bytes=0-1,x", id="one bad item spoils the set"),
        pytest.param("bytes=0-1,5-4", id="one reversed item spoils the set"),
        pytest.param("bytes=0-" + "9" * 3999, id="4001 characters"),
        pytest.param(f"bytes=0-1{'0' * 5000}", id="10^5000"),
        pytest.param(f"bytes=-1{'0' * 5000}", id="suffix of 10^5000"),
    ],
)
def test_invalid_field_is_refused(value: str) -> None:
    with pytest.raises(InvalidRange):
        parse_range(value)


@pytest.mark.parametrize(
    ("value", "complete_length", "expected"),
    [
        pytest.param("bytes=0-99", 1000, (0, 99), id="closed"),
        pytest.param("bytes=0-999", 1000, (0, 999), id="just the body"),
        pytest.param("bytes=0-1000", 1000, (0, 999), id="one byte beyond is clamped"),
        pytest.param("bytes=999-999", 1000, (999, 999), id="last byte"),
        pytest.param("bytes=999-", 1000, (999, 999), id="last byte, open"),
        pytest.param("bytes=-1", 1000, (999, 999), id="last byte, suffix"),
        pytest.param("bytes=-999", 1000, (1, 999), id="suffix one shorter than the body"),
        pytest.param("bytes=-1000", 1000, (0, 999), id="suffix as long as the body"),
        pytest.param("bytes=-1001", 1000, (0, 999), id="suffix longer than the body"),
        pytest.param(f"bytes=5-{HUGE}", 1000, (5, 999), id="10^30 is clamped"),
        pytest.param(f"bytes=-{HUGE}", 1000, (0, 999), id="suffix of 10^30"),
        pytest.param("bytes=0-0", 1, (0, 0), id="body of one byte"),
        pytest.param("bytes=0-4,5-9", 1000, (0, 9), id="ranges that touch"),
        pytest.param("bytes=5-9,0-4", 1000, (0, 9), id="ranges that touch, backwards"),
        pytest.param("bytes=0-6,5-9", 1000, (0, 9), id="ranges that overlap"),
        pytest.param("bytes=0-9,2-3", 1000, (0, 9), id="a range inside another"),
        pytest.param("bytes=0-9,0-9", 1000, (0, 9), id="the same range twice"),
        pytest.param("bytes=0-989,-10", 1000, (0, 999), id="a suffix that touches"),
        pytest.param("bytes=0-4,1000-", 1000, (0, 4), id="the part that exists"),
        pytest.param("bytes=-0,7-8", 1000, (7, 8), id="beside an empty suffix"),
        pytest.param("bytes=0-4,6-9", 1000, None, id="a gap of one byte"),
        pytest.param("bytes=0-988,-10", 1000, None, id="a gap before a suffix"),
        pytest.param("bytes=-1", 0, None, id="suffix of an empty body"),
        pytest.param("bytes=0-0,-1", 0, None, id="suffix of an empty body, among others"),
    ],
)
def test_selected_part(value: str, complete_length: int, expected: tuple[int, int] | None) -> None:
    selected = select_range(parse_range(value), complete_length)

    assert selected == (None if expected is None else ContentRange(*expected, complete_length))


@pytest.mark.parametrize(
    ("value", "complete_length"),
    [
        pytest.param("bytes=1000-", 1000, id="just beyond the end"),
        pytest.param("bytes=1000-1000", 1000, id="just beyond the end, closed"),
        pytest.param(f"bytes={HUGE}-", 1000, id="10^30"),
        pytest.param("bytes=-0", 1000, id="empty suffix"),
        pytest.param("bytes=2000-,1000-1001", 1000, id="several"),
        pytest.param("bytes=0-", 0, id="open range of an empty body"),
        pytest.param("bytes=0-0", 0, id="closed range of an empty body"),
        pytest.param("bytes=-0", 0, id="empty suffix of an empty body"),
    ],
)
def test_range_without_any_byte_is_not_satisfiable(value: str, complete_length: int) -> None:
    with pytest.raises(RangeNotSatisfiable) as caught:
        select_range(parse_range(value), complete_length)

    assert caught.value.fields == {"Content-Range": f"bytes */{complete_length}"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("bytes=0-99", "0-99", id="closed"),
        pytest.param("bytes=007-9", "7-9", id="leading zeros are gone"),
        pytest.param("bytes=5-", "5-", id="open"),
        pytest.param("bytes=-5", "-5", id="suffix"),
        pytest.param("bytes=0-4,5-9", "0-9", id="touching"),
        pytest.param("bytes=5-9,0-6", "0-9", id="overlapping, backwards"),
        pytest.param("bytes=5-,0-6", "0-", id="overlapping an open one"),
        pytest.param("bytes=0-4,6-9", None, id="a gap"),
        pytest.param("bytes=0-4,6-", None, id="a gap before an open one"),
        pytest.param("bytes=0-4,-5", None, id="a suffix among others"),
        pytest.param("bytes=-0", None, id="empty suffix"),
        pytest.param(f"bytes={MAX_POS}-", f"{MAX_POS}-", id="greatest first position"),
        pytest.param(f"bytes={BEYOND}-", None, id="first position too great"),
        pytest.param(f"bytes=5-{MAX_POS}", f"5-{MAX_POS}", id="greatest last position"),
        pytest.param(f"bytes=5-{BEYOND}", "5-", id="last position too great: open"),
        pytest.param(f"bytes=-{MAX_POS}", f"-{MAX_POS}", id="greatest suffix"),
        pytest.param(f"bytes=-{BEYOND}", "0-", id="suffix too great: the whole"),
        pytest.param(f"bytes=0-9,{HUGE}-", None, id="a gap before 10^30"),
    ],
)
def test_range_that_the_upstream_is_asked_for(value: str, expected: str | None) -> None:
    forwarded = forwardable_range(parse_range(value))

    assert (None if forwarded is None else str(forwarded)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("bytes 0-499/1234", ContentRange(0, 499, 1234), id="known length"),
        pytest.param("bytes 42-1233/*", ContentRange(42, 1233, None), id="unknown length"),
        pytest.param("bytes 1233-1233/1234", ContentRange(1233, 1233, 1234), id="last byte"),
        pytest.param("Bytes 0-0/1", ContentRange(0, 0, 1), id="unit in mixed case"),
        pytest.param(" bytes  0-0/1\t", ContentRange(0, 0, 1), id="white space"),
        pytest.param("bytes 00-01/02", ContentRange(0, 1, 2), id="leading zeros"),
        pytest.param(
            f"bytes 0-{10**19 - 1}/*", ContentRange(0, 10**19 - 1, None), id="nineteen digits"
        ),
    ],
)
def test_content_range_is_read(value: str, expected: ContentRange) -> None:
    assert parse_content_range(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("", id="empty"),
        pytest.param("bytes", id="unit alone"),
        pytest.param("items 0-1/2", id="another unit"),
        pytest.param("0-1/2", id="no unit"),
        pytest.param("bytes=0-1/2", id="the sign of a Range"),
        pytest.param("bytes0-1/2", id="no white space"),
        pytest.param("bytes 0-1", id="no length"),
        pytest.param("bytes 0-1/", id="empty length"),
        pytest.param("bytes -1/2", id="no first position"),
        pytest.param("bytes 0-/2", id="no last position"),
        pytest.param("bytes */2", id="unsatisfied"),
        pytest.param("bytes 1-0/2", id="last before first"),
        pytest.param("bytes 0-2/2", id="last beyond the length"),
        pytest.param("bytes 0-0/0", id="a byte of nothing"),
        pytest.param("bytes -1--1/2", id="negative"),
        pytest.param("bytes 0 - 1/2", id="white space inside"),
        pytest.param("bytes 0-1/2, bytes 0-1/2", id="list"),
        pytest.param("bytes \u0660-\u0661/\u0662", id="Arabic digits"),
        pytest.param(f"bytes 0-{10**19}/*", id="twenty digits"),
        pytest.param("bytes 0-1/1" + "0" * 5000, id="10^5000"),
    ],
)
def test_content_range_that_is_wrong_is_refused(value: str) -> None:
    with pytest.raises(InvalidRange):
        parse_content_range(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("bytes */1234", 1234, id="length"),
        pytest.param("bytes */0", 0, id="empty body"),
        pytest.param(" BYTES  */7 ", 7, id="white space and case"),
    ],
)
def test_unsatisfied_range_tells_the_length(value: str, expected: int) -> None:
    assert parse_unsatisfied_range(value) == expected


@pytest.mark.parametrize(
    "value", ["", "bytes */*", "bytes */", "bytes */-1", "bytes 0-1/2", "items */5", "*/5"]
)
def test_unsatisfied_range_without_a_length_is_refused(value: str) -> None:
    with pytest.raises(InvalidRange):
        parse_unsatisfied_range(value)


@pytest.mark.parametrize("text", ["bytes 0-499/1234", "bytes 42-1233/*"])
def test_content_range_is_written_as_it_is_read(text: str) -> None:
    assert str(parse_content_range(text)) == text


def test_content_range_counts_both_of_its_ends() -> None:
    assert ContentRange(10, 19, 100).length == 10
