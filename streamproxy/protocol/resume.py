"""How a body that broke off goes on: at the same byte, of the same version, or not at all.

Source: RFC 9110, sections 8.8 (validators), 13.1.5 (If-Range), 14.4 (Content-Range) and
10.2.3 (Retry-After).
"""

import re
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime

from streamproxy.errors import UpstreamProtocol
from streamproxy.protocol.fields import entity_tag, field_value, last_modified_is_strong
from streamproxy.protocol.heads import UpstreamHead
from streamproxy.protocol.plan import check_framing, claimed_range
from streamproxy.protocol.ranges import ContentRange, InvalidRange, parse_unsatisfied_range

_BUSY = frozenset({502, 503, 504})
_SHORT_RETRY_AFTER = 3.0
# Seconds: nearly at once, because most cuts are single; then four times as long with each
# attempt that comes to nothing. Five attempts give a site that restarts nine seconds or more.
_FIRST_BACKOFF = 0.1
_BACKOFF_FACTOR = 4
_MAX_BACKOFF = 10.0
# A server may ask for more patience than that, but not for a viewer's whole evening.
_MAX_RETRY_AFTER = 30.0


class VersionChanged(UpstreamProtocol):
    """What the upstream has now cannot be joined to what was sent."""

    retryable = False


class WrongPart(VersionChanged):
    """What the upstream sends is no answer to what it was asked for."""


@dataclass(frozen=True, slots=True)
class Version:
    """What tells one version of a representation from another.

    :param if_range: the strong validator, as If-Range takes it; None: there is none, and
        the owner accepts that fields which agree are good enough.
    :param complete_length: bytes; None where unknown.
    """

    if_range: str | None
    etag: str | None
    last_modified: str | None
    complete_length: int | None

    @property
    def has_strong_etag(self) -> bool:
        """Whether an entity tag decides, so that the date does not matter."""
        return self.etag is not None and self.etag == self.if_range


def version_of(
    head: UpstreamHead, complete_length: int | None, *, without_validator: bool = False
) -> Version | None:
    """Return the version of a response, or None if it cannot be told from another one.

    :param without_validator: accept a weak or missing validator where the length is known.
    """
    said = head.description
    if said.content_coding is not None:
        return None
    etag, modified = said.etag, said.last_modified
    if_range = None
    if etag is not None and not etag.startswith("W/"):
        if_range = etag
    elif last_modified_is_strong(head.fields):
        if_range = modified
    elif not without_validator or complete_length is None or modified is None:
        return None
    return Version(if_range, etag, modified, complete_length)


def resume_fields(version: Version, first_pos: int, last_pos: int | None) -> dict[str, str]:
    """Return the request fields that ask for the missing bytes, and for no others."""
    fields = {"Range": f"bytes={first_pos}-{'' if last_pos is None else last_pos}"}
    if version.if_range is not None:
        fields["If-Range"] = version.if_range
    return fields


def check_continuation(
    version: Version, head: UpstreamHead, first_pos: int, last_pos: int | None
) -> ContentRange:
    """Return the part that goes on, if it is exactly the missing bytes of the same version.

    :param last_pos: where the missing bytes end; None: at the end of the representation.
    :raises WrongPart: it cannot be what was asked for.
    :raises VersionChanged: it must not be joined.
    """
    if head.status != 206:
        raise VersionChanged("The site does not go on where it broke off.")
    try:
        check_framing(head)
        claimed = claimed_range(head)
    except UpstreamProtocol as exc:
        raise WrongPart(exc.detail) from exc
    if last_pos is None and claimed.complete_length is not None:
        last_pos = claimed.complete_length - 1
    if (claimed.first_pos, claimed.last_pos) != (first_pos, last_pos):
        raise WrongPart("The site goes on at another byte than where it broke off.")
    if version.complete_length not in (None, claimed.complete_length):
        raise VersionChanged("The length of the file has changed meanwhile.")
    now = version_of(head, claimed.complete_length, without_validator=True)
    if now is None or not _is_same(version, now):
        raise VersionChanged("The file has changed meanwhile.")
    return claimed


def shows_the_end(version: Version, head: UpstreamHead, next_pos: int) -> bool:
    """Tell whether a response to a range from *next_pos* shows that nothing is missing.

    So does a 416 of the same version whose complete length is just that: what was cut off
    was only the end of the framing.
    """
    if head.status != 416:
        return False
    # A 416 need not repeat the validators, but those that it has must be the same.
    modified = None if version.has_strong_etag else field_value(head.fields, "Last-Modified")
    if entity_tag(head.fields) not in (None, version.etag):
        return False
    if modified not in (None, version.last_modified):
        return False
    try:
        return parse_unsatisfied_range(field_value(head.fields, "Content-Range") or "") == next_pos
    except InvalidRange:
        return False


def _is_same(version: Version, now: Version) -> bool:
    if version.has_strong_etag:
        return now.etag == version.etag
    return (now.etag, now.last_modified) == (version.etag, version.last_modified)


def should_retry(head: UpstreamHead) -> bool:
    """Tell whether a response that brings nothing may be asked for once more at once.

    Never after a 4xx: that is an answer. A server that asks for patience gets it from
    the client, who is told so.
    """
    if head.status not in _BUSY:
        return False
    wait = retry_after_of(head)
    return wait is None or wait <= _SHORT_RETRY_AFTER


def retry_after_of(head: UpstreamHead) -> float | None:
    """Return the seconds that a response asks to wait, or None if it does not ask.

    Where it does not say of when it is, it is of when it was received (RFC 9110, section 6.6.1).
    """
    date = field_value(head.fields, "Date")
    if date is None and head.received_at is not None:
        date = formatdate(head.received_at, usegmt=True)
    return retry_after_s(field_value(head.fields, "Retry-After"), date)


def backoff_s(attempt: int, jitter: float, retry_after_s: float | None = None) -> float:
    """Return how many seconds to wait before an attempt.

    :param attempt: 1 for the first.
    :param jitter: from 0 to 1, by chance, so that viewers of one film do not ask at once.
    :param retry_after_s: what the upstream asked for; obeyed up to 30 seconds.
    """
    longest: float = min(_MAX_BACKOFF, _FIRST_BACKOFF * _BACKOFF_FACTOR ** (attempt - 1))
    wait = longest * (0.5 + jitter / 2)
    return max(wait, min(retry_after_s or 0.0, _MAX_RETRY_AFTER))


def retry_after_s(retry_after: str | None, date: str | None) -> float | None:
    """Return the seconds that a Retry-After field asks to wait, or None if it says none.

    :param date: the Date field of the same response, by which a date is understood.
    """
    value = (retry_after or "").strip()
    if re.fullmatch(r"[0-9]{1,9}", value):
        return float(value)
    try:
        wait = parsedate_to_datetime(value) - parsedate_to_datetime(date or "")
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, wait.total_seconds())
