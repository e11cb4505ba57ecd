"""Clients that stop: reading what they asked for, or sending what they began to ask."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from programs import started
from proxies import StartProxy
from tails import SMALL_CHUNKS, lengths_that_just_do_not_fit, sized
from upstreams import CONTENT, Exchange, Honest, raw_upstream, response
from visitors import FILM, Visitor, calling, connected, eventually, has_streams

STALL_S = 0.5
HALF_HEAD = b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Half: "
WHOLE_HEAD = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def endless(exchange: Exchange) -> None:
    """Send a film as fast as it is taken."""
    await exchange.send(response("200 OK", FILM))
    while True:
        await exchange.send(CONTENT)


class TestReading:
    async def test_client_that_stops_is_cut(
        self, start_proxy: StartProxy, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO")
        proxy = await start_proxy(client_stall_timeout=STALL_S)
        async with (
            raw_upstream(endless) as upstream,
            calling(proxy, "/stream", upstream.link()) as visitor,
        ):
            await visitor.read_head()
            await asyncio.wait_for(upstream.closed.wait(), 20)
            assert await has_streams(proxy, 0)
            received, was_reset = await visitor.read_to_end()
            assert was_reset or len(received) < 2**30
        ends = [line for line in caplog.messages if line.startswith("GET /stream")]
        assert len(ends) == 1
        assert ends[0].endswith(" s, client_stalled")

    async def test_client_that_takes_nothing_at_all_is_cut(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(client_stall_timeout=STALL_S)
        async with (
            raw_upstream(endless) as upstream,
            calling(proxy, "/stream", upstream.link()),
        ):
            await asyncio.wait_for(upstream.closed.wait(), 20)
            assert await has_streams(proxy, 0)

    async def test_client_that_reads_slowly_is_not(self, start_proxy: StartProxy) -> None:
        stall_s = 10 * STALL_S  # a busy machine sleeps longer than it is told to
        proxy = await start_proxy(client_stall_timeout=stall_s)
        async with (
            raw_upstream(endless) as upstream,
            calling(proxy, "/stream", upstream.link()) as visitor,
        ):
            await visitor.read_head()
            length = len(CONTENT)
            until = time.monotonic() + 1.5 * stall_s
            while time.monotonic() < until:
                assert await visitor.read_body(length) == CONTENT
                await asyncio.sleep(0.1)
            assert not upstream.closed.is_set()

    async def test_silent_upstream_is_no_stall_of_the_client(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(client_stall_timeout=STALL_S, read_timeout=30)

        async def answer(exchange: Exchange) -> None:
            fields = {"Content-Type": "video/mp4", "Content-Length": "10"}
            await exchange.send(response("200 OK", fields, b"first"))
            await asyncio.sleep(3 * STALL_S)
            await exchange.send(b"again")

        async with (
            raw_upstream(answer) as upstream,
            calling(proxy, "/stream", upstream.link()) as visitor,
        ):
            await visitor.read_head()
            assert await visitor.read_body(10) == b"firstagain"

    async def test_client_that_stops_just_before_the_end_is_cut(self, tmp_path: Path) -> None:
        """The last bytes wait in the server when its handler has nothing left to do."""
        limits = ("--client-stall-timeout", "1", "--header-timeout", "1")
        async with AsyncExitStack() as stack:
            upstream = await stack.enter_async_context(raw_upstream(sized))
            # A machine that is busy takes longer to see it than the limits allow.
            async with started(*SMALL_CHUNKS, cwd=tmp_path) as patient:
                lengths = await lengths_that_just_do_not_fit(patient, upstream)
            program = await stack.enter_async_context(started(*limits, *SMALL_CHUNKS, cwd=tmp_path))
            for length in lengths:
                link = upstream.link(f"/{length}/film.mp4")
                await stack.enter_async_context(calling(program.proxy, "/stream", link))

            async def all_closed() -> bool:
                return program.clients() <= 1  # whoever asks how many streams run

            await upstream.has_asked(1 + len(lengths))
            assert await has_streams(program.proxy, 0, within_s=30)
            assert await eventually(all_closed, 30), program.clients()


class TestHalfSentHeads:
    @staticmethod
    async def drip(visitor: Visitor) -> None:
        """Send one byte of a field after another."""
        visitor.writer.write(HALF_HEAD)
        try:
            while True:
                visitor.writer.write(b"x")
                await visitor.writer.drain()
                await asyncio.sleep(0.1)
        except ConnectionError:
            pass

    @staticmethod
    async def stop_halfway(visitor: Visitor) -> None:
        visitor.writer.write(HALF_HEAD)

    @staticmethod
    async def say_nothing(visitor: Visitor) -> None:
        pass

    @staticmethod
    async def ask_once_and_stop_halfway(visitor: Visitor) -> None:
        visitor.writer.write(WHOLE_HEAD)
        await visitor.read_head()
        visitor.writer.write(HALF_HEAD)

    @pytest.mark.parametrize(
        "act",
        [drip, stop_halfway, say_nothing, ask_once_and_stop_halfway],
        ids=lambda f: f.__name__,
    )
    async def test_they_are_cut_while_others_are_served(
        self, tmp_path: Path, act: Callable[[Visitor], Awaitable[None]]
    ) -> None:
        async with (
            raw_upstream(Honest()) as upstream,
            started("--header-timeout", "3", cwd=tmp_path) as program,
            AsyncExitStack() as stack,
        ):
            began = time.monotonic()
            visitors = [
                await stack.enter_async_context(connected(program.proxy.port)) for _ in range(100)
            ]

            async def is_cut(visitor: Visitor) -> bool:
                await act(visitor)
                return await visitor.is_cut_within(18)

            cuts = asyncio.gather(*map(is_cut, visitors))
            served = 0
            while not cuts.done():
                got = await program.proxy.stream(upstream.link())
                assert await got.read() == CONTENT
                served += 1
            assert all(await cuts)
            assert 2.9 < time.monotonic() - began < 18  # it would be 20 s if nobody said it
            assert served > 5
            program.process.terminate()
            status, err = await program.end()
            assert (status, "Traceback" in err) == (0, False)

    async def test_running_stream_is_not_cut(self, tmp_path: Path) -> None:
        async def answer(exchange: Exchange) -> None:
            fields = {"Content-Type": "video/mp4", "Content-Length": "10"}
            await exchange.send(response("200 OK", fields, b"first"))
            await asyncio.sleep(2.5)
            await exchange.send(b"again")

        async with (
            raw_upstream(answer) as upstream,
            started("--header-timeout", "1", cwd=tmp_path) as program,
        ):
            got = await program.proxy.stream(upstream.link())
            assert await got.read() == b"firstagain"
