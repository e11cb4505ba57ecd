"""As many streams as the owner permits, counted exactly, and the descriptors that they need."""

import asyncio
import random
import re
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientSession, TCPConnector
from programs import started
from proxies import Proxy, StartProxy, code_of
from upstreams import (
    CONTENT,
    Exchange,
    Honest,
    RawUpstream,
    listening,
    raw_upstream,
    response,
)
from visitors import FILM, Visitor, calling, has_streams

from streamproxy.upstream.clean import MAX_IDLE

TOO_MANY = (503, "too_many_streams")
BUSY = "503 Service Unavailable"
# Seconds after which a silent film, as some tests hold them, is given up.
PATIENT = {"read_timeout": 60}


async def open_ended(exchange: Exchange) -> None:
    """Send the beginning of a film and wait."""
    await exchange.send(response("200 OK", FILM, b"first"))
    await exchange.wait_closed()


async def endless(exchange: Exchange) -> None:
    """Send a film as fast as it is taken."""
    await exchange.send(response("200 OK", FILM))
    while True:
        await exchange.send(CONTENT)


async def failing(exchange: Exchange) -> None:
    """Fail in the way that the path names; others wait for their client, which has no time-out."""
    nothing = {"Content-Length": "0"}
    match exchange.target:
        case b"/missing.mp4":
            await exchange.send(response("404 Not Found", nothing))
        case b"/page.html":
            fields = {"Content-Type": "text/html", "Content-Length": "6"}
            await exchange.send(response("200 OK", fields, b"<html>"))
        case b"/reset.mp4":
            exchange.reset()
        case b"/silent.mp4":
            await asyncio.sleep(1)
        case b"/cut.mp4" if exchange.field("If-Range") is None:
            await exchange.send(response("200 OK", FILM, b"first"))
        case b"/cut.mp4":
            await exchange.send(response("404 Not Found", nothing))
        case _:
            await endless(exchange)


@asynccontextmanager
async def streaming(proxy: Proxy, link: str, number: int) -> AsyncIterator[list[Visitor]]:
    """Hold *number* streams."""
    async with AsyncExitStack() as stack:
        visitors = [
            await stack.enter_async_context(calling(proxy, "/stream", link)) for _ in range(number)
        ]
        assert [(await visitor.read_head())[0] for visitor in visitors] == [200] * number
        yield visitors


class TestMaxStreams:
    async def test_one_more_is_refused_until_one_ends(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(max_streams=3, **PATIENT)
        async with (
            raw_upstream(open_ended) as upstream,
            streaming(proxy, upstream.link(), 3) as visitors,
        ):
            got = await proxy.stream(upstream.link())
            assert got.status == 503
            assert int(got.headers["Retry-After"]) > 0
            problem = await got.json(content_type="application/problem+json")
            assert (problem["code"], problem["retryable"]) == ("too_many_streams", True)
            assert len(upstream.exchanges) == 3
            visitors[0].leave()
            assert await has_streams(proxy, 2)
            async with streaming(proxy, upstream.link(), 1):
                assert await code_of(proxy, upstream.link()) == TOO_MANY

    async def test_head_counts_too(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(max_streams=1, **PATIENT)
        async with (
            raw_upstream(open_ended) as upstream,
            streaming(proxy, upstream.link(), 1),
            proxy.client.head(proxy.url("/stream", upstream.link())) as got,
        ):
            assert got.status == 503

    async def test_nothing_but_streams_counts(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(max_streams=1, max_streams_per_client=1, **PATIENT)

        async def answer(exchange: Exchange) -> None:
            await (open_ended if exchange.target == b"/held.mp4" else Honest())(exchange)

        async with (
            raw_upstream(answer) as upstream,
            streaming(proxy, upstream.link("/held.mp4"), 1),
        ):
            for _ in range(3):
                assert (await proxy.validate(upstream.link()))["valid"] is True
                for route in ("/", "/health", "/static/css/base.css"):
                    async with proxy.client.get(proxy.url(route)) as got:
                        assert got.status == 200

    async def test_no_limit(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(max_streams=0, **PATIENT)
        async with raw_upstream(open_ended) as upstream, streaming(proxy, upstream.link(), 40):
            assert await has_streams(proxy, 40)


class TestMaxStreamsPerClient:
    async def test_another_client_is_served(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(max_streams=3, max_streams_per_client=2, **PATIENT)
        connector = TCPConnector(local_addr=("127.0.0.2", 0))
        async with (
            raw_upstream(open_ended) as upstream,
            ClientSession(connector=connector) as session,
            streaming(proxy, upstream.link(), 2),
        ):
            assert await code_of(proxy, upstream.link()) == TOO_MANY
            other = Proxy(proxy.port, session)
            got = await other.stream(upstream.link())
            assert (got.status, await got.content.readexactly(5)) == (200, b"first")
            # Now all streams are taken, though this client may have another one.
            assert await code_of(other, upstream.link()) == TOO_MANY
            other.close()


class TestCount:
    """Whatever becomes of streams, afterwards exactly as many are taken as before."""

    MAX = 5

    async def assert_exact(self, proxy: Proxy, link: str) -> None:
        assert await has_streams(proxy, 0, within_s=30)
        async with streaming(proxy, link, self.MAX):
            assert await code_of(proxy, link) == TOO_MANY

    async def test_after_a_hundred_leavers(
        self, start_proxy: StartProxy, handler_cancellation: bool
    ) -> None:
        proxy = await start_proxy(
            handler_cancellation=handler_cancellation,
            max_streams=self.MAX,
            max_streams_per_client=self.MAX,
            **PATIENT,
        )
        chance = random.Random(16)  # noqa: S311  # moments, no secrets

        async def answer(exchange: Exchange) -> None:
            match exchange.target:
                case b"/headless.mp4":
                    await exchange.wait_closed()
                case b"/busy.mp4":
                    await exchange.send(response(BUSY, {"Retry-After": "3", "Content-Length": "0"}))
                case b"/cut.mp4":
                    await exchange.send(response("206 Partial Content", FILM, b"first"))
                case b"/flowing.mp4":
                    await endless(exchange)
                case _:
                    await open_ended(exchange)

        names = ("headless", "busy", "cut", "flowing", "film")
        async with raw_upstream(answer) as upstream:

            async def visit(number: int) -> None:
                link = upstream.link(f"/{names[number % len(names)]}.mp4")
                async with calling(proxy, "/stream", link) as visitor:
                    stay_s = chance.choice((0, 0.001, 0.01, 0.1, 0.3))
                    if number % 2:
                        await visitor.is_cut_within(stay_s)
                    else:
                        await asyncio.sleep(stay_s)

            for first in range(0, 100, 2 * self.MAX):  # half of them come too many
                await asyncio.gather(*map(visit, range(first, first + 2 * self.MAX)))
            await self.assert_exact(proxy, upstream.link())

    async def test_after_errors(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(
            max_streams=self.MAX,
            max_streams_per_client=self.MAX,
            resume_attempts=1,
            retry_attempts=0,
            read_timeout=0.5,
        )

        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))  # taken by nobody else, and listening nowhere
            refused = f"http://127.0.0.1:{bound.getsockname()[1]}/film.mp4"
            async with raw_upstream(failing) as upstream:
                names = ("missing.mp4", "page.html", "reset.mp4", "silent.mp4", "cut.mp4")
                links = [refused, "ftp://example.com/", "http://10.0.0.1/", "http:///"]
                links += [upstream.link(f"/{name}") for name in names]

                async def fail(link: str) -> None:
                    got = await proxy.stream(link)
                    if got.status == 200:
                        with pytest.raises(ClientError):
                            await got.read()
                    else:
                        problem = await got.json(content_type="application/problem+json")
                        assert problem["code"] != "internal_error"

                for _ in range(5):
                    await asyncio.gather(*map(fail, links))
                await self.assert_exact(proxy, upstream.link())


class TestDescriptors:
    @staticmethod
    def warnings(err: str) -> list[str]:
        return re.findall(r" - WARNING - (max_streams: .*)", err)

    async def test_limit_is_raised_to_what_the_streams_need(self, tmp_path: Path) -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < 2600:
            pytest.skip(f"the machine permits {hard} descriptors")
        async with started(cwd=tmp_path, descriptors=(256, hard)) as program:
            soft, still_hard = resource.prlimit(program.process.pid, resource.RLIMIT_NOFILE)
            assert (2 * 1024 < soft <= hard, still_hard) == (True, hard)
            program.process.terminate()
            status, err = await program.end()
        assert (status, self.warnings(err)) == (0, [])

    async def test_limit_that_is_high_enough_is_left_alone(self, tmp_path: Path) -> None:
        arguments = ("--max-streams", "10")
        async with started(*arguments, cwd=tmp_path, descriptors=(600, 700)) as program:
            assert resource.prlimit(program.process.pid, resource.RLIMIT_NOFILE) == (600, 700)
            program.process.terminate()
            status, err = await program.end()
        assert (status, self.warnings(err)) == (0, [])

    async def test_limit_that_cannot_be_raised_enough_is_said(self, tmp_path: Path) -> None:
        async with started(cwd=tmp_path, descriptors=(256, 512)) as program:
            assert resource.prlimit(program.process.pid, resource.RLIMIT_NOFILE) == (512, 512)
            program.process.terminate()
            status, err = await program.end()
        assert status == 0
        said = self.warnings(err)
        assert len(said) == 1
        for number in ("1024", "512"):  # what was wanted, and what there is
            assert number in said[0]

    async def test_what_is_asked_for_suffices_beside_all_idle_connections(
        self, tmp_path: Path
    ) -> None:
        arguments = ("--max-streams", "4", "--no-splice")
        async with started(*arguments, cwd=tmp_path, descriptors=(64, 64)) as program:
            program.process.terminate()
            _, err = await program.end()
        (said,) = self.warnings(err)
        needed = int(re.findall(r"need (\d+) descriptors", said)[0])
        site = RawUpstream(Honest(), keep_alive=True)
        async with (
            listening(site.serve, "0.0.0.0") as site.port,  # all of 127.0.0.0/8
            started(*arguments, cwd=tmp_path, descriptors=(needed, needed)) as program,
        ):
            for number in range(2 * MAX_IDLE):
                link = f"http://127.0.{1 + number // 200}.{1 + number % 200}:{site.port}/film.mp4"
                got = await program.proxy.stream(link, "0-99" if number < MAX_IDLE else "0-")
                assert got.status == 206
                await got.read()
            site.answer = open_ended
            async with (
                streaming(program.proxy, link, 4),
                ClientSession() as another,
                another.get(program.proxy.url("/health")) as health,
            ):
                assert health.status == 200

    async def test_server_that_ran_out_of_them_recovers(self, tmp_path: Path) -> None:
        async with (
            raw_upstream(open_ended) as upstream,
            started(cwd=tmp_path, descriptors=(64, 64)) as program,
        ):
            link = upstream.link()
            async with AsyncExitStack() as stack:
                for _ in range(80):
                    await stack.enter_async_context(calling(program.proxy, "/stream", link))
                await asyncio.sleep(0.5)  # let it meet the limit
            assert await has_streams(program.proxy, 0, within_s=30)
            async with streaming(program.proxy, link, 10):
                pass
            program.process.terminate()
            status, _ = await program.end()
            assert status == 0
