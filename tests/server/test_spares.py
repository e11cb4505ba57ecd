"""Connections to sites far away that are made before a seek needs them."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientOSError
from forwarders import join
from proxies import Proxy, code_of, read_stream
from redis_servers import free_port
from upstreams import CONTENT, Exchange, Honest, RawUpstream, listening, raw_upstream, response

from streamproxy.errors import BlockedTarget
from streamproxy.upstream.lines import Line, Lines
from streamproxy.upstream.resolver import BlockedAddress
from streamproxy.upstream.spares import Spares

FILM = CONTENT * 24
LONG_S = 0.1  # until the head: as if from far away


class Far(Honest):
    """A site that takes its time to answer; films stay open until the viewer leaves."""

    async def __call__(self, exchange: Exchange) -> None:
        await asyncio.sleep(LONG_S)
        await super().__call__(exchange)


@asynccontextmanager
async def far_site() -> AsyncIterator[RawUpstream]:
    async with raw_upstream(Far(FILM), keep_alive=True) as upstream:
        yield upstream


async def begin(proxy: Proxy, upstream: RawUpstream, first: int) -> None:
    """Begin to play at a byte, and leave."""
    got = await proxy.stream(upstream.link(), f"{first}-")
    assert got.status == 206
    assert await got.content.readexactly(1000) == FILM[first : first + 1000]
    got.close()


def asked_on(upstream: RawUpstream) -> list[int]:
    """Return the number of the connection of each request."""
    return [exchange.number for exchange in upstream.exchanges]


@pytest.mark.parametrize("way", ["copy", "splice", "tls"], indirect=True)
async def test_seek_finds_a_connection_that_was_made_meanwhile(proxy: Proxy) -> None:
    async with far_site() as upstream:
        for number in range(1, 4):
            await begin(proxy, upstream, number * 1000)
            await upstream.has_connections(number + 1)
        assert asked_on(upstream) == [1, 2, 3]
        assert upstream.connections == 4


@pytest.mark.parametrize("way", ["copy", "splice", "tls"], indirect=True)
async def test_connection_that_is_free_is_taken_first(proxy: Proxy) -> None:
    async with far_site() as upstream:
        for number in range(3):
            assert await read_stream(proxy, upstream.link()) == FILM
            await upstream.has_connections(2)
            got = await proxy.stream(upstream.link(), f"{number}-{number}")
            assert await got.read() == FILM[number : number + 1]
        assert upstream.used == 1


async def test_many_streams_have_one_together(proxy: Proxy) -> None:
    async with far_site() as upstream:
        playing = [await proxy.stream(upstream.link(), f"{first}-") for first in range(4)]
        await upstream.has_connections(5)
        await begin(proxy, upstream, 0)
        assert asked_on(upstream) == [1, 2, 3, 4, 5]
        await upstream.has_connections(6)
        assert [got.status for got in playing] == [206] * 4
        assert upstream.connections == 6


@pytest.mark.parametrize("way", ["tls"], indirect=True)
async def test_seek_waits_for_one_that_is_being_made(proxy: Proxy) -> None:
    """Where that takes long: here the handshake, behind a relay that begins late."""
    accepted = 0

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal accepted
        accepted += 1
        await asyncio.sleep(LONG_S)
        there = await asyncio.open_connection("127.0.0.1", upstream.port)
        await join((reader, writer), there)

    async with far_site() as upstream, listening(relay, is_plain=True) as port:
        for number in range(1, 4):
            got = await proxy.stream(f"https://127.0.0.1:{port}/film.mp4", f"{number}-")
            assert await got.content.readexactly(9) == FILM[number : number + 9]
            got.close()
        assert asked_on(upstream) == [1, 2, 3]
        assert accepted <= 4


async def test_first_seek_after_a_validation_is_prepared_with_the_play(proxy: Proxy) -> None:
    async def answer(exchange: Exchange) -> None:
        if exchange.field("Range") == "bytes=0-":
            await upstream.has_connections(2)  # else the play never begins
        await Far(FILM)(exchange)

    async with raw_upstream(answer, keep_alive=True) as upstream:
        assert (await proxy.validate(upstream.link()))["valid"] is True
        await begin(proxy, upstream, 0)
        await begin(proxy, upstream, 7)
        assert asked_on(upstream) == [1, 1, 2]


async def test_small_parts_need_none(proxy: Proxy) -> None:
    async with far_site() as upstream:
        for part in ("0-99", "100-199", "-100"):
            got = await proxy.stream(upstream.link(), part)
            assert len(await got.read()) == 100
        assert upstream.connections == 1


async def test_site_that_only_redirects_gets_none(proxy: Proxy) -> None:
    async with far_site() as film:
        moved = response("302 Found", {"Location": film.link(), "Content-Length": "0"})

        async def answer(exchange: Exchange) -> None:
            await asyncio.sleep(LONG_S)
            await exchange.send(moved)

        async with raw_upstream(answer, keep_alive=True) as site:
            got = await proxy.stream(site.link(), "5-")
            assert await got.content.readexactly(5) == FILM[5:10]
            await film.has_connections(2)
            assert site.connections == 1


@pytest.mark.parametrize("how", ["closes", "resets", "speaks"])
async def test_what_a_site_does_with_one_unasked_harms_nothing(proxy: Proxy, how: str) -> None:
    upstream = RawUpstream(Far(FILM), keep_alive=True)
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if upstream.connections != 1 or done.is_set():
            await upstream.serve(reader, writer)
            return
        if how == "speaks":
            writer.write(response("408 Request Timeout", {"Content-Length": "0"}))
        elif how == "resets":
            Exchange(b"", reader, writer).reset()
        writer.close()
        done.set()

    async with listening(serve) as upstream.port:
        await begin(proxy, upstream, 0)
        await asyncio.wait_for(done.wait(), 20)
        await begin(proxy, upstream, 7)
        assert asked_on(upstream) == [1, 2]


async def test_none_is_left_when_the_proxy_ends(proxy: Proxy) -> None:
    port = free_port()  # which nobody else takes when it is free again
    upstream = RawUpstream(Far(FILM), port, keep_alive=True)
    async with listening(upstream.serve, port=port):
        await begin(proxy, upstream, 0)
    # The site has gone; what was to be made next fails, and whoever asks is told.
    assert await code_of(proxy, upstream.link()) == (502, "connection_refused")


REFUSALS = [ConnectionRefusedError(), ClientOSError(), BlockedAddress(BlockedTarget("No."))]


@pytest.mark.parametrize("failure", REFUSALS, ids=lambda failure: type(failure).__name__)
async def test_near_site_gets_none_and_a_far_one_a_single_one(failure: Exception) -> None:
    made = []
    reported: list[object] = []

    async def connect(origin: str) -> Line:
        made.append(origin)
        raise failure

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: reported.append(context))
    spares = Spares(Lines(loop, None, lambda _: None), connect)
    spares.prepare("http://unknown.example")
    spares.note("http://near.example", 0.049)
    spares.note("http://far.example", 0.05)
    for _ in range(2):
        spares.prepare("http://near.example")
        spares.prepare("http://far.example")
    await spares.wait("http://near.example")
    await spares.wait("http://far.example")
    assert made == ["http://far.example"]
    await asyncio.sleep(0)
    spares.prepare("http://far.example")  # it failed: another one
    await spares.wait("http://far.example")
    assert made == ["http://far.example"] * 2
    await asyncio.sleep(0)
    gc.collect()
    assert reported == []


async def test_no_more_than_256_sites_are_known_as_far() -> None:
    made = []

    async def connect(origin: str) -> Line:
        made.append(origin)
        raise ConnectionRefusedError

    spares = Spares(Lines(asyncio.get_running_loop(), None, lambda _: None), connect)
    for number in range(257):
        spares.note("http://first.example", 1)
        spares.note(f"http://{number}.example", 1)
    for name in ("0", "1", "256", "first"):
        spares.prepare(f"http://{name}.example")
        await spares.wait(f"http://{name}.example")
    assert made == ["http://256.example", "http://first.example"]


async def test_site_that_turns_out_to_be_near_is_far_no_more() -> None:
    made = []

    async def connect(origin: str) -> Line:
        made.append(origin)
        raise ConnectionRefusedError

    spares = Spares(Lines(asyncio.get_running_loop(), None, lambda _: None), connect)
    for number, seconds in enumerate((0.06, 0.03, 0.01, 0.009, 0.03)):  # on a kept one, by half
        spares.note("http://far.example", seconds)
        spares.prepare("http://far.example")
        await spares.wait("http://far.example")
        await asyncio.sleep(0)
        assert len(made) == min(number + 1, 3)


async def test_one_waits_for_a_connection_that_is_being_made_and_others_make_their_own() -> None:
    is_made = asyncio.Event()

    async def connect(_origin: str) -> Line:
        await is_made.wait()
        raise ConnectionRefusedError

    spares = Spares(Lines(asyncio.get_running_loop(), None, lambda _: None), connect)
    spares.note("http://far.example", 1)
    for _ in range(2):  # and then the same again
        is_made.clear()
        spares.prepare("http://far.example")
        first = asyncio.create_task(spares.wait("http://far.example"))
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await spares.wait("http://far.example")
        assert not first.done()
        is_made.set()
        await first
        await asyncio.sleep(0)
