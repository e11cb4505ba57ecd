"""Is this the head of a small response that can be read without aiohttp?

Players ask for many small parts. What aiohttp sets up to read one (a parser, a stream, its
timers, its pool) costs more than the bytes. So a plain head with a short Content-Length is
read here (upstream/lines.py), and whatever else comes is left to aiohttp from its first
byte on: interim responses, redirects, errors, chunks, heads in pieces, and all that is not
beyond doubt.

Source: RFC 9112, sections 2.2, 4, 5, 6 and 9.3.
"""

import asyncio
import re
from functools import lru_cache
from typing import Protocol, cast

from multidict import CIMultiDict, istr

# Bytes of a body, which is held until it is sent: no more than aiohttp would hold.
MAX_SMALL = 128 * 1024
# Bytes of a head, and its lines.
MAX_HEAD = 8 * 1024
_MAX_LINES = 64
HEAD_END = b"\r\n\r\n"

_STATUS_LINE = re.compile(rb"HTTP/1\.1 (200|206) [\t\x20-\x7e]*")
_FIELD_LINE = re.compile(
    rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t ]*((?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?)[\t ]*"
)
_LENGTH = re.compile(r"[0-9]{1,6}", re.ASCII)


@lru_cache(maxsize=512)  # all but a few lines are the same in all heads of a site
def _parse_field(line: bytes) -> tuple[istr, str] | None:
    match = _FIELD_LINE.fullmatch(line)
    return match and (istr(match[1].decode("ascii")), match[2].decode("ascii"))


def parse_small(head: bytes) -> tuple[int, CIMultiDict[str], int] | None:
    """Return status, fields and length of a response that can be read here; None: it cannot.

    :param head: without the empty line at its end.
    """
    lines = head.split(b"\r\n")
    status = _STATUS_LINE.fullmatch(lines[0])
    if status is None or len(lines) > _MAX_LINES:
        return None
    items = list(map(_parse_field, lines[1:]))
    if None in items:
        return None
    fields = CIMultiDict(cast("list[tuple[istr, str]]", items))
    lengths = fields.getall("Content-Length", ())
    if (
        len(lengths) != 1
        or _LENGTH.fullmatch(lengths[0]) is None
        or "Transfer-Encoding" in fields
        or "Upgrade" in fields
        or fields.getall("Connection", ["keep-alive"]) != ["keep-alive"]
    ):
        return None
    length = int(lengths[0])
    return None if length > MAX_SMALL else (int(status[1]), fields, length)


_Parsed = tuple[int, CIMultiDict[str], int]


class SmallHead:
    """The head of a small response, as it was sent.

    :param raw: with the empty line at its end.
    :param parsed: what parse_small returns; None: it is known to be readable, and is not yet read.
    """

    __slots__ = ("_parsed", "length", "raw")

    def __init__(self, raw: bytes, length: int, parsed: _Parsed | None = None) -> None:
        self.raw = raw
        self.length = length
        self._parsed = parsed

    def parse(self) -> _Parsed:
        """Return status, fields and length."""
        if self._parsed is None:
            parsed = parse_small(self.raw.removesuffix(HEAD_END))
            self._parsed = cast("_Parsed", parsed)  # it is one that was read, but for numbers
        return self._parsed


def read_head(data: bytes, expected: SmallHead | None) -> SmallHead | None:
    """Return the head that *data* begins with; None: it is to be read by aiohttp.

    :param expected: returned where it is that one.
    """
    if expected is not None and data.startswith(expected.raw):
        return expected
    end = data.find(HEAD_END, 0, MAX_HEAD)
    parsed = None if end < 0 else parse_small(data[:end])
    return None if parsed is None else SmallHead(data[: end + len(HEAD_END)], parsed[2], parsed)


class _Line(Protocol):
    """The connection that a response comes by."""

    def wait(self) -> "asyncio.Future[SmallResponse | None]": ...

    def close(self) -> None: ...

    def abort(self) -> None: ...


class SmallResponse:
    """A response that is read here.

    :ivar left: bytes of the body that are still to come.
    """

    __slots__ = ("_line", "_pieces", "error", "head", "left")

    def __init__(self, line: _Line, head: SmallHead) -> None:
        self._line = line
        self._pieces: list[bytes | memoryview] = []
        self.head = head
        self.left = head.length
        self.error: Exception | None = None

    @property
    def status(self) -> int:
        """The status code."""
        return self.head.parse()[0]

    @property
    def headers(self) -> CIMultiDict[str]:
        """The fields."""
        return self.head.parse()[1]

    @property
    def received(self) -> int:
        """Bytes of the body that have come, and were not taken."""
        return sum(map(len, self._pieces))

    def add(self, piece: bytes | memoryview) -> None:
        """Take a piece of the body that has come; of what is too much, nothing."""
        self._pieces.append(piece)
        self.left -= len(piece)

    async def read(self) -> bytes:
        """Return what has come of the body; none at its end.

        :raises ClientError, OSError: nothing more comes.
        """
        while self.left and not self.received:
            await self._wait()
        return self.take()

    def take(self) -> bytes:
        """Return what has come of the body, and hold it no more."""
        return b"".join(self.take_pieces())

    def take_pieces(self) -> list[bytes | memoryview]:
        """Return what has come of the body, piece by piece, and hold it no more."""
        pieces, self._pieces = self._pieces, []
        return pieces

    async def peek(self, length: int) -> bytes:
        """Return the first bytes that were not read yet, fewer where the body is shorter."""
        while self.left and self.received < length:
            await self._wait()
        received = b"".join(self._pieces)
        self._pieces = [received]
        return received[:length]

    async def _wait(self) -> None:
        if self.error is not None:
            raise self.error
        await self._line.wait()

    def release(self) -> None:
        """Close the connection, unless all of the body has come: then it is kept already."""
        if self.left:
            self._line.close()

    def reject(self) -> None:
        """Cut the connection, whoever asks on it by now."""
        self._line.abort()
        self.release()
