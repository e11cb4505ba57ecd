"""Bytes moved past aiohttp, in every way: the same promises, and when which way is taken."""

import asyncio
import itertools
import sys

import pytest
from aiohttp import ClientError
from proxies import Proxy, StartProxy, read_stream
from upstreams import CONTENT, Exchange, Honest, raw_upstream, response

from streamproxy.relay.pump import worth_gathering

FILM = CONTENT * 8
HALF = len(FILM) // 2
FIELDS = {"Content-Type": "video/mp4", "ETag": '"v1"'}


def end_of(caplog: pytest.LogCaptureFixture) -> str:
    return caplog.records[-1].getMessage()


def whole(length: int = len(FILM)) -> dict[str, str]:
    return FIELDS | {"Content-Length": str(length)}


@pytest.fixture
def relay(way: str) -> str:
    """What the log calls the way."""
    return "splice" if way == "splice" and sys.platform == "linux" else "copy"


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")


@pytest.mark.parametrize("asked", [None, "0-", "1000-5000000", "-3000000", f"0-{len(FILM) - 1}"])
async def test_film_is_moved_the_way_that_fits(
    proxy: Proxy, caplog: pytest.LogCaptureFixture, relay: str, asked: str | None
) -> None:
    async with raw_upstream(Honest(content=FILM)) as upstream:
        got = await proxy.stream(upstream.link(), asked)
        body = await got.read()
    start = int(got.headers["Content-Range"].partition(" ")[2].partition("-")[0]) if asked else 0
    assert body == FILM[start : start + int(got.headers["Content-Length"])]
    assert f"(relay={relay}): status 20" in end_of(caplog)
    assert f"{len(body)} bytes" in end_of(caplog)


@pytest.mark.parametrize(
    ("pieces", "length", "elapsed", "left", "expected"),
    [
        (0, 0, 0.001, 2**30, 1),  # nothing has come
        (99, 2**30, 1.0, 2**30, 1),  # large pieces
        (1, 2**20, 0.2, 2**30, 1),  # one burst, then a pause
        (100, 100_000, 1.0, 2**30, 500),  # five milliseconds' worth
        (10, 10_000, 0.1, 2**30, 500),
        (10_000, 2**30, 1.0, 2**30, 2**19),  # and no more than that
        (10_000, 2**30, 1.0, 1000, 1000),  # more will not come
        (100, 100, 1.0, 2**30, 1),
        (100, 2**20, 1.0, 0, 1),
    ],
)
def test_for_how_much_is_waited(
    pieces: int, length: int, elapsed: float, left: int, expected: int
) -> None:
    assert worth_gathering(pieces, length, elapsed, left) == expected


async def test_chunks_that_are_smaller_than_what_comes_hold_nothing_back(
    start_proxy: StartProxy,
) -> None:
    """The socket does not show what is left of a record of TLS, which is larger than these."""
    proxy = await start_proxy(chunk_size="4KiB")
    is_received = asyncio.Event()
    pieces = range(HALF, HALF + 20 * 16384, 16384)

    async def answer(exchange: Exchange) -> None:
        await exchange.send(response("200 OK", whole()), FILM[:HALF])
        for position in pieces:
            await is_received.wait()
            is_received.clear()
            await exchange.send(FILM[position : position + 16384])
        await exchange.send(FILM[pieces.stop :])

    async with raw_upstream(answer) as upstream:
        got = await proxy.stream(upstream.link())
        assert await got.content.readexactly(HALF) == FILM[:HALF]
        async with asyncio.timeout(6):  # with a wait for each chunk that is left: 12
            for position in pieces:
                is_received.set()
                assert await got.content.readexactly(16384) == FILM[position : position + 16384]
        assert await got.read() == FILM[pieces.stop :]


async def test_what_comes_last_before_a_pause_is_not_kept_back(start_proxy: StartProxy) -> None:
    """Many small pieces are let gather; the pause begins before there are as many as that."""
    proxy = await start_proxy(read_timeout=20)
    was_seen = asyncio.Event()
    begun, paused = HALF, HALF + 400 * 8192 + 1000

    async def answer(exchange: Exchange) -> None:
        await exchange.send(response("200 OK", whole()), FILM[:begun])
        for position in range(begun, paused, 8192):
            await exchange.send(FILM[position : min(position + 8192, paused)])
            await asyncio.sleep(0.002)
        await was_seen.wait()
        await exchange.send(FILM[paused:])

    async with raw_upstream(answer) as upstream:
        got = await proxy.stream(upstream.link())
        async with asyncio.timeout(10):
            assert await got.content.readexactly(paused) == FILM[:paused]
        was_seen.set()
        assert await got.read() == FILM[paused:]


async def test_what_is_small_or_chunked_is_copied(
    proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    chunk = b"%x\r\n%s\r\n" % (len(FILM), FILM)
    chunked = response("200 OK", FIELDS | {"Transfer-Encoding": "chunked"}, chunk + b"0\r\n\r\n")
    for answer, body in ((Honest(content=FILM[:100_000]), FILM[:100_000]), (chunked, FILM)):
        async with raw_upstream(answer) as upstream:
            assert await read_stream(proxy, upstream.link()) == body
        assert "(relay=copy): status 200" in end_of(caplog)


async def test_part_is_cut_out_of_the_whole_by_copying_then_moved(proxy: Proxy) -> None:
    async with raw_upstream(Honest(content=FILM, ranges=False)) as upstream:
        got = await proxy.stream(upstream.link(), "5000-6000000")
        assert await got.read() == FILM[5000:6000001]
    assert got.status == 206


async def test_surplus_is_never_passed_on(proxy: Proxy) -> None:
    async with raw_upstream(
        response("200 OK", whole(), FILM + b"surplus"), keep_alive=True
    ) as upstream:
        assert await read_stream(proxy, upstream.link()) == FILM
        assert await read_stream(proxy, upstream.link()) == FILM
        assert upstream.used == 2


async def test_answer_that_nobody_asked_for_answers_nothing(proxy: Proxy) -> None:
    """It is whole and right, comes after the body, and tells other bytes."""
    forged = response("200 OK", whole(10), b"forged....")

    async def answer(exchange: Exchange) -> None:
        await exchange.send(response("200 OK", whole()), FILM)
        await sent.wait()
        await exchange.send(forged)
        came.set()

    sent, came = asyncio.Event(), asyncio.Event()
    async with raw_upstream(answer, keep_alive=True) as upstream:
        for _ in range(2):
            assert await read_stream(proxy, upstream.link()) == FILM
            sent.set()
            await came.wait()
            sent.clear()
            came.clear()
        assert upstream.used == 2


async def test_connections_of_both_sides_go_on(proxy: Proxy) -> None:
    async with raw_upstream(Honest(content=FILM), keep_alive=True) as upstream:
        for _ in range(3):
            assert await read_stream(proxy, upstream.link()) == FILM
            assert (await proxy.validate(upstream.link()))["valid"] is True
        assert upstream.used == 1
    connector = proxy.client.connector
    assert connector is not None
    assert sum(len(kept) for kept in connector._conns.values()) == 1


async def test_connection_on_which_more_would_come_ends(proxy: Proxy) -> None:
    """The range is cut out of the whole, which goes on behind it."""
    async with raw_upstream(Honest(content=FILM, ranges=False), keep_alive=True) as upstream:
        got = await proxy.stream(upstream.link(), "5000-6000000")
        assert await got.read() == FILM[5000:6000001]
        await asyncio.wait_for(upstream.closed.wait(), 20)


@pytest.mark.parametrize("end", ["close", "cut", "reset"])
async def test_upstream_that_breaks_off_is_gone_on_with(
    proxy: Proxy, caplog: pytest.LogCaptureFixture, relay: str, end: str
) -> None:
    turns = itertools.count()

    async def answer(exchange: Exchange) -> None:
        if next(turns) > 2:
            await Honest(content=FILM)(exchange)
            return
        first = int((exchange.field("Range") or "bytes=0-")[6:].partition("-")[0])
        fields = whole(len(FILM) - first)
        status = "200 OK"
        if first:
            status = "206 Partial Content"
            fields["Content-Range"] = f"bytes {first}-{len(FILM) - 1}/{len(FILM)}"
        await exchange.send(response(status, fields), FILM[first : first + 2_000_000])
        if end == "reset":
            exchange.reset()
        elif end == "cut":
            exchange.cut()

    async with raw_upstream(answer) as upstream:
        assert await read_stream(proxy, upstream.link()) == FILM
    assert f"(relay={relay})" in end_of(caplog)
    assert end_of(caplog).endswith("complete, resumes: 3")


async def test_upstream_that_cannot_go_on_is_a_cut(
    proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    fields = {"Content-Type": "video/mp4", "Content-Length": str(len(FILM))}
    async with raw_upstream(response("200 OK", fields, FILM[:HALF])) as upstream:
        got = await proxy.stream(upstream.link())
        with pytest.raises(ClientError):
            await got.read()
    assert "upstream_failed (upstream_protocol)" in end_of(caplog)
    assert f" {HALF} bytes, " in end_of(caplog)


async def test_end_that_comes_with_the_last_bytes_is_seen_at_once(
    start_proxy: StartProxy, caplog: pytest.LogCaptureFixture
) -> None:
    """OpenSSL reads both from the socket, which has nothing more to show then."""
    proxy = await start_proxy(read_timeout=20, resume_attempts=0)
    was_seen = asyncio.Event()

    async def answer(exchange: Exchange) -> None:
        await exchange.send(response("200 OK", whole()), FILM[:HALF])
        await was_seen.wait()
        exchange.writer.write(FILM[HALF : HALF + 1000])
        exchange.writer.close()

    async with raw_upstream(answer) as upstream:
        got = await proxy.stream(upstream.link())
        assert await got.content.readexactly(HALF) == FILM[:HALF]
        await asyncio.sleep(0.5)  # nothing is let gather any more
        was_seen.set()
        with pytest.raises(ClientError):
            async with asyncio.timeout(10):
                await got.read()
    assert "upstream_failed (upstream_protocol)" in end_of(caplog)
    assert f" {HALF + 1000} bytes, " in end_of(caplog)


async def test_upstream_that_falls_silent_is_given_up(
    start_proxy: StartProxy, caplog: pytest.LogCaptureFixture
) -> None:
    proxy = await start_proxy(read_timeout=1.5, resume_attempts=0)

    async def answer(exchange: Exchange) -> None:
        await exchange.send(response("200 OK", whole()), FILM[:HALF])
        await exchange.wait_closed()

    async with raw_upstream(answer) as upstream:
        got = await proxy.stream(upstream.link())
        with pytest.raises(ClientError):
            await got.read()
    assert "upstream_failed (read_timeout)" in end_of(caplog)
    assert f" {HALF} bytes, " in end_of(caplog)


async def test_bytes_that_come_in_dribbles_are_not_held_back(proxy: Proxy) -> None:
    come = asyncio.Queue[int]()

    async def answer(exchange: Exchange) -> None:
        await exchange.send(response("200 OK", whole()), FILM[:HALF])
        while (position := await come.get()) < len(FILM):
            await exchange.send(FILM[position : position + 100])
        await exchange.send(FILM[HALF + 500 :])

    async with raw_upstream(answer) as upstream:
        got = await proxy.stream(upstream.link())
        assert await got.content.readexactly(HALF) == FILM[:HALF]
        for position in range(HALF, HALF + 500, 100):
            come.put_nowait(position)
            async with asyncio.timeout(10):
                assert await got.content.readexactly(100) == FILM[position : position + 100]
        come.put_nowait(len(FILM))
        assert await got.read() == FILM[HALF + 500 :]


async def endless(exchange: Exchange) -> None:
    await exchange.send(response("200 OK", whole(2**33)))
    while True:
        await exchange.send(CONTENT)
        await asyncio.sleep(0)  # asyncio's TLS takes bytes for a broken connection, and never waits


async def test_client_that_leaves_ends_it_whether_bytes_come_or_not(
    proxy: Proxy, caplog: pytest.LogCaptureFixture, relay: str
) -> None:
    async def silent(exchange: Exchange) -> None:
        await exchange.send(response("200 OK", whole(2**33)), FILM)
        await exchange.wait_closed()

    for answer in (silent, endless):
        async with raw_upstream(answer) as upstream:
            got = await proxy.stream(upstream.link())
            assert await got.content.readexactly(len(FILM)) == FILM
            got.close()
            await asyncio.wait_for(upstream.closed.wait(), 20)
        assert end_of(caplog).endswith("client_gone")
        assert f"relay={relay}" in end_of(caplog)


async def test_client_that_stalls_is_cut(
    start_proxy: StartProxy, caplog: pytest.LogCaptureFixture
) -> None:
    proxy = await start_proxy(client_stall_timeout=1.5)
    async with raw_upstream(endless) as upstream:
        got = await proxy.stream(upstream.link())
        assert await got.content.readexactly(len(FILM)) == FILM
        await asyncio.wait_for(upstream.closed.wait(), 20)
        got.close()
    assert end_of(caplog).endswith("client_stalled")


async def test_clients_that_are_slow_by_turns_get_their_own_bytes(proxy: Proxy) -> None:
    """What each of them does not take at once must survive what comes for the others."""
    films = [bytes([number]) * len(FILM) for number in range(8)]

    async def answer(exchange: Exchange) -> None:
        film = films[int(exchange.target.rpartition(b"/")[2])]
        await exchange.send(response("200 OK", whole(), film))

    async with raw_upstream(answer) as upstream:
        got = [await proxy.stream(upstream.link(f"/{number}")) for number in range(len(films))]
        for position in range(0, len(FILM), len(FILM) // 8):
            for number in range(len(films)):
                film = films[number][position : position + len(FILM) // 8]
                assert await got[number].content.readexactly(len(film)) == film
        assert [await each.read() for each in got] == [b""] * len(films)
