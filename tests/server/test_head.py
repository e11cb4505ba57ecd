"""When the head of a stream goes out: with the first bytes, or without them if they are late."""

import asyncio

from proxies import Proxy
from upstreams import Exchange, raw_upstream, response

FILM = {"Content-Type": "video/mp4", "Content-Length": "6"}


async def ask(proxy: Proxy, link: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    path = proxy.url("/stream", link).partition(str(proxy.port))[2]
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return reader, writer


async def test_head_and_first_bytes_are_one_packet(proxy: Proxy) -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.send(response("200 OK", FILM, b"abcdef"))
        await exchange.wait_closed()

    async with raw_upstream(answer) as upstream:
        reader, writer = await ask(proxy, upstream.link())
        received = await asyncio.wait_for(reader.read(65536), 20)
        writer.close()

    assert received.startswith(b"HTTP/1.1 200")
    assert received.endswith(b"\r\n\r\nabcdef")


async def test_head_does_not_wait_long_for_bytes(proxy: Proxy) -> None:
    is_seen = asyncio.Event()

    async def answer(exchange: Exchange) -> None:
        await exchange.send(response("200 OK", FILM))
        await is_seen.wait()
        await exchange.send(b"abcdef")
        await exchange.wait_closed()

    async with raw_upstream(answer) as upstream:
        reader, writer = await ask(proxy, upstream.link())
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        is_seen.set()
        body = await asyncio.wait_for(reader.readexactly(6), 5)
        writer.close()

    assert head.startswith(b"HTTP/1.1 200")
    assert body == b"abcdef"
