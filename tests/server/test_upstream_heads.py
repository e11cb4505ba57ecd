"""Heads of answers that are too large, or have no end: refused, with bounded memory."""

import asyncio
import itertools
from collections.abc import Iterator

import pytest
from proxies import Proxy, code_of
from upstreams import Exchange, raw_upstream, response

BASE = {"Content-Type": "video/mp4", "Content-Length": "4"}


def many(count: int, size: int) -> bytes:
    """Return a proper answer with *count* fields more, of *size* bytes each."""
    fields = {f"X-{number:04d}": "x" * (size - 6) for number in range(count)}
    return response("200 OK", BASE | fields, b"film")


@pytest.mark.parametrize(
    ("answer", "passes"),
    [
        pytest.param(many(100, 20), True, id="a hundred fields"),
        pytest.param(many(200, 20), False, id="two hundred fields"),
        pytest.param(many(1, 39 * 1024), True, id="a field as long as a link"),
        pytest.param(many(1, 41 * 1024), False, id="a longer field"),
        pytest.param(many(6, 39 * 1024), True, id="many long fields"),
        pytest.param(many(7, 39 * 1024), False, id="too many long fields"),
        pytest.param(response("200 " + "x" * 41 * 1024, BASE, b"film"), False, id="a long reason"),
    ],
)
async def test_head_has_a_limit(proxy: Proxy, answer: bytes, *, passes: bool) -> None:
    async with raw_upstream(answer) as upstream:
        if passes:
            got = await proxy.stream(upstream.link())
            assert (got.status, await got.read()) == (200, b"film")
        else:
            assert await code_of(proxy, upstream.link()) == (502, "upstream_protocol")
            assert (await proxy.validate(upstream.link()))["code"] == "upstream_protocol"


def pieces(kind: str) -> Iterator[bytes]:
    """Yield a head that never ends."""
    yield (
        b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n" if kind != "reason" else b"HTTP/1.1 200 "
    )
    if kind == "value":
        yield b"X: "
    for number in itertools.count():
        yield b"X-%d: %s\r\n" % (number, b"x" * 1000) if kind == "fields" else b"x" * 1000


@pytest.mark.parametrize("kind", ["fields", "name", "value", "reason"])
async def test_head_without_end_is_cut(proxy: Proxy, kind: str) -> None:
    sent = 0

    async def answer(exchange: Exchange) -> None:
        nonlocal sent
        for piece in itertools.islice(pieces(kind), 100_000):
            await exchange.send(piece)
            sent += len(piece)

    async with raw_upstream(answer) as upstream:
        assert await code_of(proxy, upstream.link()) == (502, "upstream_protocol")
        await upstream.closed.wait()
    # What the sockets of both sides hold comes on top of what is read.
    assert sent < 50 * 2**20


async def test_interim_heads_without_end_are_cut_at_once(proxy: Proxy) -> None:
    """To read them until the time for the head is over would hold up all other viewers."""

    async def answer(exchange: Exchange) -> None:
        while True:
            await exchange.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 100)

    async with raw_upstream(answer) as upstream:
        assert await code_of(proxy, upstream.link()) == (502, "upstream_protocol")
        async with asyncio.timeout(10):  # a fifth of the time for the head
            await upstream.closed.wait()
