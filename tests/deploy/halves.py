"""A film of which the second half comes when the test says so."""

import asyncio

from aiohttp import ClientResponse
from proxies import Proxy
from upstreams import CONTENT, Exchange, response

HALF = len(CONTENT) // 2


class Halves:
    """An upstream that sends a half, and the other when it is told."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()

    async def __call__(self, exchange: Exchange) -> None:
        fields = {"Content-Type": "video/mp4", "Content-Length": str(len(CONTENT))}
        await exchange.send(response("200 OK", fields, CONTENT[:HALF]))
        await self.go_on.wait()
        await exchange.send(CONTENT[HALF:])
        await exchange.wait_closed()


async def begin(proxy: Proxy, link: str) -> ClientResponse:
    """Start a stream and read its first half."""
    got = await proxy.stream(link)
    assert await got.content.readexactly(HALF) == CONTENT[:HALF]
    return got
