"""Requests that come when the server is about to end, or are not yet streams then."""

import asyncio
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from urllib.parse import quote

import pytest
from aiohttp import ClientError, ClientResponse, ClientSession, web
from aiohttp.typedefs import Handler
from proxies import serve as start
from upstreams import CONTENT, Exchange, Honest, RawUpstream, raw_upstream, response

from streamproxy import Settings, create_app, default_middlewares
from streamproxy.keys import STREAMS
from streamproxy.notify import ABORT, RETIRE, Notifier
from streamproxy.server import END_TIME, listen, serve

GRACE_S = 4
CUT = 5000


class Gate:
    """A middleware that keeps requests waiting, as one that asks somebody else may do."""

    __middleware_version__ = 1  # what web.middleware sets

    def __init__(self) -> None:
        self.has_come = asyncio.Event()
        self.opens = asyncio.Event()

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Wait, and hand the request on."""
        self.has_come.set()
        await self.opens.wait()
        return await handler(request)


async def slowly(exchange: Exchange) -> None:
    """Send the beginning of a film at once, and the rest after a second."""
    fields = {"Content-Type": "video/mp4", "Content-Length": str(len(CONTENT))}
    await exchange.send(response("200 OK", fields), CONTENT[:CUT])
    await asyncio.sleep(1)
    await exchange.send(CONTENT[CUT:])


async def for_ever(exchange: Exchange) -> None:
    """Send the beginning of a film, and no more."""
    fields = {"Content-Type": "video/mp4", "Content-Length": str(len(CONTENT))}
    await exchange.send(response("200 OK", fields), CONTENT[:CUT])
    await exchange.wait_closed()


class Worker:
    """A worker that serves in this process; we are its parent."""

    def __init__(self, port: int, parent: socket.socket, client: ClientSession) -> None:
        self.port = port
        self.parent = parent
        self.client = client

    async def ask(self, upstream: RawUpstream, target: str = "/film.mp4") -> ClientResponse:
        link = quote(upstream.link(target), safe="")
        return await self.client.get(f"http://127.0.0.1:{self.port}/stream?url={link}")


@asynccontextmanager
async def worker(gate: Gate) -> AsyncIterator[tuple[Worker, asyncio.Task[None]]]:
    settings = Settings.parse(allow_network="127.0.0.0/8", shutdown_grace=GRACE_S)
    app = create_app(settings, middlewares=[*default_middlewares(settings), gate])
    [bound] = listen("127.0.0.1", 0)
    parent, ours = socket.socketpair()
    is_ready = asyncio.Event()
    with bound, parent, closing(Notifier(ours)) as notifier:
        serving = asyncio.create_task(serve(app, [bound], is_ready.set, notifier))
        await is_ready.wait()
        async with ClientSession() as client:
            yield Worker(bound.getsockname()[1], parent, client), serving
            await asyncio.wait_for(serving, 60)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().remove_signal_handler(number)


@pytest.fixture
def gate() -> Gate:
    return Gate()


async def test_request_on_its_way_to_be_a_stream_is_waited_for(gate: Gate) -> None:
    async with raw_upstream(slowly) as upstream, worker(gate) as (proxy, serving):
        asking = asyncio.create_task(proxy.ask(upstream))
        await asyncio.wait_for(gate.has_come.wait(), 20)
        proxy.parent.send(RETIRE)
        await asyncio.sleep(1)  # the worker's time for those who have not asked is over
        assert not serving.done()
        gate.opens.set()
        assert await (await asking).read() == CONTENT


async def test_abort_holds_for_requests_on_their_way(gate: Gate) -> None:
    async with raw_upstream(for_ever) as upstream, worker(gate) as (proxy, serving):
        asking = asyncio.create_task(proxy.ask(upstream))
        await asyncio.wait_for(gate.has_come.wait(), 20)
        proxy.parent.send(RETIRE)
        await asyncio.sleep(0.1)
        proxy.parent.send(ABORT)
        await asyncio.sleep(0.1)
        gate.opens.set()
        assert (await asking).status == 503
        began = time.monotonic()
        await asyncio.wait_for(serving, 60)
        assert time.monotonic() - began < GRACE_S - 1


@pytest.mark.parametrize("word", [RETIRE, None], ids=["replaced", "stopped"])
async def test_request_that_never_becomes_a_stream_holds_up_nobody(
    gate: Gate, word: bytes | None
) -> None:
    async with raw_upstream(for_ever) as upstream, worker(gate) as (proxy, serving):
        asking = asyncio.create_task(proxy.ask(upstream))
        await asyncio.wait_for(gate.has_come.wait(), 20)
        began = time.monotonic()
        if word is None:
            signal.raise_signal(signal.SIGTERM)
        else:
            proxy.parent.send(word)
        await asyncio.wait_for(serving, 60)
        assert time.monotonic() - began < GRACE_S + END_TIME
        with pytest.raises(ClientError):
            await asking


async def test_no_stream_begins_once_they_are_refused() -> None:
    """The program's end is also the application's, which refuses nobody by itself."""
    app = create_app(Settings.parse(allow_network="127.0.0.0/8"))
    async with AsyncExitStack() as stack, raw_upstream(Honest()) as upstream:
        proxy = await start(app, stack)
        await app[STREAMS].drain(0, refuses=True)
        await app[STREAMS].drain(0)
        assert (await proxy.stream(upstream.link())).status == 503


async def test_grace_holds_for_requests_on_their_way_in_a_sub_application(gate: Gate) -> None:
    settings = Settings.parse(allow_network="127.0.0.0/8", shutdown_grace=GRACE_S)
    parent = web.Application()
    chain = [*default_middlewares(settings), gate]
    parent.add_subapp("/video/", create_app(settings, middlewares=chain))
    runner = web.AppRunner(parent, access_log=None, shutdown_timeout=20)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with raw_upstream(for_ever) as upstream, ClientSession() as client:
        link = quote(upstream.link(), safe="")
        url = f"http://127.0.0.1:{site.port}/video/stream?url={link}"
        asking = asyncio.create_task(client.get(url))
        await asyncio.wait_for(gate.has_come.wait(), 20)
        began = time.monotonic()
        ending = asyncio.create_task(runner.cleanup())
        await asyncio.sleep(0.1)
        gate.opens.set()
        with pytest.raises(ClientError):
            await (await asking).read()
        await ending
        assert GRACE_S - 0.1 < time.monotonic() - began < 19
