"""Is this the head of a small response that can be read without aiohttp?

Players ask for many small parts. What aiohttp sets up to read one (a parser, a stream, its
timers, its pool) costs more than the bytes. So a plain head with a short Content-Length is
read here (upstream/lines.py), and whatever else comes is left to aiohttp from its first
byte on: interim responses, redirects, errors, chunks, heads in pieces, and all that is not
beyond doubt.

Source: RFC 9112, sections 2.2, 4, 5, 6 and 9.3.
"""

import re
from functools import lru_cache
from typing import cast

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
