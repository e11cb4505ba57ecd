"""Clients on plain sockets that leave, stall or drip, and what the proxy says of its streams."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import ClientSession
from proxies import Proxy

FILM = {"Content-Type": "video/mp4", "Content-Length": str(2**30), "ETag": '"v1"'}
STEP_S = 0.02


@dataclass
class Visitor:
    """A client on a connection of its own, which the test reads and closes by hand."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def read_head(self) -> tuple[int, bytes]:
        """Return the status and the head of the next response."""
        async with asyncio.timeout(30):
            head = await self.reader.readuntil(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1]), head

    async def read_body(self, length: int) -> bytes:
        """Return the next bytes of a body that is not chunked."""
        async with asyncio.timeout(30):
            return await self.reader.readexactly(length)

    async def read_to_end(self, within_s: float = 20) -> tuple[bytes, bool]:
        """Return all that still comes, and whether it ended with a reset."""
        received = bytearray()
        try:
            async with asyncio.timeout(within_s):
                while part := await self.reader.read(2**16):
                    received += part
        except ConnectionError:
            return bytes(received), True
        return bytes(received), False

    async def is_cut_within(self, seconds: float) -> bool:
        """Tell whether the connection ends in time, whatever is sent on it until then."""
        try:
            await self.read_to_end(seconds)
        except TimeoutError:
            return False
        return True

    def leave(self) -> None:
        """Close the connection, whatever is still to come."""
        self.writer.transport.abort()


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Visitor]:
    """Connect and send nothing; what is not read soon makes the server wait."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    visitor = Visitor(*await asyncio.open_connection(sock=sock, limit=4096))
    try:
        yield visitor
    finally:
        visitor.leave()


@asynccontextmanager
async def calling(
    proxy: Proxy,
    route: str,
    link: str | None = None,
    *,
    byte_range: str | None = None,
    version: str = "1.1",
    fields: str = "",
) -> AsyncIterator[Visitor]:
    """Send a GET for a route of the proxy on a connection of its own.

    :param fields: more of them, each with the end of its line.
    """
    target = re.sub(r"^http://[^/]+", "", proxy.url(route, link))
    fields += "Host: localhost\r\n" + (f"Range: bytes={byte_range}\r\n" if byte_range else "")
    async with connected(proxy.port) as visitor:
        visitor.writer.write(f"GET {target} HTTP/{version}\r\n{fields}\r\n".encode())
        yield visitor


async def eventually(holds: Callable[[], Awaitable[bool]], within_s: float) -> bool:
    """Look again and again, until something holds or the time is over."""
    try:
        async with asyncio.timeout(within_s):
            while not await holds():  # noqa: ASYNC110  # it is seen from outside only
                await asyncio.sleep(STEP_S)
    except TimeoutError:
        return False
    return True


async def running_streams(proxy: Proxy) -> int:
    """Return how many streams run, as health says it."""
    async with proxy.client.get(proxy.url("/health")) as got:
        return int((await got.json())["streams"])


async def has_streams(proxy: Proxy, number: int, within_s: float = 20) -> bool:
    """Tell whether just *number* streams run, now or soon."""

    async def holds() -> bool:
        return await running_streams(proxy) == number

    return await eventually(holds, within_s)


def proxy_at(address: str, client: ClientSession) -> Proxy:
    """Return the proxy that runs as a program of its own at *address*."""
    port = re.search(r":(\d+)/", address)
    assert port is not None
    return Proxy(int(port[1]), client)
