"""Going down: no new streams, time for the running ones, a visible cut for the rest."""

import asyncio
import signal
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import (
    ClientConnectionError,
    ClientError,
    ClientPayloadError,
    ClientResponse,
    ClientSession,
    web,
)
from programs import LEFTOVERS, Program, started
from proxies import Proxy
from tails import SMALL_CHUNKS, lengths_that_just_do_not_fit, settled, sized
from upstreams import CONTENT, Exchange, Honest, raw_upstream, response
from visitors import calling, connected, eventually, has_streams

from streamproxy import Settings, create_app
from streamproxy.server import END_TIME

HALF = len(CONTENT) // 2
# Seconds for an end after a grace of 3 at most, as the program promises it.
SOON_S = 3 + END_TIME
WHOLE = {"Content-Type": "video/mp4", "Content-Length": str(len(CONTENT)), "ETag": '"v1"'}


class Halves:
    """An upstream that sends a half, and the other when it is told; /endless.mp4 never."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()

    async def __call__(self, exchange: Exchange) -> None:
        await exchange.send(response("200 OK", WHOLE, CONTENT[:HALF]))
        if exchange.target != b"/endless.mp4":
            await self.go_on.wait()
            await exchange.send(CONTENT[HALF:])
        await exchange.wait_closed()


async def begin(proxy: Proxy, link: str) -> ClientResponse:
    """Start a stream and read its first half."""
    got = await proxy.stream(link)
    assert await got.content.readexactly(HALF) == CONTENT[:HALF]
    return got


async def health(proxy: Proxy) -> tuple[int, str, int]:
    """Return status, and the state and the streams that health tells."""
    async with proxy.client.get(proxy.url("/health")) as got:
        answer = await got.json()
        return got.status, answer["status"], answer["streams"]


async def is_draining(proxy: Proxy) -> bool:
    """Tell whether the server has noticed that it is to stop."""

    async def says_so() -> bool:
        return (await health(proxy))[:2] == (503, "draining")

    return await eventually(says_so, 20)


async def refusal(proxy: Proxy, link: str) -> str:
    """Return how a new stream is refused."""
    try:
        got = await proxy.stream(link)
    except ClientConnectionError:
        return "connection refused"
    problem = await got.json(content_type="application/problem+json")
    assert (got.status, got.headers.get("Connection")) == (503, "close")
    assert int(got.headers["Retry-After"]) > 0
    code: str = problem["code"]
    return code


async def assert_ends_well(program: Program, within_s: float) -> None:
    """Wait for the end: in time, with status 0, and nothing forgotten."""
    status, err = await program.end(within_s)
    leftover = LEFTOVERS.search(err)
    assert leftover is None, err[leftover.start() :]
    assert status == 0


class TestProgram:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    async def test_fifty_streams_end_or_are_cut(
        self, tmp_path: Path, number: signal.Signals
    ) -> None:
        halves = Halves()
        async with (
            raw_upstream(halves) as upstream,
            started("--shutdown-grace", "3", cwd=tmp_path) as program,
        ):
            proxy = program.proxy
            ending = [await begin(proxy, upstream.link("/film.mp4")) for _ in range(25)]
            endless = [await begin(proxy, upstream.link("/endless.mp4")) for _ in range(25)]
            assert await health(proxy) == (200, "ok", 50)  # and keeps a connection
            asked = len(upstream.exchanges)

            program.process.send_signal(number)
            signalled = time.monotonic()
            assert await is_draining(proxy)
            assert await health(proxy) == (503, "draining", 50)
            assert await refusal(proxy, upstream.link()) in {"shutting_down", "connection refused"}
            assert len(upstream.exchanges) == asked
            halves.go_on.set()
            assert [await got.read() for got in ending] == [CONTENT[HALF:]] * 25
            for got in endless:
                with pytest.raises(ClientPayloadError):
                    await got.read()
            assert 2.9 < time.monotonic() - signalled < SOON_S
            await assert_ends_well(program, SOON_S)

    async def test_last_stream_ends_the_grace(self, tmp_path: Path) -> None:
        halves = Halves()
        async with (
            raw_upstream(halves) as upstream,
            started("--shutdown-grace", "60", cwd=tmp_path) as program,
        ):
            got = await begin(program.proxy, upstream.link())
            program.process.terminate()
            assert await is_draining(program.proxy)
            halves.go_on.set()
            assert await got.read() == CONTENT[HALF:]
            await assert_ends_well(program, SOON_S)

    async def test_second_signal_ends_at_once(self, tmp_path: Path) -> None:
        async with (
            raw_upstream(Halves()) as upstream,
            started("--shutdown-grace", "60", cwd=tmp_path) as program,
        ):
            streams = [await begin(program.proxy, upstream.link()) for _ in range(5)]
            program.process.terminate()
            assert await is_draining(program.proxy)
            program.process.terminate()
            await assert_ends_well(program, SOON_S)
            for got in streams:
                with pytest.raises(ClientError):
                    await got.read()

    async def test_whatever_else_is_open_does_not_delay_it(self, tmp_path: Path) -> None:
        """Half-sent heads, kept and silent connections, streams that have no head yet."""

        async def answer(exchange: Exchange) -> None:
            if exchange.target == b"/silent.mp4":
                await exchange.wait_closed()
            await Honest()(exchange)

        async with (
            raw_upstream(answer, keep_alive=True) as upstream,
            started("--shutdown-grace", "1", cwd=tmp_path) as program,
            calling(program.proxy, "/stream", upstream.link("/silent.mp4")) as stream,
            calling(program.proxy, "/api/validate", upstream.link("/silent.mp4")) as validation,
            connected(program.proxy.port) as silent,
            connected(program.proxy.port) as half,
        ):
            half.writer.write(b"GET / HTTP/1.1\r\nHost: ")
            got = await program.proxy.stream(upstream.link())  # leaves a connection to keep
            assert await got.read() == CONTENT
            assert await has_streams(program.proxy, 1)
            program.process.terminate()
            await assert_ends_well(program, 1 + END_TIME)
            for visitor in (stream, validation, silent, half):
                assert await visitor.is_cut_within(SOON_S)

    async def test_signal_in_the_resume_back_off(self, tmp_path: Path) -> None:
        refused = asyncio.Event()

        async def answer(exchange: Exchange) -> None:
            if exchange.field("If-Range") is None:
                await exchange.send(response("200 OK", WHOLE, CONTENT[:HALF]))
            else:
                busy = {"Retry-After": "20", "Content-Length": "0"}
                await exchange.send(response("503 Service Unavailable", busy))
                refused.set()

        async with (
            raw_upstream(answer) as upstream,
            started("--shutdown-grace", "0.3", cwd=tmp_path) as program,
        ):
            got = await begin(program.proxy, upstream.link())
            await asyncio.wait_for(refused.wait(), 20)
            program.process.terminate()
            async with asyncio.timeout(SOON_S):
                with pytest.raises(ClientPayloadError):
                    await got.read()
                await assert_ends_well(program, SOON_S)

    async def test_cut_of_a_body_without_a_length_is_a_reset(self, tmp_path: Path) -> None:
        """HTTP/1.0: an orderly end of the connection would be the end of the body."""
        fields = {"Content-Type": "video/mp4", "Transfer-Encoding": "chunked"}

        async def answer(exchange: Exchange) -> None:
            await exchange.send(response("200 OK", fields, b"5\r\nfirst\r\n"))
            await exchange.wait_closed()

        async with (
            raw_upstream(answer) as upstream,
            started("--shutdown-grace", "0.3", cwd=tmp_path) as program,
            calling(program.proxy, "/stream", upstream.link(), version="1.0") as visitor,
        ):
            await visitor.read_head()
            assert await visitor.read_body(5) == b"first"
            program.process.terminate()
            assert await visitor.read_to_end(SOON_S) == (b"", True)
            await assert_ends_well(program, SOON_S)

    @pytest.mark.parametrize(("name", "version"), [("film.mp4", "1.1"), ("unmeasured.mp4", "1.0")])
    async def test_last_bytes_for_slow_clients_are_sent_or_cut(
        self, tmp_path: Path, name: str, version: str
    ) -> None:
        """A client that has not yet taken the last bytes never sees a clean, short end."""
        async with (
            raw_upstream(sized) as upstream,
            started("--shutdown-grace", "0.3", *SMALL_CHUNKS, cwd=tmp_path) as program,
            AsyncExitStack() as stack,
        ):
            visitors = {
                length: await stack.enter_async_context(
                    calling(
                        program.proxy,
                        "/stream",
                        upstream.link(f"/{length}/{name}"),
                        version=version,
                    )
                )
                for length in await lengths_that_just_do_not_fit(program, upstream)
            }
            await settled(program)
            program.process.terminate()
            await asyncio.wait_for(program.process.wait(), SOON_S)
            for length, visitor in visitors.items():
                received, was_reset = await visitor.read_to_end()
                body = received.partition(b"\r\n\r\n")[2]
                is_visible = was_reset or version == "1.1"  # which says the length
                assert len(body) == length or is_visible, f"{len(body)} of {length} bytes"
            await assert_ends_well(program, SOON_S)


class TestSubApp:
    async def test_shutdown_of_the_parent_does_the_same(self) -> None:
        halves = Halves()
        parent = web.Application()
        settings = Settings.parse(allow_network="127.0.0.0/8", shutdown_grace=3)
        parent.add_subapp("/video/", create_app(settings))
        runner = web.AppRunner(parent, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        async with raw_upstream(halves) as upstream, ClientSession() as client:
            proxy = Proxy(site.port, client)

            async def start(target: str) -> ClientResponse:
                got = await client.get(proxy.url("/video/stream", upstream.link(target)))
                proxy.responses.append(got)
                assert await got.content.readexactly(HALF) == CONTENT[:HALF]
                return got

            ending = [await start("/film.mp4") for _ in range(5)]
            endless = [await start("/endless.mp4") for _ in range(5)]
            began = time.monotonic()
            cleanup = asyncio.create_task(runner.cleanup())
            halves.go_on.set()
            assert [await got.read() for got in ending] == [CONTENT[HALF:]] * 5
            for got in endless:
                with pytest.raises(ClientPayloadError):
                    await got.read()
            await asyncio.wait_for(cleanup, SOON_S)
            assert 2.9 < time.monotonic() - began < SOON_S
            with pytest.raises(ClientConnectionError):
                await client.get(proxy.url("/video/health"))
            proxy.close()
