"""Which fields pass, each way, and what they are held to."""

import pytest
from wire import fields

from streamproxy.protocol.fields import (
    conditions,
    entity_tag,
    field_value,
    if_range_holds,
    last_modified_is_strong,
    metadata,
    private_cache_control,
)

DATE = "Sat, 13 Jan 2024 10:30:45 GMT"
SECOND_BEFORE = "Sat, 13 Jan 2024 10:30:44 GMT"
HOUR_BEFORE = "Sat, 13 Jan 2024 09:30:45 GMT"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param([], None, id="absent"),
        pytest.param(["Age: 5"], "5", id="present"),
        pytest.param(["age: 5"], "5", id="name in lower case"),
        pytest.param(["Age: \t5 "], "5", id="white space around it"),
        pytest.param(["Age: 5", "Age:  5"], "5", id="the same twice"),
        pytest.param(["Age: 5", "Age: 6"], None, id="contradictory"),
        pytest.param(["Age: "], None, id="empty"),
        pytest.param(["Age: 5 ~"], "5 ~", id="first and last character that pass"),
        pytest.param(["Age: 5\x7f"], None, id="delete"),
        pytest.param(["Age: 5\x1f6"], None, id="control character"),
        pytest.param(["Age: 5\r\nSet-Cookie: id=1"], None, id="line break"),
        pytest.param(["Age: 5\x00"], None, id="null"),
        pytest.param(["Age: \xe9"], None, id="beyond ASCII"),
        pytest.param(["Age: \udce9"], None, id="a byte that is no text"),
    ],
)
def test_only_one_clean_value_is_taken(lines: list[str], expected: str | None) -> None:
    assert field_value(fields(*lines), "Age") == expected


@pytest.mark.parametrize(
    "value", ['"v1"', 'W/"v1"', '""', 'W/""', '"a,b;c/d"', '"!#\'~"'], ids=lambda value: value
)
def test_entity_tag_that_is_well_formed_is_taken(value: str) -> None:
    assert entity_tag(fields(f"ETag: {value}")) == value


@pytest.mark.parametrize(
    "value",
    ["v1", '"v1', 'v1"', "'v1'", 'w/"v1"', 'W/ "v1"', '"v1", "v2"', '"a"b"', '"a b"', '"\xe9"'],
)
def test_entity_tag_that_is_malformed_is_dropped(value: str) -> None:
    assert entity_tag(fields(f"ETag: {value}")) is None


def test_only_the_four_conditions_go_upstream() -> None:
    passed = [
        'If-None-Match: "v1", "v2"',
        f"If-Modified-Since: {DATE}",
        "If-Match: *",
        f"If-Unmodified-Since: {DATE}",
    ]
    personal = ["Cookie: id=1", "Authorization: Basic eA==", "Range: bytes=0-1", 'If-Range: "v1"']

    assert conditions(fields(*passed, *personal)) == dict(fields(*passed))


def test_condition_that_is_not_clean_does_not_go_upstream() -> None:
    assert conditions(fields('If-None-Match: "\x01"', "If-Match: ")) == {}


def test_only_metadata_comes_back() -> None:
    passed = [
        'ETag: "v1"',
        f"Last-Modified: {DATE}",
        "Cache-Control: max-age=60",
        f"Expires: {DATE}",
        "Age: 7",
    ]
    dropped = [
        "Content-Length: 10",
        "Content-Range: bytes 0-9/10",
        "Content-Type: text/html",
        "Accept-Ranges: bytes",
        "Connection: close",
        "Keep-Alive: timeout=5",
        "Set-Cookie: id=1",
        "Refresh: 0; url=https://example.com/",
        "Content-Security-Policy: default-src *",
        "Access-Control-Allow-Origin: *",
        "Location: /",
        "Link: </x>; rel=preload",
        "Server: example",
        "X-Powered-By: example",
    ]

    assert metadata(fields(*passed, *dropped)) == dict(fields(*passed))


def test_metadata_that_is_not_clean_does_not_come_back() -> None:
    assert metadata(fields("ETag: v1", "Age: 1", "Age: 2", "Expires: \x00")) == {}


@pytest.mark.parametrize(
    ("if_range", "lines", "expected"),
    [
        pytest.param('"v1"', ['ETag: "v1"'], True, id="the same tag"),
        pytest.param('"v1"', ['ETag: "v2"'], False, id="another tag"),
        pytest.param('"v1"', ['ETag: W/"v1"'], False, id="a weak tag of the response"),
        pytest.param('W/"v1"', ['ETag: W/"v1"'], False, id="a weak tag of the request"),
        pytest.param('"v1"', [], False, id="no tag"),
        pytest.param('"v1', ['ETag: "v1'], False, id="a malformed tag"),
        pytest.param(
            DATE, [f"Last-Modified: {DATE}", f"Date: {DATE}"], False, id="date within the second"
        ),
        pytest.param(
            SECOND_BEFORE,
            [f"Last-Modified: {SECOND_BEFORE}", f"Date: {DATE}"],
            True,
            id="date a second old",
        ),
        pytest.param(
            DATE, [f"Last-Modified: {HOUR_BEFORE}", f"Date: {DATE}"], False, id="a later date"
        ),
        pytest.param(
            HOUR_BEFORE,
            [f"Last-Modified: {SECOND_BEFORE}", f"Date: {DATE}"],
            False,
            id="an earlier date",
        ),
        pytest.param(HOUR_BEFORE, [f"Date: {DATE}"], False, id="no Last-Modified"),
        pytest.param(HOUR_BEFORE, [f"Last-Modified: {HOUR_BEFORE}"], False, id="no Date"),
        pytest.param("v1", ['ETag: "v1"'], False, id="neither tag nor date"),
    ],
)
def test_if_range_holds_by_strong_comparison(
    if_range: str, lines: list[str], *, expected: bool
) -> None:
    assert if_range_holds(if_range, fields(*lines)) == expected


@pytest.mark.parametrize(
    ("modified", "date", "expected"),
    [
        pytest.param(HOUR_BEFORE, DATE, True, id="an hour"),
        pytest.param(SECOND_BEFORE, DATE, True, id="a second"),
        pytest.param(DATE, DATE, False, id="the same second"),
        pytest.param(DATE, HOUR_BEFORE, False, id="in the future"),
        pytest.param("yesterday", DATE, False, id="no date"),
        pytest.param(HOUR_BEFORE, "0", False, id="no Date that can be read"),
        pytest.param("Sat, 13 Jan 2024 09:30:45 -0000", DATE, False, id="one without a zone"),
        pytest.param("Sat, 13 Jan 2024 09:30:45 +999999", DATE, False, id="no such zone"),
        pytest.param("Sat, 13 Jan 99999 09:30:45 GMT", DATE, False, id="no such year"),
    ],
)
def test_last_modified_is_strong_a_second_later(
    modified: str, date: str, *, expected: bool
) -> None:
    answered = fields(f"Last-Modified: {modified}", f"Date: {date}")

    assert last_modified_is_strong(answered) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "private"),
        ("", "private"),
        ("public", "private"),
        ("public, max-age=600", "private, max-age=600"),
        ("Public, S-MaxAge=9, max-age=600, proxy-revalidate", "private, max-age=600"),
        ("no-store", "private, no-store"),
        ("private, no-cache", "private, no-cache"),
        ('private="set-cookie", max-age=1', "private, max-age=1"),
    ],
)
def test_what_is_for_somebody_is_kept_by_no_cache_between(value: str | None, expected: str) -> None:
    assert private_cache_control(value) == expected
