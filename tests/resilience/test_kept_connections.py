"""Sites that are well, and end connections that were kept without a word."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from breaks import close, reset
from proxies import Proxy, StartProxy
from redis_servers import free_port
from upstreams import CONTENT, Answer, Exchange, Honest, RawUpstream, listening, raw_upstream
from upstreams import response as written

from streamproxy.errors import KeptCut, UpstreamCut
from streamproxy.upstream.failures import wait_s


def once(film: Answer, end: Answer) -> Answer:
    """Return an answer that each connection brings once; asked again, it ends."""
    used = set[int]()

    async def answer(exchange: Exchange) -> None:
        if exchange.number in used:
            await end(exchange)
            exchange.writer.close()
        else:
            used.add(exchange.number)
            await film(exchange)

    return answer


async def read(proxy: Proxy, link: str, asked: str) -> bytes:
    return await (await proxy.stream(link, asked)).read()


@pytest.mark.parametrize("end", [close, reset])
async def test_each_of_several_is_asked_at_once_on_a_new_connection(
    start_proxy: StartProxy, end: Answer
) -> None:
    """One attempt more is enough: the site may have closed what was idle for long enough."""
    proxy = await start_proxy(retry_attempts=1)
    film = once(Honest(CONTENT[:5000]), end)
    async with raw_upstream(film, keep_alive=True) as upstream:
        for asked in ("0-", "5-9", "0-4999", "1000-1999"):
            first, _, last = asked.partition("-")
            body = CONTENT[int(first) : int(last or 4999) + 1]
            bodies = await asyncio.gather(*(read(proxy, upstream.link(), asked) for _ in range(4)))
            assert bodies == [body] * 4
    assert len(upstream.exchanges) > upstream.used
    assert wait_s(KeptCut(""), 1) == 0 < wait_s(UpstreamCut(""), 1)


@pytest.mark.parametrize("end", [close, reset])
async def test_redirect_within_the_site_is_followed(proxy: Proxy, end: Answer) -> None:
    """Each hop is asked on a new connection where one that was kept has ended."""

    async def film(exchange: Exchange) -> None:
        if exchange.target == b"/film.mp4":
            await Honest()(exchange)
            return
        fields = {"Location": "/film.mp4", "Cache-Control": "no-store", "Content-Length": "0"}
        await exchange.send(written("302 Found", fields))

    async with raw_upstream(once(film, end), keep_alive=True) as upstream:
        for asked in ("0-99", "100-199", "0-", "200-299", "300-399"):
            first, _, last = asked.partition("-")
            body = CONTENT[int(first) : int(last or len(CONTENT)) + 1]
            assert await read(proxy, upstream.link("/"), asked) == body


@pytest.mark.parametrize("end", [close, reset])
async def test_many_at_once_are_answered(proxy: Proxy, end: Answer) -> None:
    async with raw_upstream(once(Honest(), end), keep_alive=True) as upstream:
        for first in range(0, 400, 100):
            asked = [f"{first}-{first + 99}"] * 20
            bodies = await asyncio.gather(*(read(proxy, upstream.link(), part) for part in asked))
            assert bodies == [CONTENT[first : first + 100]] * 20


async def test_site_that_restarts_meanwhile_is_waited_for(proxy: Proxy) -> None:
    """It ends the connection, and accepts none for a moment."""
    port, is_over = free_port(), asyncio.Event()

    async def restart(_: Exchange) -> None:
        is_over.set()

    first = RawUpstream(once(Honest(), restart), port, keep_alive=True)
    second = RawUpstream(Honest(), port)
    async with AsyncExitStack() as stack:
        before = await stack.enter_async_context(AsyncExitStack())
        await before.enter_async_context(listening(first.serve, port=port))
        assert await read(proxy, first.link(), "0-99") == CONTENT[:100]
        asking = asyncio.create_task(read(proxy, first.link(), "100-199"))
        await asyncio.wait_for(is_over.wait(), 20)
        await before.aclose()
        await asyncio.sleep(0.04)
        await stack.enter_async_context(listening(second.serve, port=port))
        assert await asking == CONTENT[100:200]
