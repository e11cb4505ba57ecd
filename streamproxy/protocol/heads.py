"""The two heads that a plan is made from: what the client asked, what the upstream says.

Source: RFC 9110, sections 13 and 14; RFC 9112, section 6 (how long a body is).
"""

import re
from dataclasses import dataclass
from functools import cached_property

from multidict import CIMultiDict, MultiMapping

from streamproxy.errors import UpstreamProtocol
from streamproxy.protocol.fields import conditions, entity_tag, field_value, metadata
from streamproxy.protocol.ranges import (
    InvalidRange,
    RangeSet,
    RangeSpec,
    forwardable_range,
    parse_range,
)

_UNKNOWN = -1  # not looked for yet
_LENGTH = re.compile(r"[0-9]{1,18}", re.ASCII)
_CODINGS = re.compile(r"[a-z0-9!#$%&'*+.^_`|~, -]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a client asked for, as far as it decides the answer.

    :param ranges: the ranges of a valid Range field, None where there is none.
    :param if_range: the If-Range field that goes with them.
    :param conditions: the other conditions, by field name.
    """

    ranges: RangeSet | None = None
    if_range: str | None = None
    conditions: dict[str, str]

    @property
    def range_to_forward(self) -> RangeSpec | None:
        """The one range to ask the upstream for; None: ask for the whole.

        A weak entity tag never matches in If-Range (RFC 9110, section 13.1.5): the
        answer is the whole representation, so that is what is asked for.
        """
        if self.ranges is None or (self.if_range or "").startswith("W/"):
            return None
        return forwardable_range(self.ranges)


def read_ask(fields: MultiMapping[str]) -> Ask:
    """Read what a client asked from the fields of its request.

    A Range that is malformed, repeated or in another unit is ignored, and If-Range with it;
    so is a Range whose If-Range cannot be read.

    Source: RFC 9110, sections 13.1.5 and 14.2.
    """
    ranges: RangeSet | None = None
    if value := field_value(fields, "Range"):
        try:
            ranges = parse_range(value)
        except InvalidRange:
            ranges = None
    if_range = field_value(fields, "If-Range")
    if if_range is None and "If-Range" in fields:
        ranges = None  # a condition that cannot be read is not taken to hold
    return Ask(ranges=ranges, if_range=if_range if ranges else None, conditions=conditions(fields))


def upstream_fields(ask: Ask, sent: RangeSpec | None) -> dict[str, str]:
    """Return the fields that take the ask to the upstream, with *sent* as the range."""
    fields = dict(ask.conditions)
    if sent is not None:
        fields["Range"] = f"bytes={sent}"
        if ask.if_range is not None:
            fields["If-Range"] = ask.if_range
    return fields


class Description:
    """What a head says of the representation, whichever part of it the response encloses.

    :param fields: of a response, but for those of the part.
    """

    def __init__(self, fields: MultiMapping[str]) -> None:
        self._fields = fields

    @cached_property
    def metadata(self) -> dict[str, str]:
        """The fields that pass to the client."""
        return metadata(self._fields)

    @cached_property
    def etag(self) -> str | None:
        """The entity tag; None where there is none that is well-formed."""
        return entity_tag(self._fields)

    @cached_property
    def last_modified(self) -> str | None:
        """The date of the last change, as it was sent."""
        return field_value(self._fields, "Last-Modified")

    @cached_property
    def content_type(self) -> str | None:
        """The declared type, with its parameters."""
        return field_value(self._fields, "Content-Type")

    @cached_property
    def content_disposition(self) -> str | None:
        """The field that may name the file."""
        return field_value(self._fields, "Content-Disposition")

    @cached_property
    def transfer_coding(self) -> str | None:
        """The Transfer-Encoding, in lower case; None where there is none."""
        values = self._fields.getall("Transfer-Encoding", ())
        return ", ".join(values).strip(" \t").lower() or None

    @cached_property
    def content_coding(self) -> str | None:
        """The Content-Encoding, in lower case; None where the body is as it is.

        :raises UpstreamProtocol: no list of tokens.
        """
        value = ", ".join(self._fields.getall("Content-Encoding", ())).strip(" \t").lower()
        if value in ("", "identity"):
            return None
        if not _CODINGS.fullmatch(value):
            raise UpstreamProtocol("The site sends the file in a coding that is unknown.")
        return value


# Those that change with each part, or each second: in the two ways in which they are spelt.
_OF_THE_PART = frozenset(
    {"Content-Length", "Content-Range", "Date", "content-length", "content-range", "date"}
)
_MAX_DESCRIBED = 256
_MAX_DESCRIBED_SIZE = 4096  # characters
_described: dict[tuple[tuple[str, str], ...], Description] = {}


def describe(fields: MultiMapping[str]) -> Description:
    """Return what the fields of a response say of the representation.

    Remembered: the heads of all parts of one file say the same.
    """
    key = tuple([item for item in fields.items() if item[0] not in _OF_THE_PART])
    found = _described.get(key)
    if found is None:
        found = Description(CIMultiDict(key))
        if sum(len(name) + len(value) for name, value in key) <= _MAX_DESCRIBED_SIZE:
            if len(_described) >= _MAX_DESCRIBED:
                del _described[next(iter(_described))]
            _described[key] = found
    return found


class UpstreamHead:
    """The status and the fields of an upstream's final response.

    :param received_at: when it came, in seconds since 1970; None: nobody knows.
    """

    __slots__ = ("_content_length", "_description", "fields", "received_at", "status")

    def __init__(
        self, status: int, fields: MultiMapping[str], received_at: float | None = None
    ) -> None:
        self.status = status
        self.fields = fields
        self.received_at = received_at
        # Each is found when it is first asked for. cached_property would take longer to
        # remember them than it takes to find them.
        self._description: Description | None = None
        self._content_length: int | None = _UNKNOWN

    @property
    def description(self) -> Description:
        """What it says of the representation."""
        if self._description is None:
            self._description = describe(self.fields)
        return self._description

    @property
    def content_length(self) -> int | None:
        """The declared length of the body in bytes; None where the framing tells the end.

        :raises UpstreamProtocol: conflicting, negative, list-valued or no number.

        Source: RFC 9112, section 6.3; a list of equal values may be taken as one, but
        whoever sends one has been confused by somebody: better no bytes than wrong ones.
        """
        if self._content_length == _UNKNOWN:
            values = self.fields.getall("Content-Length", ())
            if len(values) > 1 or (values and not _LENGTH.fullmatch(values[0])):
                raise UpstreamProtocol("The site contradicts itself about the length of the file.")
            self._content_length = int(values[0]) if values else None
        return self._content_length

    @property
    def transfer_coding(self) -> str | None:
        """The Transfer-Encoding, in lower case; None where there is none."""
        return self.description.transfer_coding

    @property
    def is_close_delimited(self) -> bool:
        """Whether only the end of the connection tells the end of the body."""
        return self.transfer_coding is None and self.content_length is None

    @property
    def content_coding(self) -> str | None:
        """The Content-Encoding, in lower case; None where the body is as it is.

        :raises UpstreamProtocol: no list of tokens.
        """
        return self.description.content_coding
