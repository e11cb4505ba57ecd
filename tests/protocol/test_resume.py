"""How a body that broke off goes on: which version it was, what may be joined, how long to wait."""

from email.utils import parsedate_to_datetime

import pytest
from wire import head

from streamproxy.errors import UpstreamProtocol
from streamproxy.protocol.resume import (
    Version,
    VersionChanged,
    WrongPart,
    backoff_s,
    check_continuation,
    resume_fields,
    retry_after_of,
    retry_after_s,
    should_retry,
    shows_the_end,
    version_of,
)

MODIFIED = "Sat, 13 Jan 2024 10:00:00 GMT"
EARLIER = "Sat, 13 Jan 2024 09:59:59 GMT"
NEXT_SECOND = "Sat, 13 Jan 2024 10:00:01 GMT"

STRONG = 'ETag: "v1"'
WEAK = 'ETag: W/"v1"'
LAST_MODIFIED = f"Last-Modified: {MODIFIED}"
DATE = f"Date: {NEXT_SECOND}"
SAME_SECOND = f"Date: {MODIFIED}"

TAGGED = Version('"v1"', '"v1"', None, 100)
DATED = Version(MODIFIED, None, MODIFIED, 100)


class TestVersionOf:
    @pytest.mark.parametrize(
        ("lines", "if_range"),
        [
            pytest.param([STRONG], '"v1"', id="strong tag"),
            pytest.param(['ETag: ""'], '""', id="empty tag"),
            pytest.param(["ETag:  \t" + '"v1" '], '"v1"', id="white space around the tag"),
            pytest.param([STRONG, STRONG], '"v1"', id="the same tag twice"),
            pytest.param([STRONG, LAST_MODIFIED, DATE], '"v1"', id="the tag before the date"),
            pytest.param(
                [STRONG, "Content-Encoding: identity"], '"v1"', id="identity is no coding"
            ),
            pytest.param([LAST_MODIFIED, DATE], MODIFIED, id="a date of the second before"),
            pytest.param([WEAK, LAST_MODIFIED, DATE], MODIFIED, id="a date beside a weak tag"),
            pytest.param(["ETag: v1", LAST_MODIFIED, DATE], MODIFIED, id="a date beside no tag"),
        ],
    )
    def test_strong_validator_tells_versions_apart(self, lines: list[str], if_range: str) -> None:
        for complete_length in (100, None):
            version = version_of(head(200, *lines), complete_length)
            assert version is not None
            assert version.if_range == if_range
            assert version.complete_length == complete_length

    @pytest.mark.parametrize(
        "lines",
        [
            pytest.param([WEAK, LAST_MODIFIED], id="weak tag"),
            pytest.param(["ETag: v1", LAST_MODIFIED], id="tag without quotes"),
            pytest.param([STRONG, 'ETag: "v2"', LAST_MODIFIED], id="two tags"),
            pytest.param([LAST_MODIFIED], id="a date, and none to compare it with"),
            pytest.param([LAST_MODIFIED, SAME_SECOND], id="a date of the same second"),
            pytest.param([LAST_MODIFIED, f"Date: {EARLIER}"], id="a date in the future"),
            pytest.param(["Last-Modified: yesterday", DATE], id="no date"),
            pytest.param([LAST_MODIFIED, "Date: now"], id="no date to compare it with"),
        ],
    )
    def test_without_a_strong_validator_only_the_owner_can_accept_it(
        self, lines: list[str]
    ) -> None:
        answer = head(200, *lines)
        assert version_of(answer, 100) is None
        assert version_of(answer, None, without_validator=True) is None

        accepted = version_of(answer, 100, without_validator=True)
        assert accepted is not None
        assert accepted.if_range is None
        assert accepted.complete_length == 100

    @pytest.mark.parametrize("lines", [[], [WEAK], ["ETag: v1"], [STRONG, 'ETag: "v2"']])
    def test_without_a_date_there_is_nothing_that_could_agree(self, lines: list[str]) -> None:
        assert version_of(head(200, *lines), 100, without_validator=True) is None

    def test_fields_that_only_agree_are_kept_to_compare(self) -> None:
        version = version_of(head(200, WEAK, LAST_MODIFIED), 100, without_validator=True)
        assert version == Version(None, 'W/"v1"', MODIFIED, 100)

    @pytest.mark.parametrize("lines", [[STRONG], [LAST_MODIFIED, DATE]])
    def test_strong_validator_serves_also_where_none_is_needed(self, lines: list[str]) -> None:
        answer = head(200, *lines)
        for complete_length in (100, None):
            accepted = version_of(answer, complete_length, without_validator=True)
            assert accepted == version_of(answer, complete_length)

    @pytest.mark.parametrize("without_validator", [False, True])
    def test_coded_content_is_never_joined(self, *, without_validator: bool) -> None:
        answer = head(200, STRONG, LAST_MODIFIED, DATE, "Content-Encoding: gzip")
        assert version_of(answer, 100, without_validator=without_validator) is None


@pytest.mark.parametrize(
    ("version", "first_pos", "last_pos", "fields"),
    [
        pytest.param(TAGGED, 10, 99, {"Range": "bytes=10-99", "If-Range": '"v1"'}, id="by the tag"),
        pytest.param(DATED, 99, 99, {"Range": "bytes=99-99", "If-Range": MODIFIED}, id="by date"),
        pytest.param(
            TAGGED, 10, None, {"Range": "bytes=10-", "If-Range": '"v1"'}, id="to an unknown end"
        ),
        pytest.param(TAGGED, 0, 0, {"Range": "bytes=0-0", "If-Range": '"v1"'}, id="one byte"),
        pytest.param(
            Version(None, 'W/"v1"', MODIFIED, 100),
            10,
            99,
            {"Range": "bytes=10-99"},
            id="a weak tag never stands in If-Range",
        ),
    ],
)
def test_missing_bytes_are_asked_for_and_no_others(
    version: Version, first_pos: int, last_pos: int | None, fields: dict[str, str]
) -> None:
    assert resume_fields(version, first_pos, last_pos) == fields


class TestCheckContinuation:
    PART = "Content-Range: bytes 10-99/100"

    @pytest.mark.parametrize(
        ("version", "last_pos", "lines"),
        [
            pytest.param(TAGGED, 99, [PART, STRONG], id="the same tag"),
            pytest.param(TAGGED, 99, [PART, STRONG, "Content-Length: 90"], id="and length"),
            pytest.param(TAGGED, 99, [PART, PART, STRONG], id="the same part said twice"),
            pytest.param(
                TAGGED, 99, [PART, STRONG, LAST_MODIFIED, DATE], id="a date that is new beside it"
            ),
            pytest.param(TAGGED, None, [PART, STRONG], id="to the end"),
            pytest.param(
                TAGGED, 49, ["Content-Range: bytes 10-49/100", STRONG], id="to the end of a range"
            ),
            pytest.param(
                Version('"v1"', '"v1"', MODIFIED, 100),
                99,
                [PART, STRONG],
                id="RFC 9110 15.3.7: the date need not be repeated beside the tag",
            ),
            pytest.param(
                Version('"v1"', '"v1"', None, None), None, [PART, STRONG], id="a length now known"
            ),
            pytest.param(
                Version('"v1"', '"v1"', None, None),
                49,
                ["Content-Range: bytes 10-49/*", STRONG],
                id="a length still unknown",
            ),
            pytest.param(DATED, 99, [PART, LAST_MODIFIED, DATE], id="the same date"),
            pytest.param(
                DATED, 99, [PART, LAST_MODIFIED], id="the same date, strong when first seen"
            ),
            pytest.param(
                Version(MODIFIED, 'W/"v1"', MODIFIED, 100),
                99,
                [PART, WEAK, LAST_MODIFIED, DATE],
                id="the same date and weak tag",
            ),
            pytest.param(
                Version(None, 'W/"v1"', MODIFIED, 100),
                99,
                [PART, WEAK, LAST_MODIFIED],
                id="fields that agree, for owners who accept it",
            ),
            pytest.param(
                Version(None, None, MODIFIED, 100),
                99,
                [PART, LAST_MODIFIED],
                id="a date that agrees, for owners who accept it",
            ),
        ],
    )
    def test_missing_bytes_of_the_same_version_are_joined(
        self, version: Version, last_pos: int | None, lines: list[str]
    ) -> None:
        part = check_continuation(version, head(206, *lines), 10, last_pos)
        assert f"Content-Range: {part}" == lines[0]

    @pytest.mark.parametrize("status", [200, 203, 204, 304, 416])
    def test_another_status_is_refused(self, status: int) -> None:
        with pytest.raises(VersionChanged, match="does not go on"):
            check_continuation(TAGGED, head(status, self.PART, STRONG), 10, 99)

    @pytest.mark.parametrize(
        "lines",
        [
            pytest.param([], id="no Content-Range"),
            pytest.param(["Content-Range: rubbish"], id="garbage"),
            pytest.param(["Content-Range: bytes */100"], id="unsatisfied"),
            pytest.param(["Content-Range: bytes 10-99/99"], id="total within the part"),
            pytest.param([PART, "Content-Range: bytes 10-99/101"], id="two that differ"),
            pytest.param([PART, "Content-Length: 91"], id="another Content-Length"),
            pytest.param([PART, "Content-Length: -90"], id="no Content-Length"),
            pytest.param([PART, "Content-Type: multipart/byteranges; boundary=x"], id="multipart"),
        ],
    )
    def test_part_that_contradicts_itself_is_refused(self, lines: list[str]) -> None:
        with pytest.raises(WrongPart):
            check_continuation(TAGGED, head(206, STRONG, *lines), 10, 99)

    @pytest.mark.parametrize(
        ("content_range", "last_pos"),
        [
            pytest.param("bytes 9-99/100", 99, id="a byte too early"),
            pytest.param("bytes 11-99/100", 99, id="a byte too late"),
            pytest.param("bytes 0-99/100", 99, id="the whole"),
            pytest.param("bytes 10-98/100", 99, id="a byte too short"),
            pytest.param("bytes 10-50/100", 49, id="a byte too long"),
            pytest.param("bytes 10-98/100", None, id="not to the end"),
            pytest.param("bytes 10-99/*", None, id="an end that nothing tells"),
        ],
    )
    def test_other_bytes_are_refused(self, content_range: str, last_pos: int | None) -> None:
        answer = head(206, STRONG, f"Content-Range: {content_range}")
        with pytest.raises(WrongPart, match="another byte"):
            check_continuation(TAGGED, answer, 10, last_pos)

    @pytest.mark.parametrize(
        ("content_range", "last_pos"),
        [
            pytest.param("bytes 10-49/101", 49, id="longer"),
            pytest.param("bytes 10-49/50", 49, id="shorter"),
            pytest.param("bytes 10-49/*", 49, id="no longer known"),
            pytest.param("bytes 10-100/101", None, id="longer, to the end"),
            pytest.param("bytes 10-98/99", None, id="shorter, to the end"),
        ],
    )
    def test_another_complete_length_is_refused(
        self, content_range: str, last_pos: int | None
    ) -> None:
        answer = head(206, STRONG, f"Content-Range: {content_range}")
        with pytest.raises(VersionChanged, match="length") as refusal:
            check_continuation(TAGGED, answer, 10, last_pos)
        assert refusal.type is VersionChanged  # no lie: it is an answer, and others may follow it

    @pytest.mark.parametrize(
        ("version", "lines"),
        [
            pytest.param(TAGGED, ['ETag: "v2"'], id="another tag"),
            pytest.param(TAGGED, ['ETag: "V1"'], id="a tag in other case"),
            pytest.param(TAGGED, [WEAK], id="the tag, now weak"),
            pytest.param(TAGGED, [], id="no tag"),
            pytest.param(TAGGED, [STRONG, 'ETag: "v2"'], id="two tags"),
            pytest.param(TAGGED, [LAST_MODIFIED, DATE], id="a date instead of the tag"),
            pytest.param(TAGGED, [STRONG, "Content-Encoding: gzip"], id="a coding"),
            pytest.param(DATED, [f"Last-Modified: {EARLIER}", DATE], id="another date"),
            pytest.param(DATED, [DATE], id="no date"),
            pytest.param(DATED, [STRONG, LAST_MODIFIED, DATE], id="a tag that was not there"),
            pytest.param(
                Version(MODIFIED, 'W/"v1"', MODIFIED, 100),
                ['ETag: W/"v2"', LAST_MODIFIED, DATE],
                id="the date with another weak tag",
            ),
            pytest.param(
                Version(None, 'W/"v1"', MODIFIED, 100),
                ['ETag: W/"v2"', LAST_MODIFIED],
                id="another weak tag",
            ),
            pytest.param(
                Version(None, 'W/"v1"', MODIFIED, 100),
                [WEAK, f"Last-Modified: {EARLIER}"],
                id="the weak tag with another date",
            ),
            pytest.param(
                Version(None, None, MODIFIED, 100),
                ["Content-Encoding: gzip", LAST_MODIFIED],
                id="a coding, for owners who accept much",
            ),
        ],
    )
    def test_another_version_is_refused(self, version: Version, lines: list[str]) -> None:
        with pytest.raises(VersionChanged, match="changed") as refusal:
            check_continuation(version, head(206, self.PART, *lines), 10, 99)
        assert refusal.type is VersionChanged

    @pytest.mark.parametrize(
        "lines",
        [
            pytest.param(["Transfer-Encoding: gzip, chunked"], id="a transfer coding"),
            pytest.param(
                ["Transfer-Encoding: chunked", "Content-Length: 90"], id="two framings at once"
            ),
            pytest.param(["Content-Encoding: a\x01b"], id="control character in the coding"),
        ],
    )
    def test_body_whose_bytes_cannot_be_known_is_refused(self, lines: list[str]) -> None:
        """It is what the plan refuses in the first response, for the same reason."""
        with pytest.raises(UpstreamProtocol):
            check_continuation(TAGGED, head(206, self.PART, STRONG, *lines), 10, 99)

    def test_refusal_is_not_worth_another_try(self) -> None:
        assert not VersionChanged().retryable
        assert VersionChanged().code == "upstream_protocol"


class TestShowsTheEnd:
    """Only the end of the framing was missing: the 416 says that there is no byte more."""

    @pytest.mark.parametrize(
        ("version", "lines"),
        [
            pytest.param(TAGGED, [], id="nothing else, as most servers do"),
            pytest.param(TAGGED, [STRONG], id="the same tag"),
            pytest.param(DATED, [], id="nothing but the length, by date"),
            pytest.param(DATED, [LAST_MODIFIED, DATE], id="the same date"),
        ],
    )
    def test_416_of_just_that_length(self, version: Version, lines: list[str]) -> None:
        assert shows_the_end(version, head(416, "Content-Range: bytes */10", *lines), 10)

    @pytest.mark.parametrize(
        ("version", "status", "lines"),
        [
            pytest.param(TAGGED, 416, [], id="no length"),
            pytest.param(TAGGED, 416, ["Content-Range: bytes */11"], id="longer"),
            pytest.param(TAGGED, 416, ["Content-Range: bytes */9"], id="shorter"),
            pytest.param(TAGGED, 416, ["Content-Range: bytes 0-9/10"], id="a part"),
            pytest.param(TAGGED, 416, ["Content-Range: rubbish"], id="garbage"),
            pytest.param(
                TAGGED,
                416,
                ["Content-Range: bytes */10", "Content-Range: bytes */11"],
                id="two lengths",
            ),
            pytest.param(TAGGED, 416, ["Content-Range: bytes */10", 'ETag: "v2"'], id="other tag"),
            pytest.param(TAGGED, 416, ["Content-Range: bytes */10", WEAK], id="weak tag"),
            pytest.param(
                DATED,
                416,
                ["Content-Range: bytes */10", f"Last-Modified: {EARLIER}"],
                id="another date",
            ),
            pytest.param(DATED, 416, ["Content-Range: bytes */10", STRONG], id="a tag that is new"),
            pytest.param(TAGGED, 200, ["Content-Range: bytes */10"], id="200"),
            pytest.param(TAGGED, 206, ["Content-Range: bytes */10"], id="206"),
            pytest.param(TAGGED, 404, ["Content-Range: bytes */10"], id="404"),
        ],
    )
    def test_anything_else_shows_nothing(
        self, version: Version, status: int, lines: list[str]
    ) -> None:
        assert not shows_the_end(version, head(status, *lines), 10)


class TestShouldRetry:
    @pytest.mark.parametrize("status", [502, 503, 504])
    def test_busy_server_is_asked_again(self, status: int) -> None:
        assert should_retry(head(status))

    @pytest.mark.parametrize(
        "status", [200, 206, 304, 400, 401, 403, 404, 408, 410, 416, 425, 429, 500, 501, 505]
    )
    def test_answer_is_taken_for_one(self, status: int) -> None:
        assert not should_retry(head(status))
        assert not should_retry(head(status, "Retry-After: 0"))

    @pytest.mark.parametrize(
        ("lines", "is_short"),
        [
            pytest.param(["Retry-After: 0"], True, id="at once"),
            pytest.param(["Retry-After: 3"], True, id="three seconds"),
            pytest.param(["Retry-After: 4"], False, id="four seconds"),
            pytest.param(["Retry-After: 60"], False, id="a minute"),
            pytest.param(["Retry-After: later"], True, id="garbage says nothing"),
            pytest.param(["Retry-After: 60", "Retry-After: 0"], True, id="nor do two that differ"),
            pytest.param([f"Retry-After: {NEXT_SECOND}", SAME_SECOND], True, id="a date"),
            pytest.param(
                ["Retry-After: Sat, 13 Jan 2024 10:00:04 GMT", SAME_SECOND],
                False,
                id="a date too late",
            ),
            pytest.param(["Retry-After: Sat, 13 Jan 2024 10:00:04 GMT"], True, id="but not alone"),
        ],
    )
    def test_patience_beyond_three_seconds_is_left_to_the_client(
        self, lines: list[str], *, is_short: bool
    ) -> None:
        assert should_retry(head(503, *lines)) == is_short


class TestBackoff:
    @pytest.mark.parametrize(
        ("attempt", "shortest", "longest"),
        [
            (1, 0.05, 0.1),
            (2, 0.2, 0.4),
            (3, 0.8, 1.6),
            (4, 3.2, 6.4),
            (5, 5.0, 10.0),
            (6, 5.0, 10.0),
            (100, 5.0, 10.0),
        ],
    )
    def test_grows_with_each_attempt_up_to_a_cap(
        self, attempt: int, shortest: float, longest: float
    ) -> None:
        assert backoff_s(attempt, 0) == pytest.approx(shortest)
        assert backoff_s(attempt, 0.5) == pytest.approx((shortest + longest) / 2)
        assert backoff_s(attempt, 1) == pytest.approx(longest)

    def test_default_attempts_outlast_a_restart(self) -> None:
        assert sum(backoff_s(attempt, 0) for attempt in range(1, 6)) > 9

    @pytest.mark.parametrize(
        ("retry_after", "wait"),
        [(None, 0.05), (0.0, 0.05), (0.04, 0.05), (1.0, 1.0), (30.0, 30.0), (31.0, 30.0)],
    )
    def test_retry_after_is_obeyed_up_to_a_cap(
        self, retry_after: float | None, wait: float
    ) -> None:
        assert backoff_s(1, 0, retry_after) == pytest.approx(wait)

    def test_retry_after_never_shortens_the_wait(self) -> None:
        assert backoff_s(5, 1, 1.0) == 10.0


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("value", "seconds"),
        [("0", 0.0), ("120", 120.0), (" 7\t", 7.0), ("007", 7.0), ("999999999", 999999999.0)],
    )
    def test_seconds(self, value: str, seconds: float) -> None:
        assert retry_after_s(value, None) == seconds
        assert retry_after_s(value, "rubbish") == seconds

    @pytest.mark.parametrize(
        ("value", "date", "seconds"),
        [
            pytest.param(NEXT_SECOND, MODIFIED, 1.0, id="a second ahead"),
            pytest.param(MODIFIED, MODIFIED, 0.0, id="now"),
            pytest.param(EARLIER, MODIFIED, 0.0, id="past"),
            pytest.param(
                "Sun, 14 Jan 2024 10:00:00 GMT", MODIFIED, 86400.0, id="a whole day ahead"
            ),
            pytest.param("Sat, 13 Jan 2024 12:00:01 +0200", MODIFIED, 1.0, id="in another zone"),
        ],
    )
    def test_date_counts_from_the_date_of_the_response(
        self, value: str, date: str, seconds: float
    ) -> None:
        assert retry_after_s(value, date) == seconds

    @pytest.mark.parametrize(
        ("value", "date"),
        [
            pytest.param(None, None, id="none"),
            pytest.param("", None, id="empty"),
            pytest.param("-1", MODIFIED, id="negative"),
            pytest.param("1.5", MODIFIED, id="fraction"),
            pytest.param("1 s", MODIFIED, id="unit"),
            pytest.param("\N{ARABIC-INDIC DIGIT ONE}", MODIFIED, id="digit of another script"),
            pytest.param("9999999999", MODIFIED, id="beyond any patience"),
            pytest.param("soon", MODIFIED, id="word"),
            pytest.param("Sat, 99 Jan 2024 10:00:00 GMT", MODIFIED, id="no such day"),
            pytest.param(NEXT_SECOND, None, id="date without Date"),
            pytest.param(NEXT_SECOND, "", id="date with an empty Date"),
            pytest.param(NEXT_SECOND, "rubbish", id="date with a Date that is none"),
            pytest.param("Sat, 13 Jan 2024 10:00:01 -0000", MODIFIED, id="date without a zone"),
            pytest.param(
                f"Sat, 13 Jan {10**20} 10:00:00 GMT", MODIFIED, id="year beyond the calendar"
            ),
            pytest.param(
                "Sat, 13 Jan 2024 10:00:00 +" + "9" * 20, MODIFIED, id="zone beyond the globe"
            ),
            pytest.param(
                MODIFIED, f"Sat, 13 Jan {10**20} 10:00:00 GMT", id="Date beyond the calendar"
            ),
        ],
    )
    def test_anything_else_says_nothing(self, value: str | None, date: str | None) -> None:
        assert retry_after_s(value, date) is None

    def test_is_read_from_the_fields_of_a_response(self) -> None:
        assert retry_after_of(head(503)) is None
        assert retry_after_of(head(503, "Retry-After: 5")) == 5.0
        assert retry_after_of(head(503, f"Retry-After: {NEXT_SECOND}", SAME_SECOND)) == 1.0

    def test_date_of_a_response_without_one_is_when_it_was_received(self) -> None:
        answer = head(503, f"Retry-After: {NEXT_SECOND}")
        assert retry_after_of(answer) is None
        answer.received_at = parsedate_to_datetime(MODIFIED).timestamp()
        assert retry_after_of(answer) == 1.0
        dated = head(503, f"Retry-After: {NEXT_SECOND}", DATE)
        dated.received_at = answer.received_at
        assert retry_after_of(dated) == 0.0
