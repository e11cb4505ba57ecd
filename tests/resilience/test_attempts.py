"""Upstreams that break off: how often they are asked again, when, and when no more."""

import asyncio
import re

import pytest
from breaks import (
    SIZE,
    Break,
    Shortened,
    asked_of,
    close,
    in_turn,
    play,
    play_to_the_cut,
    refuse,
    reset,
)
from proxies import Proxy, StartProxy, read_stream
from redis_servers import free_port
from upstreams import (
    CONTENT,
    Answer,
    Exchange,
    Honest,
    RawUpstream,
    listening,
    raw_upstream,
    response,
)


class TestAttempts:
    """How often, and when."""

    @pytest.mark.parametrize("attempts", [0, 1, 2])
    @pytest.mark.parametrize(
        "failure",
        [
            pytest.param(close, id="close"),
            pytest.param(reset, id="reset"),
            pytest.param(refuse(500), id="500"),
            pytest.param(refuse(503, Retry_After="0"), id="503"),
            pytest.param(refuse(429), id="429"),
            pytest.param(response("200 OK", {"Content-Length": "x"}), id="no HTTP"),
        ],
    )
    async def test_cut_after_as_many_as_set(
        self, start_proxy: StartProxy, failure: Answer | bytes, attempts: int
    ) -> None:
        proxy = await start_proxy(resume_attempts=attempts)
        broken = Break(5000)

        async def fail(exchange: Exchange) -> None:
            if isinstance(failure, bytes):
                await exchange.send(failure)
            else:
                await failure(exchange)

        async with raw_upstream(in_turn(broken, then=fail)) as upstream:
            await play_to_the_cut(proxy, upstream, broken)
        assert len(upstream.exchanges) == 1 + attempts

    async def test_site_that_is_gone_for_a_moment(self, proxy: Proxy) -> None:
        """Its port is closed, then open again, as when a server is restarted."""
        broken, port = Break(5000), free_port()
        upstream = RawUpstream(broken, port)
        async with listening(upstream.serve, port=port):
            got = await proxy.stream(upstream.link())
            body = await got.content.readexactly(5000)
        broken.received.set()
        await asyncio.sleep(0.3)
        restarted = RawUpstream(Honest())
        async with listening(restarted.serve, port=port):
            assert body + await got.content.read() == CONTENT
        assert asked_of(restarted) == [(f"bytes=5000-{SIZE - 1}", '"v1"')]

    async def test_head_that_comes_in_drops_is_not_waited_for(
        self, start_proxy: StartProxy
    ) -> None:
        """Each drop comes in time, and the head never."""
        proxy = await start_proxy(connect_timeout=0.5, read_timeout=1)
        broken = Break(5000)

        async def drip(exchange: Exchange) -> None:
            await exchange.send(b"HTTP/1.1 206 Partial Content\r\nX: ")
            while not exchange.reader.at_eof():
                await exchange.send(b"x")
                await asyncio.sleep(0.1)

        async with raw_upstream(in_turn(broken, drip)) as upstream:
            async with asyncio.timeout(30):
                assert await play(proxy, upstream, broken) == CONTENT
        assert len(upstream.exchanges) == 3

    async def test_progress_begins_the_count_anew(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(resume_attempts=1)
        breaks = [Break(1000) for _ in range(5)]
        async with raw_upstream(in_turn(*breaks)) as upstream:
            assert await play(proxy, upstream, *breaks) == CONTENT
        starts = [range_ and range_.split("-")[0] for range_, _ in asked_of(upstream)]
        assert starts == [None, *(f"bytes={at}" for at in (1000, 2000, 3000, 4000, 5000))]

    async def test_server_that_closes_after_each_bit_still_brings_the_whole(
        self, proxy: Proxy
    ) -> None:
        """It waits for nobody, so that its bytes and its close come in one go."""
        film = Honest(CONTENT[:20_000])

        async def bit(exchange: Exchange) -> None:
            shortened = Shortened(exchange.head, exchange.reader, exchange.writer)
            shortened.at = 1000
            await film(shortened)

        async with raw_upstream(bit) as upstream:
            assert await read_stream(proxy, upstream.link()) == CONTENT[:20_000]
        assert len(upstream.exchanges) == 20

    @pytest.mark.parametrize(
        ("retry_after", "at_least", "at_most"),
        [("1", 1.0, 1.5), ("0", 0.0, 0.8), ("soon", 0.0, 0.8)],
    )
    @pytest.mark.parametrize("status", [429, 503])
    async def test_retry_after_is_obeyed(
        self,
        proxy: Proxy,
        caplog: pytest.LogCaptureFixture,
        status: int,
        *,
        retry_after: str,
        at_least: float,
        at_most: float,
    ) -> None:
        caplog.set_level("INFO", "streamproxy.upstream.body")
        broken, times = Break(5000), list[float]()
        following = in_turn(broken, refuse(status, Retry_After=retry_after))

        async def answer(exchange: Exchange) -> None:
            times.append(asyncio.get_running_loop().time())
            await following(exchange)

        async with raw_upstream(answer) as upstream:
            assert await play(proxy, upstream, broken) == CONTENT
        assert len(times) == 3
        # Which wait was meant is told by the log; the clock adds what the machine takes.
        meant = re.findall(r" in ([0-9.]+) s \(attempt 2\)", caplog.text)
        assert len(meant) == 1
        assert at_least <= float(meant[0]) < at_most
        assert at_least <= times[2] - times[1] < at_most + 10
