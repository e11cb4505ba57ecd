"""Upstreams on loopback for the tests: an honest one, and one that does what it is told."""

import asyncio
import re
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

CONTENT = bytes(range(256)) * 4096  # 1 MiB in which every position can be told by its bytes
MP4_START = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2"

# Seconds to wait for what the proxy is to do, lest a test hangs.
_NEWS_S = 60


@dataclass
class Exchange:
    """One request that a raw upstream has received, and the connection to answer it on.

    :param number: of the connection, from 1 on.
    """

    head: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int = 1

    @property
    def target(self) -> bytes:
        """The request target, byte for byte."""
        return self.head.split(b" ", 2)[1]

    def field(self, name: str) -> str | None:
        """Return the value of a request field, or None."""
        found = re.search(rf"\r\n{name}: *([^\r]*)".encode(), self.head, re.IGNORECASE)
        return found[1].decode() if found else None

    async def send(self, *parts: bytes) -> None:
        """Send bytes, as they are."""
        self.writer.write(b"".join(parts))
        await self.writer.drain()

    async def wait_closed(self) -> None:
        """Wait until the proxy has closed the connection."""
        while await self.reader.read(65536):
            pass

    def reset(self) -> None:
        """Cut the connection with a reset."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def cut(self) -> None:
        """End the connection in order as TCP sees it, but over TLS unannounced."""
        self.writer.transport.abort()


Answer = Callable[[Exchange], Awaitable[None]]


@dataclass
class RawUpstream:
    """A server that runs *answer* for each request; what it saw is kept.

    The connection is closed when *answer* returns, unless it sets keep_alive.

    :ivar connections: how many were made, some of them only to be ready.
    """

    answer: Answer
    port: int = 0
    keep_alive: bool = False
    connections: int = 0
    exchanges: list[Exchange] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    def link(self, target: str = "/film.mp4") -> str:
        """Return the link of *target* on this server."""
        scheme = "http" if _security.context is None else "https"
        return f"{scheme}://127.0.0.1:{self.port}{target}"

    @property
    def used(self) -> int:
        """On how many connections something was asked."""
        return len({exchange.number for exchange in self.exchanges})

    async def has_asked(self, number: int) -> None:
        """Wait until so many requests have come."""
        async with asyncio.timeout(_NEWS_S), self._news:
            await self._news.wait_for(lambda: len(self.exchanges) >= number)

    async def has_connections(self, number: int) -> None:
        """Wait until so many connections were made."""
        async with asyncio.timeout(_NEWS_S), self._news:
            await self._news.wait_for(lambda: self.connections >= number)

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections = number = self.connections + 1
        await self._tell()
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                exchange = Exchange(head, reader, writer, number)
                self.exchanges.append(exchange)
                await self._tell()
                await self.answer(exchange)
                if not self.keep_alive:
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.closed.set()
            writer.close()


@dataclass
class _Security:
    """What the upstreams of a test have: TLS by this context, or none."""

    context: ssl.SSLContext | None = None


_security = _Security()


@contextmanager
def secured(context: ssl.SSLContext) -> Iterator[None]:
    """Let all raw upstreams speak TLS, for the time of the context."""
    _security.context = context
    try:
        yield
    finally:
        _security.context = None


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]


@asynccontextmanager
async def listening(
    serve: Serve, host: str = "127.0.0.1", port: int = 0, *, is_plain: bool = False
) -> AsyncIterator[int]:
    """Run *serve* for each connection to a port of *host*, and yield the port; 0: a free one.

    :param is_plain: speaks no TLS, also where all raw upstreams do.
    """
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    security = None if is_plain else _security.context
    server = await asyncio.start_server(
        accept, host, port, family=socket.AF_INET, limit=2**20, ssl=security
    )
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        # What comes in this very moment is accepted first: asyncio would forget to close it.
        for sock in server.sockets:
            asyncio.get_running_loop().remove_reader(sock.fileno())
        for _ in range(4):
            await asyncio.sleep(0)
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


@asynccontextmanager
async def raw_upstream(
    answer: Answer | bytes, *, keep_alive: bool = False
) -> AsyncIterator[RawUpstream]:
    """Run a raw upstream; bytes as *answer* are sent to each request."""
    if isinstance(answer, bytes):
        canned = answer

        async def answer(exchange: Exchange) -> None:
            await exchange.send(canned)

    upstream = RawUpstream(answer, keep_alive=keep_alive)
    async with listening(upstream.serve) as upstream.port:
        yield upstream


def response(status: str, fields: dict[str, str], body: bytes = b"") -> bytes:
    """Return a response as bytes, with the fields as they are given and no others."""
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


@dataclass
class Honest:
    """An answer that follows RFC 9110 for one representation.

    :param ranges: whether it can do ranges; else it ignores them.
    :param connection: what it says of the connection, if anything.
    """

    content: bytes = CONTENT
    media_type: str | None = "video/mp4"
    etag: str = '"v1"'
    last_modified: str = "Sat, 13 Jan 2024 10:00:00 GMT"
    ranges: bool = True
    connection: str | None = None

    async def __call__(self, exchange: Exchange) -> None:
        fields = {"ETag": self.etag, "Last-Modified": self.last_modified}
        if self.connection is not None:
            fields["Connection"] = self.connection
        fields["Date"] = "Sat, 13 Jan 2024 12:00:00 GMT"
        if self.media_type is not None:
            fields["Content-Type"] = self.media_type
        if self.etag == exchange.field("If-None-Match"):
            await exchange.send(response("304 Not Modified", fields))
            return
        status, body = "200 OK", self.content
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", exchange.field("Range") or "")
        current = exchange.field("If-Range") in (None, self.etag, self.last_modified)
        if self.ranges and asked and current:
            size = len(self.content)
            first, last = asked.groups()
            start = int(first) if first else max(0, size - int(last))
            end = min(int(last), size - 1) if first and last else size - 1
            if start >= size:
                fields |= {"Content-Range": f"bytes */{size}", "Content-Length": "0"}
                await exchange.send(response("416 Range Not Satisfiable", fields))
                return
            status, body = "206 Partial Content", self.content[start : end + 1]
            fields["Content-Range"] = f"bytes {start}-{end}/{size}"
        fields["Content-Length"] = str(len(body))
        await exchange.send(response(status, fields), body)
