"""A client that counts nothing as received, and nothing as complete, that is not on the wire.

aiohttp's client drops what it has buffered when a connection is cut; here each byte counts.
"""

import asyncio
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


async def watch(proxy: Proxy, link: str, byte_range: str | None = None) -> Seen:
    """GET /stream for *link* and read all that comes, up to its end or the cut."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    target = proxy.url("/stream", link).partition(str(proxy.port))[2]
    asked = "" if byte_range is None else f"Range: bytes={byte_range}\r\n"
    try:
        async with asyncio.timeout(20):
            writer.write(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n{asked}\r\n".encode())
            lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            pairs = (line.partition(": ") for line in lines[1:] if line)
            fields = {name.lower(): value for name, _, value in pairs}
            body, is_complete = await _read_body(reader, fields)
    finally:
        writer.close()
    return Seen(int(lines[0].split()[1]), fields, body, is_complete)


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
