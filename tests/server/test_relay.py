"""The relay: bounded memory, and clients that read slowly, leave, or never come back."""

import asyncio
import socket
from pathlib import Path

import pytest
from proxies import Proxy, StartProxy
from upstreams import Exchange, raw_upstream, response

FILM = {"Content-Type": "video/mp4", "Content-Length": str(2**30)}


async def open_raw(proxy: Proxy, link: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send a GET for *link* on a connection of its own, with a small receive buffer."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", proxy.port))
    reader, writer = await asyncio.open_connection(sock=sock, limit=4096)
    path = proxy.url("/stream", link).partition(str(proxy.port))[2]
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return reader, writer


def largest_buffer(kind: str) -> int:
    """Return how many bytes the system lets wait at a socket, where it chooses by itself."""
    return int(Path(f"/proc/sys/net/ipv4/{kind}").read_text().split()[2])


async def test_slow_client_makes_the_upstream_wait(proxy: Proxy) -> None:
    sent = 0
    stalled = asyncio.Event()

    async def answer(exchange: Exchange) -> None:
        nonlocal sent
        await exchange.send(response("200 OK", FILM))
        try:
            while True:
                await asyncio.wait_for(exchange.send(b"x" * 65536), 1)
                sent += 65536
        except TimeoutError:
            stalled.set()

    async with raw_upstream(answer) as upstream:
        _, writer = await open_raw(proxy, upstream.link())
        await asyncio.wait_for(stalled.wait(), 20)
        # What fills the buffers of the system's sockets and of the relay, and no more.
        assert sent < largest_buffer("tcp_rmem") + 2 * largest_buffer("tcp_wmem") + 8 * 2**20
        writer.transport.abort()


class TestLog:
    async def test_leaver_is_logged_as_such(
        self,
        start_proxy: StartProxy,
        handler_cancellation: bool,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.set_level("INFO")
        proxy = await start_proxy(handler_cancellation=handler_cancellation, read_timeout=30)

        async def answer(exchange: Exchange) -> None:
            await exchange.send(response("200 OK", FILM, b"first"))
            await exchange.wait_closed()

        async with raw_upstream(answer) as upstream:
            reader, writer = await open_raw(proxy, upstream.link("/film.mp4?token=secret"))
            await asyncio.wait_for(reader.readuntil(b"first"), 20)
            writer.close()
            await asyncio.wait_for(upstream.closed.wait(), 20)
        last = caplog.records[-1]
        assert last.name == "streamproxy.middlewares.log_access"
        assert last.getMessage().endswith("client_gone")
        assert ", 5 bytes, " in last.getMessage()
        assert [record.levelname for record in caplog.records] == ["INFO"] * len(caplog.records)
        assert "secret" not in caplog.text


async def test_stream_is_logged_from_start_to_end(
    proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    body = response("200 OK", {"Content-Type": "video/mp4", "Content-Length": "5"}, b"first")
    async with raw_upstream(body) as upstream:
        got = await proxy.stream(upstream.link("/film.mp4?token=secret"), "1-3")
        assert await got.read() == b"irs"
        origin = upstream.link("")
    messages = [(record.name, record.getMessage()) for record in caplog.records]
    assert messages[:2] == [
        ("streamproxy.handlers.stream", f"Stream request for: {origin}/film.mp4"),
        ("streamproxy.handlers.stream", "Range request: bytes=1-3"),
    ]
    end = messages[2][1]
    start = f"GET /stream of {origin} from 127.0.0.1 (relay=copy): "
    assert end.startswith(f"{start}status 206, 3 bytes, ")
    assert end.endswith(" s, complete")


async def test_cut_is_logged_with_its_reason(
    proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with raw_upstream(response("200 OK", FILM, b"first")) as upstream:
        reader, writer = await open_raw(proxy, upstream.link())
        received = await reader.read()
        assert received.endswith(b"first")
        writer.close()
    assert caplog.records[-1].getMessage().endswith("upstream_failed (upstream_protocol)")
