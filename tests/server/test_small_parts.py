"""Small parts, which are read without aiohttp: the same bytes, the same care."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientError
from multidict import CIMultiDict
from proxies import Proxy, StartProxy, code_of
from upstreams import CONTENT, Exchange, Honest, raw_upstream, response

from streamproxy import Settings
from streamproxy.targets.links import parse_link
from streamproxy.targets.policy import TargetPolicy
from streamproxy.upstream.clean import CleanConnector
from streamproxy.upstream.connector import open_session
from streamproxy.upstream.exchange import Exchanges, Response
from streamproxy.upstream.small import MAX_SMALL, SmallResponse, parse_small

STRONG = {"ETag": '"v1"', "Content-Type": "video/mp4"}


def part(length: int, total: int = len(CONTENT)) -> dict[str, str]:
    """Return the fields of the first *length* bytes."""
    return {
        **STRONG,
        "Content-Length": str(length),
        "Content-Range": f"bytes 0-{length - 1}/{total}",
    }


@asynccontextmanager
async def exchanging() -> AsyncIterator[Exchanges]:
    """Send requests to loopback for the time of the context."""
    settings = Settings.parse(allow_network="127.0.0.0/8")
    async with open_session(settings, TargetPolicy.from_settings(settings)) as session:
        assert isinstance(session.connector, CleanConnector)
        exchanges = Exchanges(session, session.connector)
        yield exchanges
        exchanges.close()


def head(*lines: str) -> bytes:
    return "\r\n".join(("HTTP/1.1 206 Partial Content", *lines)).encode()


def test_plain_head_is_read() -> None:
    found = parse_small(
        head("content-length:5 ", "X-Empty:", 'ETag: \t"a b"\t', "Connection: keep-alive")
    )

    assert found is not None
    status, fields, length = found
    assert (status, length) == (206, 5)
    assert fields == CIMultiDict(
        {"Content-Length": "5", "X-Empty": "", "ETag": '"a b"', "Connection": "keep-alive"}
    )


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(head(), id="no length"),
        pytest.param(head("Content-Length: 5", "Content-Length: 5"), id="two lengths"),
        pytest.param(head("Content-Length: +5"), id="a sign"),
        pytest.param(head("Content-Length: 5, 5"), id="a list"),
        pytest.param(head("Content-Length: \N{ARABIC-INDIC DIGIT FIVE}"), id="another digit"),
        pytest.param(head(f"Content-Length: {MAX_SMALL + 1}"), id="too long"),
        pytest.param(head("Content-Length: 5", "Transfer-Encoding: chunked"), id="chunks too"),
        pytest.param(head("Content-Length: 5", "Connection: close"), id="close"),
        pytest.param(head("Content-Length: 5", "Connection: keep-alive, x"), id="more options"),
        pytest.param(head("Content-Length: 5", "Upgrade: h2c"), id="upgrade"),
        pytest.param(head("Content-Length : 5"), id="a space before the colon"),
        pytest.param(head("Content-Length: 5", " folded"), id="a folded line"),
        pytest.param(head("Content-Length: 5", "no colon"), id="no colon"),
        pytest.param(head("Content-Length: 5", "X: a\rb"), id="a carriage return"),
        pytest.param(head("Content-Length: 5", "X: a\nY: b"), id="a line feed"),
        pytest.param(head("Content-Length: 5", "X: a\0b"), id="a control character"),
        pytest.param(head("Content-Length: 5", "X: caf\xe9"), id="beyond ASCII"),
        pytest.param(head("Content-Length: 5", *["X: y"] * 100), id="many fields"),
        pytest.param(b"HTTP/1.0 206 OK\r\nContent-Length: 5", id="an older version"),
        pytest.param(b"HTTP/1.1 302 Found\r\nContent-Length: 5", id="another status"),
        pytest.param(b"HTTP/1.1 206\r\nContent-Length: 5", id="no space after the status"),
        pytest.param(b"HTTP/1.1 2060 OK\r\nContent-Length: 5", id="four digits"),
        pytest.param(b"ICY 200 OK\r\nContent-Length: 5", id="another protocol"),
    ],
)
def test_what_is_not_beyond_doubt_is_left_to_aiohttp(lines: bytes) -> None:
    assert parse_small(lines) is None


async def test_body_in_pieces_arrives_exactly(proxy: Proxy) -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.send(response("206 Partial Content", part(100)))
        for start in range(0, 100, 7):
            await exchange.send(CONTENT[start : min(start + 7, 100)])
            await asyncio.sleep(0.001)

    async with raw_upstream(answer, keep_alive=True) as upstream:
        for _ in range(3):
            got = await proxy.stream(upstream.link(), "0-99")
            assert (got.status, await got.read()) == (206, CONTENT[:100])
        assert upstream.used == 1


async def test_first_bytes_do_not_wait_for_the_last(proxy: Proxy) -> None:
    may_end = asyncio.Event()

    async def answer(exchange: Exchange) -> None:
        await exchange.send(response("206 Partial Content", part(100)), CONTENT[:40])
        await may_end.wait()
        await exchange.send(CONTENT[40:100])

    async with raw_upstream(answer) as upstream:
        got = await proxy.stream(upstream.link(), "0-99")
        assert await got.content.readexactly(40) == CONTENT[:40]
        may_end.set()
        assert await got.content.read() == CONTENT[40:100]


@pytest.mark.parametrize("kind", ["chunked", "large", "error", "head in two pieces", "close"])
async def test_other_answers_come_on_the_same_connection(proxy: Proxy, kind: str) -> None:
    large = CONTENT[: MAX_SMALL + 1]

    async def answer(exchange: Exchange) -> None:
        if exchange.target.startswith(b"/small"):
            await Honest()(exchange)
        elif kind == "chunked":
            fields = {"Content-Type": "video/mp4", "Transfer-Encoding": "chunked"}
            await exchange.send(response("200 OK", fields, b"4\r\nfilm\r\n0\r\n\r\n"))
        elif kind == "large":
            fields = {"Content-Type": "video/mp4", "Content-Length": str(len(large))}
            await exchange.send(response("200 OK", fields, large))
        elif kind == "error":
            await exchange.send(response("404 Not Found", {"Content-Length": "4"}, b"gone"))
        else:
            fields = {"Content-Type": "video/mp4", "Content-Length": "4"}
            fields |= {"Connection": "close"} if kind == "close" else {}
            whole = response("200 OK", fields, b"film")
            await exchange.send(whole[:30])
            await asyncio.sleep(0.02)
            await exchange.send(whole[30:])

    async with raw_upstream(answer, keep_alive=True) as upstream:
        for count in range(3):
            got = await proxy.stream(upstream.link(f"/small{count}.mp4"), "10-19")
            assert await got.read() == CONTENT[10:20]
            other = upstream.link(f"/other{count}.mp4")
            if kind == "error":
                assert await code_of(proxy, other) == (404, "upstream_status")
            else:
                got = await proxy.stream(other)
                assert await got.read() == (large if kind == "large" else b"film")
        if kind != "close":
            # Between the two kinds it goes from one keeper to the other: never a third.
            assert upstream.used <= 2


async def test_what_comes_unasked_closes_a_kept_connection(proxy: Proxy) -> None:
    """Seen by the event loop while nobody asks; when somebody does, it is too late to see."""
    first: list[Exchange] = []

    async def answer(exchange: Exchange) -> None:
        first.append(exchange)
        await Honest()(exchange)

    async with raw_upstream(answer, keep_alive=True) as upstream:
        got = await proxy.stream(upstream.link(), "0-9")
        assert await got.read() == CONTENT[:10]
        await first[0].send(response("206 Partial Content", part(10), b"SMUGGLED!!"))
        await upstream.closed.wait()
        got = await proxy.stream(upstream.link(), "10-19")
        assert await got.read() == CONTENT[10:20]
        assert upstream.used == 2


async def test_surplus_ends_the_connection_and_reaches_nobody(proxy: Proxy) -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.send(response("206 Partial Content", part(10), CONTENT[:10] + b"surplus"))

    async with raw_upstream(answer, keep_alive=True) as upstream:
        for number in range(1, 4):
            got = await proxy.stream(upstream.link(), "0-9")
            assert await got.read() == CONTENT[:10]
            assert upstream.used == number


@pytest.mark.parametrize("how", ["end", "reset"])
async def test_cut_in_the_body_is_gone_on_with(proxy: Proxy, how: str) -> None:
    async def answer(exchange: Exchange) -> None:
        if len(upstream.exchanges) > 1:
            await Honest()(exchange)
            return
        await exchange.send(response("206 Partial Content", part(100)), CONTENT[:40])
        if how == "reset":
            await asyncio.sleep(0.05)
            exchange.reset()

    async with raw_upstream(answer) as upstream:
        got = await proxy.stream(upstream.link(), "0-99")
        assert await got.read() == CONTENT[:100]
        assert upstream.exchanges[1].field("Range") == "bytes=40-99"


async def test_cut_that_cannot_be_gone_on_with_is_seen(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(resume_attempts=0)
    cut = response("206 Partial Content", part(100), CONTENT[:40])
    async with raw_upstream(cut) as upstream:
        got = await proxy.stream(upstream.link(), "0-99")
        with pytest.raises(ClientError):
            await got.read()


async def test_silence_in_the_body_is_a_timeout(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(read_timeout=1.5)

    async def answer(exchange: Exchange) -> None:
        if len(upstream.exchanges) > 1:
            await Honest()(exchange)
            return
        await exchange.send(response("206 Partial Content", part(100)), CONTENT[:40])
        await exchange.wait_closed()

    async with raw_upstream(answer) as upstream:
        got = await proxy.stream(upstream.link(), "0-99")
        assert await got.read() == CONTENT[:100]
        assert len(upstream.exchanges) == 2


async def test_client_that_leaves_in_the_body_closes_the_connection(proxy: Proxy) -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.send(response("206 Partial Content", part(100)), CONTENT[:40])
        await exchange.wait_closed()

    async with raw_upstream(answer, keep_alive=True) as upstream:
        got = await proxy.stream(upstream.link(), "0-99")
        await got.content.readexactly(40)
        got.close()
        async with asyncio.timeout(20):
            await upstream.closed.wait()


@pytest.mark.parametrize("turns", range(40))
async def test_client_that_leaves_as_its_part_comes_takes_no_connection_of_others(
    turns: int,
) -> None:
    """The connection is kept as soon as all has come, before whoever asked goes on."""
    canned = response("206 Partial Content", part(5), b"first")
    async with raw_upstream(canned, keep_alive=True) as upstream, exchanging() as exchanges:
        link = parse_link(upstream.link())
        leaving = asyncio.create_task(exchanges.get(link, {}))
        for _ in range(turns):
            await asyncio.sleep(0)
        leaving.cancel()
        async with asyncio.timeout(20):
            got = await exchanges.get(link, {})
            assert isinstance(got, SmallResponse)
            assert await got.read() == b"first"


async def test_part_that_comes_as_its_client_has_left_is_nobodys() -> None:
    """Both in one turn of the loop: whoever asked has not noticed yet that it is to go."""
    canned = response("206 Partial Content", part(5), b"first")
    loop = asyncio.get_running_loop()
    came: asyncio.Future[Exchange] = loop.create_future()
    begins = asyncio.Event()

    async def answer(exchange: Exchange) -> None:
        if came.done():
            await exchange.send(canned)
        else:
            came.set_result(exchange)
            await begins.wait()

    async with raw_upstream(answer, keep_alive=True) as upstream, exchanging() as exchanges:
        link = parse_link(upstream.link())

        async def follow() -> Response | SmallResponse:
            await begins.wait()
            return await exchanges.get(link, {})

        leaving = asyncio.create_task(exchanges.get(link, {}))
        following = asyncio.create_task(follow())
        exchange = await came
        exchange.writer.write(canned)  # it is there when the loop looks next
        loop.call_soon(begins.set)
        loop.call_soon(leaving.cancel)
        async with asyncio.timeout(20):
            got = await following
            assert isinstance(got, SmallResponse)
            assert await got.read() == b"first"


async def test_what_came_to_a_request_is_for_the_same_request_to_the_same_origin() -> None:
    canned = response("206 Partial Content", part(5), b"first")
    async with (
        raw_upstream(canned, keep_alive=True) as upstream,
        raw_upstream(canned, keep_alive=True) as other,
        exchanging() as exchanges,
    ):
        link, elsewhere = parse_link(upstream.link()), parse_link(other.link())
        head = exchanges.head_of(link, {})
        came = await exchanges.get(link, {})
        assert isinstance(came, SmallResponse)
        exchanges.leave(elsewhere.origin, head, came)
        assert await exchanges.get(link, {}) is not came
        exchanges.leave(link.origin, head, came)
        assert await exchanges.get(link, {}) is came
        assert await exchanges.get(link, {}) is not came


async def test_what_nobody_takes_is_closed() -> None:
    canned = response("206 Partial Content", part(5), b"fir")
    async with raw_upstream(canned, keep_alive=True) as upstream, exchanging() as exchanges:
        link = parse_link(upstream.link())
        came = await exchanges.get(link, {})
        assert isinstance(came, SmallResponse)
        exchanges.leave(link.origin, exchanges.head_of(link, {}), came)
        async with asyncio.timeout(20):
            await upstream.closed.wait()
