"""Byte ranges: what a Range field asks for, and which part of a body that is.

Positions are inclusive byte offsets, as on the wire.

Source: RFC 9110, section 14.
"""

import re
from dataclasses import dataclass

from streamproxy.errors import RangeNotSatisfiable

# Positions beyond a signed 64-bit integer lie outside any file, but servers that parse
# them into one wrap round: such numbers are judged here and never sent upstream.
MAX_POS = 2**63 - 1
# int() refuses more than 4300 digits; a number of that length is no byte position.
_MAX_DIGITS = 4000

_OWS = " \t"
_RANGE_SPEC = re.compile(r"([0-9]+)-([0-9]*)|-([0-9]+)", re.ASCII)
_CONTENT_RANGE = re.compile(
    r"bytes +([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|\*)", re.ASCII | re.IGNORECASE
)
_UNSATISFIED_RANGE = re.compile(r"bytes +\*/([0-9]{1,19})", re.ASCII | re.IGNORECASE)


class InvalidRange(ValueError):
    """A Range or Content-Range field that does not follow the grammar."""


@dataclass(frozen=True, slots=True)
class IntRange:
    """From first_pos to last_pos, both inclusive; to the end where last_pos is None."""

    first_pos: int
    last_pos: int | None = None

    def __str__(self) -> str:
        return f"{self.first_pos}-{'' if self.last_pos is None else self.last_pos}"

    def positions(self, complete_length: int) -> tuple[int, int] | None:
        """Return (first_pos, last_pos) clamped to the body, or None if none of it exists."""
        if self.first_pos >= complete_length:
            return None
        end = complete_length - 1
        return self.first_pos, end if self.last_pos is None else min(self.last_pos, end)


@dataclass(frozen=True, slots=True)
class SuffixRange:
    """The last suffix_length bytes, or the whole body where it is shorter."""

    suffix_length: int

    def __str__(self) -> str:
        return f"-{self.suffix_length}"

    def positions(self, complete_length: int) -> tuple[int, int] | None:
        """Return (first_pos, last_pos) clamped to the body, or None if none of it exists."""
        if not self.suffix_length or not complete_length:
            return None
        return max(0, complete_length - self.suffix_length), complete_length - 1


RangeSpec = IntRange | SuffixRange
RangeSet = tuple[RangeSpec, ...]


@dataclass(frozen=True, slots=True)
class ContentRange:
    """The part of a representation that a 206 encloses.

    :param complete_length: bytes in the representation, or None where unknown (``*``).
    """

    first_pos: int
    last_pos: int
    complete_length: int | None

    @property
    def length(self) -> int:
        """The number of bytes enclosed."""
        return self.last_pos - self.first_pos + 1

    def __str__(self) -> str:
        total = "*" if self.complete_length is None else self.complete_length
        return f"bytes {self.first_pos}-{self.last_pos}/{total}"


def parse_range(value: str) -> RangeSet:
    """Parse the value of a Range field into the ranges it lists, in their order.

    :raises InvalidRange: another unit, or not the grammar; a server ignores such a field.

    Source: RFC 9110, sections 14.1.1 and 14.2; empty list items: section 5.6.1.2.
    """
    unit, _, range_set = value.strip(_OWS).partition("=")
    if unit.lower() != "bytes":
        raise InvalidRange(f"unknown range unit: {unit!r}")
    items = [item.strip(_OWS) for item in range_set.split(",")]
    ranges = tuple([_parse_range_spec(item) for item in items if item])
    if not ranges:
        raise InvalidRange("no range in the set")
    return ranges


def _parse_range_spec(item: str) -> RangeSpec:
    match = _RANGE_SPEC.fullmatch(item)
    if match is None or len(item) > _MAX_DIGITS:
        raise InvalidRange("not a range of byte positions")
    first, last, suffix = match.groups()
    if suffix is not None:
        return SuffixRange(int(suffix))
    if not last:
        return IntRange(int(first))
    if int(last) < int(first):
        raise InvalidRange("the last position lies before the first")
    return IntRange(int(first), int(last))


def select_range(ranges: RangeSet, complete_length: int) -> ContentRange | None:
    """Return the part of a body that *ranges* asks for, or None for the whole body.

    Ranges that touch or overlap are joined. Those that leave a gap would need a
    multipart response; the whole body is a correct answer too, and the simpler one.

    :param complete_length: bytes in the representation.
    :raises RangeNotSatisfiable: nothing in *ranges* overlaps the body.

    Source: RFC 9110, sections 14.1.2 and 14.2. A suffix of an empty body is satisfiable,
    but no Content-Range can say so: the whole (empty) body is the answer.
    """
    found = sorted(filter(None, (spec.positions(complete_length) for spec in ranges)))
    if not found:
        asks_suffix = any(isinstance(spec, SuffixRange) and spec.suffix_length for spec in ranges)
        if complete_length == 0 and asks_suffix:
            return None
        raise RangeNotSatisfiable(complete_length)
    joined = _join(found)
    return None if joined is None else ContentRange(*joined, complete_length)


def _join(positions: list[tuple[int, int]]) -> tuple[int, int] | None:
    """Join sorted (first_pos, last_pos) pairs into one, or None if there is a gap."""
    start, reach = positions[0]
    for first_pos, last_pos in positions[1:]:
        if first_pos > reach + 1:
            return None
        reach = max(reach, last_pos)
    return start, reach


def forwardable_range(ranges: RangeSet) -> RangeSpec | None:
    """Return the one range to ask an upstream for, or None to ask for the whole.

    Asked for the whole, the upstream tells the complete length, and the part is
    selected here: for sets that cannot be joined without knowing the length, for
    ranges that no body can satisfy, and for numbers that servers get wrong.
    """
    spec = ranges[0] if len(ranges) == 1 else _join_specs(ranges)
    if isinstance(spec, SuffixRange):
        if spec.suffix_length > MAX_POS:
            return IntRange(0)
        return spec if spec.suffix_length else None
    if spec is None or spec.first_pos > MAX_POS:
        return None
    is_open = spec.last_pos is None or spec.last_pos > MAX_POS
    return IntRange(spec.first_pos) if is_open else spec


def _join_specs(ranges: RangeSet) -> IntRange | None:
    """Join ranges whose order is known without the length, or return None."""
    positions = [
        (spec.first_pos, MAX_POS + 1 if spec.last_pos is None else spec.last_pos)
        for spec in ranges
        if isinstance(spec, IntRange)
    ]
    joined = _join(sorted(positions)) if len(positions) == len(ranges) else None
    return None if joined is None else IntRange(*joined)


def parse_content_range(value: str) -> ContentRange:
    """Parse the Content-Range field of a 206.

    :raises InvalidRange: not the grammar, or positions that contradict one another.

    Source: RFC 9110, section 14.4.
    """
    match = _CONTENT_RANGE.fullmatch(value.strip(_OWS))
    if match is None:
        raise InvalidRange("not a Content-Range of bytes")
    first_pos, last_pos = int(match[1]), int(match[2])
    complete_length = None if match[3] == "*" else int(match[3])
    if last_pos < first_pos or (complete_length is not None and complete_length <= last_pos):
        raise InvalidRange("the positions of the Content-Range contradict one another")
    return ContentRange(first_pos, last_pos, complete_length)


def parse_unsatisfied_range(value: str) -> int:
    """Return the complete length that the Content-Range field of a 416 tells.

    :raises InvalidRange: not ``bytes */N``.

    Source: RFC 9110, section 14.4.
    """
    match = _UNSATISFIED_RANGE.fullmatch(value.strip(_OWS))
    if match is None:
        raise InvalidRange("not an unsatisfied range of bytes")
    return int(match[1])
