"""What to answer: from what the client asked and the head that the upstream sent.

The plan is made before the first byte goes out, from nothing but these two. It never
copies an upstream's Content-Range or Content-Length: it states those that follow from
what was asked, and believes the upstream only where it fits. What does not fit is an
error, because the alternative is wrong bytes.

Source: RFC 9110, sections 13 to 15.
"""

from dataclasses import dataclass, replace

from streamproxy.errors import (
    ProxyError,
    RangeNotSatisfiable,
    TooLarge,
    UpstreamProtocol,
    UpstreamStatus,
)
from streamproxy.protocol.fields import (
    NOT_MODIFIED_CONDITIONS,
    PRECONDITIONS,
    field_value,
    if_range_holds,
)
from streamproxy.protocol.heads import Ask, UpstreamHead
from streamproxy.protocol.media_types import clean_type
from streamproxy.protocol.ranges import (
    ContentRange,
    IntRange,
    InvalidRange,
    RangeSpec,
    parse_content_range,
    parse_unsatisfied_range,
    select_range,
)

# Servers that cannot do ranges refuse the whole request with one of these.
_RANGE_REFUSED = frozenset({400, 403, 405, 416, 501})
# 203 is a 200 that somebody on the way transformed.
_WHOLE = frozenset({200, 203})


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponsePlan:
    """How to answer the client.

    :param status: 200, 206 or 304.
    :param fields: the response's fields, but for Content-Type.
    :param skip: bytes of the upstream's body to discard before the first one sent.
    :param length: bytes to send; None: all there is until the upstream ends it properly.
    :param first_pos: where in the representation the first byte sent stands.
    :param complete_length: bytes in the representation; None where unknown.
    :param ranges_seen: whether the upstream answered a range with that range.
    :param seekable: whether a client can ask for any part.
    """

    status: int
    fields: dict[str, str]
    skip: int = 0
    length: int | None = None
    first_pos: int = 0
    complete_length: int | None = None
    ranges_seen: bool = False
    seekable: bool = False

    @property
    def has_body(self) -> bool:
        """Whether the response to a GET has content."""
        return self.status != 304 and self.length != 0


def should_ask_again(ask: Ask, head: UpstreamHead, sent: RangeSpec | None) -> bool:
    """Tell whether to ask once more, for the whole: the upstream mishandled the range.

    So do servers that refuse any range, those that call a range unsatisfiable that
    exists, and those that do not look at If-Range: they send a part of a version that it
    excludes, or find none where the whole was to be sent.
    """
    if sent is None:
        return False
    if head.status == 206:
        return ask.if_range is not None and not _may_be_version(ask.if_range, head)
    if head.status == 416:
        return ask.if_range is not None or _unsatisfiable_length(ask, head) is None
    return head.status in _RANGE_REFUSED


def plan_response(
    ask: Ask,
    head: UpstreamHead,
    *,
    sent: RangeSpec | None,
    max_skip: int,
    max_size: int = 0,
) -> ResponsePlan:
    """Decide the answer to *ask* when the upstream answers *head* to the range *sent*.

    :param sent: the range that the upstream was asked for; None: for the whole.
    :param max_skip: how many bytes may be discarded to cut a range out of a whole body.
    :param max_size: the largest complete length that passes, in bytes; 0: any.
    :raises RangeNotSatisfiable: nothing of what was asked exists.
    :raises TooLarge: the representation is larger than *max_size*.
    :raises UpstreamStatus: the upstream refused or failed.
    :raises UpstreamProtocol: the head contradicts itself or what was asked.
    """
    if head.status in _WHOLE:
        check_framing(head)
        _check_coding(ask, head)
        _check_whole(head)
        plan = _plan_from_whole(ask, head, head.content_length, max_skip)
    elif head.status == 206:
        check_framing(head)
        _check_coding(ask, head)
        plan = _plan_from_part(ask, head, sent, max_skip)
    elif head.status == 304 and not ask.conditions.keys().isdisjoint(NOT_MODIFIED_CONDITIONS):
        return ResponsePlan(status=304, fields=head.description.metadata.copy())
    else:
        raise _refusal(ask, head, sent)
    size = plan.complete_length if plan.complete_length is not None else plan.length
    if max_size and size is not None and size > max_size:
        raise TooLarge(f"The file has {size} bytes; this proxy forwards at most {max_size}.")
    return plan


def check_framing(head: UpstreamHead) -> None:
    """Refuse a body whose end cannot be known.

    :raises UpstreamProtocol: an unknown transfer coding, or two framings at once.
    """
    coding = head.transfer_coding
    if coding not in (None, "chunked"):
        raise UpstreamProtocol("The site sends the file in a transfer coding that is unknown.")
    if coding and head.content_length is not None:
        raise UpstreamProtocol("The site frames the file in two contradictory ways.")


def _check_coding(ask: Ask, head: UpstreamHead) -> None:
    """Refuse a part of a file that is coded: its positions are not those that were asked for."""
    if head.content_coding and ask.ranges is not None:
        raise UpstreamProtocol("The site compresses the file, so that no part of it can be sent.")


def _plan_from_whole(
    ask: Ask, head: UpstreamHead, complete_length: int | None, max_skip: int
) -> ResponsePlan:
    """Pass the whole representation that the upstream sends, or cut the range out of it."""
    cuttable = complete_length is not None and complete_length <= max_skip
    promised = (field_value(head.fields, "Accept-Ranges") or "").lower() == "bytes"
    seekable = not head.content_coding and (cuttable or promised)
    whole = ResponsePlan(
        status=200,
        fields=_representation_fields(head, complete_length, seekable=seekable),
        length=complete_length,
        complete_length=complete_length,
        seekable=seekable,
    )
    if ask.ranges is None or complete_length is None:
        return whole
    if ask.if_range is not None and not if_range_holds(ask.if_range, head.fields):
        return whole
    part = select_range(ask.ranges, complete_length)
    if part is None or part.first_pos > max_skip:
        return whole
    return _plan_part(head, part, skip=part.first_pos, seekable=cuttable)


def _plan_from_part(
    ask: Ask, head: UpstreamHead, sent: RangeSpec | None, max_skip: int
) -> ResponsePlan:
    """Believe the part that the upstream sends only where it is the part asked for."""
    claimed = claimed_range(head)
    if sent is None:
        if claimed.length != claimed.complete_length:
            raise UpstreamProtocol("The site sends a part of the file without being asked.")
        return _plan_from_whole(ask, head, claimed.complete_length, max_skip)
    if ask.if_range is not None and not _may_be_version(ask.if_range, head):
        raise UpstreamProtocol("The site sends a part of another version of the file.")
    part = _fit(sent, claimed)
    return _plan_part(head, part, skip=0, seekable=True, ranges_seen=True)


def _plan_part(
    head: UpstreamHead,
    part: ContentRange,
    *,
    skip: int,
    seekable: bool,
    ranges_seen: bool = False,
) -> ResponsePlan:
    fields = _representation_fields(head, part.length, seekable=seekable)
    fields["Content-Range"] = str(part)
    return ResponsePlan(
        status=206,
        fields=fields,
        skip=skip,
        length=part.length,
        first_pos=part.first_pos,
        complete_length=part.complete_length,
        ranges_seen=ranges_seen,
        seekable=seekable,
    )


def _representation_fields(
    head: UpstreamHead, length: int | None, *, seekable: bool
) -> dict[str, str]:
    said = head.description
    fields = said.metadata.copy()
    fields["Accept-Ranges"] = "bytes" if seekable else "none"
    if length is not None:
        fields["Content-Length"] = str(length)
    if said.content_coding:
        fields["Content-Encoding"] = said.content_coding
    return fields


def _check_whole(head: UpstreamHead) -> None:
    """Refuse a 200 that encloses only a part: nobody can tell which of the two is true."""
    for value in head.fields.getall("Content-Range", ()):
        try:
            claimed = parse_content_range(value)
        except InvalidRange:
            continue  # it has no meaning in a 200 (RFC 9110, section 14.4)
        is_whole = claimed.length == claimed.complete_length
        if not is_whole or head.content_length not in (None, claimed.length):
            raise UpstreamProtocol("The site calls a part of the file the whole.")


def claimed_range(head: UpstreamHead) -> ContentRange:
    """Return the part that a 206 says it encloses, if it says so without contradiction."""
    if clean_type(head.description.content_type) == "multipart/byteranges":
        raise UpstreamProtocol("The site sends several parts where one was asked for.")
    values = head.fields.getall("Content-Range", ())
    if not values or values.count(values[0]) != len(values):
        raise UpstreamProtocol("The site does not say which part of the file it sends.")
    try:
        claimed = parse_content_range(values[0])
    except InvalidRange as exc:
        raise UpstreamProtocol("The site does not say which part of the file it sends.") from exc
    if head.content_length not in (None, claimed.length):
        raise UpstreamProtocol("The site contradicts itself about the length of the part.")
    return claimed


def _fit(sent: RangeSpec, claimed: ContentRange) -> ContentRange:
    """Return the part to pass on: what was asked for, of what the upstream encloses.

    A shorter part is passed on for what it is. Of a longer one, which servers send that
    read only the first position, the surplus is cut off. The start must be exact.
    """
    if isinstance(sent, IntRange):
        first_pos, last_pos = sent.first_pos, sent.last_pos
    elif claimed.complete_length is None:
        raise UpstreamProtocol("The site sends the end of a file without saying how long it is.")
    else:
        first_pos = max(0, claimed.complete_length - sent.suffix_length)
        last_pos = claimed.complete_length - 1
    if claimed.first_pos != first_pos:
        raise UpstreamProtocol("The site sends another part of the file than was asked for.")
    if last_pos is None or claimed.last_pos <= last_pos:
        return claimed
    return replace(claimed, last_pos=last_pos)


def _may_be_version(if_range: str, head: UpstreamHead) -> bool:
    """Tell whether a 206 can be of the version that If-Range names.

    A 206 to If-Range need not repeat the validators (RFC 9110, section 15.3.7), but
    one that it has must be the same.
    """
    name = "ETag" if if_range.startswith('"') else "Last-Modified"
    return field_value(head.fields, name) in (None, if_range)


def _unsatisfiable_length(ask: Ask, head: UpstreamHead) -> int | None:
    """Return the complete length by which a 416 is right, or None if it is not shown to be."""
    try:
        length = parse_unsatisfied_range(field_value(head.fields, "Content-Range") or "")
        if length:
            select_range(ask.ranges or (), length)
    except InvalidRange:
        return None
    except RangeNotSatisfiable:
        return length
    return None if length else 0


def _refusal(ask: Ask, head: UpstreamHead, sent: RangeSpec | None) -> ProxyError:
    """Return the error for a status that brings no representation."""
    if head.status == 416 and sent is not None:
        return RangeNotSatisfiable(_unsatisfiable_length(ask, head))
    if head.status == 304:
        return UpstreamProtocol("The site answers a condition that was not set.")
    error = UpstreamStatus(head.status, retry_after=field_value(head.fields, "Retry-After"))
    if head.status == 412 and not ask.conditions.keys().isdisjoint(PRECONDITIONS):
        error.status = 412
    return error
