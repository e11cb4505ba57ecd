"""Is this the request that was just answered, for another part of the same file?

Whoever takes a file in parts sends one request again and again, and changes nothing in it but
the range; and a site that sends them changes nothing in its head but the same numbers. What was
found out about the first one holds for all that follow, so they need not be taken apart again.

Source: RFC 9112, sections 2 and 3; RFC 9110, sections 14.2 and 14.4.
"""

import re
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Self

from streamproxy.protocol.ranges import IntRange

# What stands in a head for the part that is meant, by name, as bytes are formatted by names.
Values = Mapping[bytes, int | bytes]

# Bytes of a head that is remembered.
MAX_HEAD = 16 * 1024
_HEAD_END = b"\r\n\r\n"
_RANGE_LINE = re.compile(rb"\r\nrange:[ \t]*([^\r\n]*)", re.IGNORECASE)
_RANGE = re.compile(rb"bytes=([0-9]{1,18})-([0-9]{1,18})")
# The fields that say which part it is. What follows on them is the same for all parts.
_FORMS = {
    b"range": b"bytes=%(first_pos)d-%(last_pos)d",
    b"content-range": b"bytes %(first_pos)d-%(last_pos)d/",
    b"content-length": b"%(length)d",
    b"date": b"%(date)b",
    b"x-request-id": b"%(id)b",
}


@dataclass(frozen=True, slots=True)
class ClosedRange(IntRange):
    """From first_pos to last_pos, both inclusive, and both known."""

    last_pos: int

    @property
    def length(self) -> int:
        """The number of bytes asked for."""
        return self.last_pos - self.first_pos + 1

    def values(self, request_id: str, date: str) -> Values:
        """Return what stands in the heads of a request for it, and of the responses."""
        return {
            b"first_pos": self.first_pos,
            b"last_pos": self.last_pos,
            b"length": self.length,
            b"id": request_id.encode("ascii"),
            b"date": date.encode("ascii"),
        }


class RequestForm:
    """The bytes of a request's head before and after the value of its Range field."""

    __slots__ = ("_end", "_start")

    def __init__(self, start: bytes, end: bytes) -> None:
        self._start, self._end = start, end

    @classmethod
    def of(cls, head: bytes) -> Self | None:
        """Return the form of a request; None: there is no such.

        :param head: what was received, which is one whole head and nothing else, or any bytes.
        """
        if len(head) > MAX_HEAD or head.find(_HEAD_END) != len(head) - len(_HEAD_END):
            return None
        found = list(_RANGE_LINE.finditer(head))
        if len(found) != 1 or _RANGE.fullmatch(found[0][1]) is None:
            return None
        return cls(head[: found[0].start(1)], head[found[0].end(1) :])

    def read(self, received: bytes) -> ClosedRange | None:
        """Return the range of a request of this form; None: it is another one, or not whole."""
        start, end = self._start, self._end
        if not (received.startswith(start) and received.endswith(end)):
            return None
        found = _RANGE.fullmatch(received, len(start), len(received) - len(end))
        if found is None:
            return None
        part = ClosedRange(int(found[1]), int(found[2]))
        return part if part.length > 0 else None


def is_head_of(head: bytes, target: str, fields: Iterable[tuple[bytes, bytes]]) -> bool:
    """Tell whether these bytes are the head of a GET for *target* with exactly those fields.

    :param fields: names and values as they were read, in their order.
    """
    request_line, *lines = head.removesuffix(_HEAD_END).split(b"\r\n")
    parts = [line.partition(b":") for line in lines]
    written = [(name, value.strip(b" \t")) for name, _, value in parts]
    is_for = request_line == b"GET %b HTTP/1.1" % target.encode("utf-8", "surrogateescape")
    return is_for and written == list(fields)


class HeadForm:
    """A head in which the fields that say which part is meant are left open."""

    __slots__ = ("_form",)

    def __init__(self, form: bytes) -> None:
        self._form = form

    @classmethod
    def of(cls, head: bytes, values: Values, names: AbstractSet[bytes]) -> Self | None:
        """Return the form of a head; None: it does not say these values, each once, as we would.

        :param names: of the fields to leave open, in lower case.
        """
        lines, found = [], []
        for line in head.split(b"\r\n"):
            name, colon, value = line.partition(b": ")
            form = _FORMS[name.lower()] if name.lower() in names else b""
            written = form % values
            rest = value.removeprefix(written)
            if form and (rest == value or (rest and not form.endswith(b"/"))):
                return None
            if form:
                found.append(name.lower())
            lines.append(b"".join((_escape(name), _escape(colon), form, _escape(rest))))
        return cls(b"\r\n".join(lines)) if sorted(found) == sorted(names) else None

    def fill(self, values: Values) -> bytes:
        """Return the head that says these values."""
        return self._form % values


def _escape(text: bytes) -> bytes:
    return text.replace(b"%", b"%%")


def write_head(status_line: str, fields: Mapping[str, str]) -> bytes:
    """Return the head of a response as it is sent.

    :param fields: clean values by names, in their order.
    """
    lines = [status_line, *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode()  # as aiohttp does
