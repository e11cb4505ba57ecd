"""A client that counts nothing as received, and nothing as complete, that is not on the wire.

aiohttp's client drops what it has buffered when a connection is cut; here each byte counts.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from proxies import Proxy


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of one request.

    :param fields: the response's fields, their names in lower case.
    :param is_complete: whether the response ended as its framing says it must.
    """

    status: int
    fields: dict[str, str]
    body: bytes
    is_complete: bool


@dataclass(frozen=True, slots=True)
class Connection:
    """A client's connection to a proxy, on which it asks for parts of one link."""

    link: str
    proxy: Proxy
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def head(self, byte_range: str | None, *lines: str, method: str = "GET") -> bytes:
        """Return the head of a request; its other lines are always the same."""
        target = self.proxy.url("/stream", self.link).partition(str(self.proxy.port))[2]
        asked = () if byte_range is None else (f"Range: bytes={byte_range}",)
        request_line = f"{method} {target} HTTP/1.1"
        return "\r\n".join((request_line, "Host: localhost", *asked, *lines, "", "")).encode()

    async def ask(self, byte_range: str | None, *lines: str) -> Seen:
        """Ask, and read all that comes, up to the end of the response or the cut."""
        self.writer.write(self.head(byte_range, *lines))
        return await self.read()

    async def read(self, *, has_body: bool = True) -> Seen:
        """Read a response."""
        async with asyncio.timeout(20):
            lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            pairs = (line.partition(": ") for line in lines[1:] if line)
            fields = {name.lower(): value for name, _, value in pairs}
            status, body, is_complete = int(lines[0].split()[1]), b"", True
            if has_body and status != 304:
                body, is_complete = await _read_body(self.reader, fields)
        return Seen(status, fields, body, is_complete)


@asynccontextmanager
async def connected(proxy: Proxy, link: str) -> AsyncIterator[Connection]:
    """Connect a client for the time of the context."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port, limit=2**20)
    try:
        yield Connection(link, proxy, reader, writer)
    finally:
        writer.close()


async def watch(
    proxy: Proxy, link: str, byte_range: str | None = None, *, before: Sequence[str] = ()
) -> Seen:
    """GET /stream for *link* and read all that comes, up to its end or the cut.

    :param before: ranges that the client asks for first, on the same connection.
    """
    async with connected(proxy, link) as connection:
        for other in before:
            await connection.ask(other)
        return await connection.ask(byte_range)


async def _read_body(reader: asyncio.StreamReader, fields: dict[str, str]) -> tuple[bytes, bool]:
    body = bytearray()
    try:
        if "content-length" in fields:
            body += await reader.readexactly(int(fields["content-length"]))
            return bytes(body), True
        assert fields["transfer-encoding"] == "chunked"
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += await reader.readexactly(size)
            assert await reader.readexactly(2) == b"\r\n"
        assert await reader.readexactly(2) == b"\r\n"
    except asyncio.IncompleteReadError as exc:
        # Half a line of the framing is no content.
        is_content = exc.expected is not None and exc.expected != 2
        return bytes(body + (exc.partial if is_content else b"")), False
    return bytes(body), True
