"""Clients that leave: the upstream is closed at once, whatever the proxy waits for."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest
from aiohttp import ClientSession
from aiohttp.abc import AbstractResolver, ResolveResult
from proxies import Proxy, StartProxy
from upstreams import CONTENT, Exchange, raw_upstream, response
from visitors import FILM, calling, has_streams

from streamproxy.targets.policy import TargetPolicy
from streamproxy.upstream.connector import GuardedConnector

BUSY = "503 Service Unavailable"
# Seconds for what a patient proxy would else do after half a minute; mostly it takes half a second.
SOON_S = 20


@pytest.fixture
async def patient_proxy(start_proxy: StartProxy, handler_cancellation: bool) -> Proxy:
    """Return a proxy that would wait for half a minute at each stage."""
    return await start_proxy(
        handler_cancellation=handler_cancellation,
        connect_timeout=30,
        read_timeout=30,
        shutdown_grace=0.1,
    )


class SlowResolver(AbstractResolver):
    """A name server that answers only after the event."""

    def __init__(self) -> None:
        self.answered = asyncio.Event()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        await self.answered.wait()
        found = ResolveResult(
            hostname=host, host="127.0.0.1", port=port, family=family, proto=0, flags=0
        )
        return [found]

    async def close(self) -> None:
        self.answered.set()


@asynccontextmanager
async def full_queue() -> AsyncIterator[tuple[str, socket.socket]]:
    """Listen with a queue that is full: what else wants to connect waits."""
    loop = asyncio.get_running_loop()
    with socket.socket() as listener:
        listener.setblocking(False)
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        with socket.socket() as filler:
            filler.setblocking(False)
            await loop.sock_connect(filler, listener.getsockname())
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/film.mp4", listener


class TestBeforeTheHead:
    async def test_while_the_name_is_looked_up(
        self, start_proxy: StartProxy, handler_cancellation: bool
    ) -> None:
        resolver = SlowResolver()
        policy = TargetPolicy(allow_network=(ip_network("127.0.0.0/8"),))
        async with (
            raw_upstream(b"") as upstream,
            ClientSession(connector=GuardedConnector(policy, resolver=resolver)) as session,
        ):
            proxy = await start_proxy(
                handler_cancellation=handler_cancellation,
                connect_timeout=30,
                app_options={"session": session},
            )
            link = upstream.link().replace("127.0.0.1", "site.example")
            async with calling(proxy, "/stream", link) as visitor:
                assert await has_streams(proxy, 1)
                visitor.leave()
                assert await has_streams(proxy, 0)
            resolver.answered.set()
            assert upstream.connections == 0

    async def test_while_it_connects(self, patient_proxy: Proxy) -> None:
        loop = asyncio.get_running_loop()
        async with (
            full_queue() as (link, listener),
            calling(patient_proxy, "/stream", link) as visitor,
        ):
            assert await has_streams(patient_proxy, 1)
            visitor.leave()
            assert await has_streams(patient_proxy, 0)
            (await loop.sock_accept(listener))[0].close()
            # The kernel would ask again after a second, for a socket that is still open.
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(loop.sock_accept(listener), 1.5)

    async def test_while_no_head_comes(self, patient_proxy: Proxy) -> None:
        async def answer(exchange: Exchange) -> None:
            await exchange.wait_closed()

        async with (
            raw_upstream(answer) as upstream,
            calling(patient_proxy, "/stream", upstream.link()) as visitor,
        ):
            assert await has_streams(patient_proxy, 1)
            visitor.leave()
            await asyncio.wait_for(upstream.closed.wait(), SOON_S)
            assert await has_streams(patient_proxy, 0)

    async def test_after_a_redirect(self, patient_proxy: Proxy) -> None:
        redirected = asyncio.Event()

        async def answer(exchange: Exchange) -> None:
            if exchange.target == b"/film.mp4":
                fields = {"Location": "/other.mp4", "Content-Length": "0"}
                await exchange.send(response("302 Found", fields))
            else:
                redirected.set()
                await exchange.wait_closed()

        async with (
            raw_upstream(answer, keep_alive=True) as upstream,
            calling(patient_proxy, "/stream", upstream.link()) as visitor,
        ):
            await asyncio.wait_for(redirected.wait(), SOON_S)
            visitor.leave()
            await asyncio.wait_for(upstream.closed.wait(), SOON_S)

    async def test_while_it_waits_to_ask_a_busy_site_again(self, patient_proxy: Proxy) -> None:
        busy = response(BUSY, {"Retry-After": "3", "Content-Length": "0"})
        async with (
            raw_upstream(busy) as upstream,
            calling(patient_proxy, "/stream", upstream.link()) as visitor,
        ):
            await asyncio.wait_for(upstream.closed.wait(), SOON_S)
            visitor.leave()
            assert await has_streams(patient_proxy, 0)
            await asyncio.sleep(1.5)  # past the moment at which it would have asked again
            assert len(upstream.exchanges) == 1


class TestInTheBody:
    async def test_while_nothing_comes(self, patient_proxy: Proxy) -> None:
        async def answer(exchange: Exchange) -> None:
            await exchange.send(response("200 OK", FILM, b"first"))
            await exchange.wait_closed()

        async with (
            raw_upstream(answer) as upstream,
            calling(patient_proxy, "/stream", upstream.link()) as visitor,
        ):
            await visitor.read_head()
            assert await visitor.read_body(5) == b"first"
            visitor.leave()
            await asyncio.wait_for(upstream.closed.wait(), SOON_S)
            assert await has_streams(patient_proxy, 0)

    async def test_while_it_flows(self, patient_proxy: Proxy) -> None:
        async def answer(exchange: Exchange) -> None:
            await exchange.send(response("200 OK", FILM))
            while True:
                await exchange.send(CONTENT)

        async with (
            raw_upstream(answer) as upstream,
            calling(patient_proxy, "/stream", upstream.link()) as visitor,
        ):
            await visitor.read_head()
            await visitor.read_body(2**22)
            visitor.leave()
            await asyncio.wait_for(upstream.closed.wait(), SOON_S)

    @pytest.mark.parametrize("half", [False, True], ids=["leaves", "half-closes"])
    async def test_while_a_write_is_blocked(self, patient_proxy: Proxy, half: bool) -> None:
        blocked = asyncio.Event()

        async def answer(exchange: Exchange) -> None:
            await exchange.send(response("200 OK", FILM))
            try:
                while True:
                    await asyncio.wait_for(exchange.send(CONTENT), 0.5)
            except TimeoutError:
                blocked.set()
            await exchange.wait_closed()

        async with (
            raw_upstream(answer) as upstream,
            calling(patient_proxy, "/stream", upstream.link()) as visitor,
        ):
            await asyncio.wait_for(blocked.wait(), SOON_S)
            if half:
                visitor.writer.write_eof()
            else:
                visitor.leave()
            await asyncio.wait_for(upstream.closed.wait(), SOON_S)
            assert await has_streams(patient_proxy, 0)

    async def test_while_bytes_are_skipped(self, patient_proxy: Proxy) -> None:
        async def answer(exchange: Exchange) -> None:
            await exchange.send(response("200 OK", FILM, CONTENT))
            await exchange.wait_closed()

        async with (
            raw_upstream(answer) as upstream,
            calling(patient_proxy, "/stream", upstream.link(), byte_range="9000000-") as visitor,
        ):
            status, _ = await visitor.read_head()
            assert status == 206
            visitor.leave()
            await asyncio.wait_for(upstream.closed.wait(), SOON_S)


class TestInTheResumeBackOff:
    async def test_no_further_request_reaches_the_upstream(self, patient_proxy: Proxy) -> None:
        refused = asyncio.Event()

        async def answer(exchange: Exchange) -> None:
            if exchange.field("If-Range") is None:
                await exchange.send(response("200 OK", FILM, b"first"))
            else:
                busy = {"Retry-After": "2", "Content-Length": "0"}
                await exchange.send(response(BUSY, busy))
                refused.set()

        async with (
            raw_upstream(answer) as upstream,
            calling(patient_proxy, "/stream", upstream.link()) as visitor,
        ):
            await visitor.read_head()
            await asyncio.wait_for(refused.wait(), SOON_S)
            visitor.leave()
            assert await has_streams(patient_proxy, 0)
            await asyncio.sleep(2)  # past the moment at which it would have asked again
            assert len(upstream.exchanges) == 2

    async def test_upstream_that_goes_on_silently_is_closed(self, patient_proxy: Proxy) -> None:
        resumed, closed = asyncio.Event(), asyncio.Event()

        async def answer(exchange: Exchange) -> None:
            if exchange.field("If-Range") is None:
                await exchange.send(response("200 OK", FILM, b"first"))
                return
            resumed.set()
            await exchange.wait_closed()
            closed.set()

        async with (
            raw_upstream(answer) as upstream,
            calling(patient_proxy, "/stream", upstream.link()) as visitor,
        ):
            await visitor.read_head()
            await asyncio.wait_for(resumed.wait(), SOON_S)
            visitor.leave()
            await asyncio.wait_for(closed.wait(), SOON_S)


async def test_leaver_that_pipelined_many_requests_is_noticed(patient_proxy: Proxy) -> None:
    """Reading is paused while many requests wait; the end of the connection comes after them."""

    async def answer(exchange: Exchange) -> None:
        await exchange.send(response("200 OK", FILM, b"first"))
        await exchange.wait_closed()

    async with (
        raw_upstream(answer) as upstream,
        calling(patient_proxy, "/stream", upstream.link()) as visitor,
    ):
        await visitor.read_head()
        visitor.writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n" * 5000)
        await asyncio.sleep(0.2)  # let the server read as many as it takes
        visitor.leave()
        await asyncio.wait_for(upstream.closed.wait(), SOON_S)
