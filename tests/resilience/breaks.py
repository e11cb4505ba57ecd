"""Upstreams that break off in mid-body, and clients that play on to the end or to the cut."""

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from aiohttp import ClientPayloadError
from proxies import Proxy
from upstreams import CONTENT, Answer, Exchange, Honest, RawUpstream, response

# Another version of CONTENT, of the same length, that differs at every position.
OTHER = bytes(255 - byte for byte in CONTENT)
SIZE = len(CONTENT)
MODIFIED = "Sat, 13 Jan 2024 10:00:00 GMT"
YOUNG = "Sat, 13 Jan 2024 12:00:00 GMT"  # the Date of Honest
TYPE = {"Content-Type": "video/mp4"}


class Shortened(Exchange):
    """An exchange whose body ends after *at* bytes."""

    at = 0

    async def send(self, *parts: bytes) -> None:
        """Send the head and what is left of the body."""
        head, body = parts
        await super().send(head, body[: self.at])


@dataclass
class Break:
    """An answer that breaks off after *at* bytes of the body.

    It waits until they are received: what is on its way when a connection ends may be lost.

    :param end: close, cut (over TLS, nobody says so), reset or stall.
    """

    at: int
    end: str = "close"
    answer: Answer = field(default_factory=Honest)
    received: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, exchange: Exchange) -> None:
        shortened = Shortened(exchange.head, exchange.reader, exchange.writer)
        shortened.at = self.at
        await self.answer(shortened)
        await asyncio.wait_for(self.received.wait(), 60)
        if self.end == "reset":
            exchange.reset()
        elif self.end == "cut":
            exchange.cut()
        elif self.end == "stall":
            await exchange.wait_closed()


async def close(exchange: Exchange) -> None:
    """Close the connection without a word."""


async def reset(exchange: Exchange) -> None:
    """Cut the connection without a word."""
    exchange.reset()


def refuse(status: int, **fields: str) -> Answer:
    """Return an answer that refuses."""
    lines = {"Content-Length": "0"} | {
        name.replace("_", "-"): value for name, value in fields.items()
    }

    async def answer(exchange: Exchange) -> None:
        await exchange.send(response(f"{status} No", lines))

    return answer


def part(content_range: str, body: bytes, **fields: str) -> Answer:
    """Return an answer that sends a part as it is told to, whatever was asked."""
    lines = TYPE | {"Content-Range": content_range, "ETag": '"v1"'}
    lines |= {name.replace("_", "-"): value for name, value in fields.items()}

    async def answer(exchange: Exchange) -> None:
        await exchange.send(response("206 Partial Content", lines, body))

    return answer


def in_turn(*answers: Answer, then: Answer | None = None) -> Answer:
    """Return an answer that is another one for each request; *then* for all that follow."""
    following: Iterator[Answer] = itertools.chain(answers, itertools.repeat(then or Honest()))

    async def answer(exchange: Exchange) -> None:
        await next(following)(exchange)

    return answer


async def play(
    proxy: Proxy, upstream: RawUpstream, *breaks: Break, asked: str | None = None
) -> bytes:
    """Return what a client receives that lets the upstream break off, time after time."""
    got = await proxy.stream(upstream.link(), asked)
    assert got.status == (200 if asked is None else 206)
    body = b""
    for broken in breaks:
        body += await got.content.readexactly(broken.at)
        broken.received.set()
    return body + await got.content.read()


async def play_to_the_cut(
    proxy: Proxy, upstream: RawUpstream, broken: Break, asked: str | None = None
) -> None:
    """Receive what comes before the break, and then the cut, before which nothing comes."""
    got = await proxy.stream(upstream.link(), asked)
    await got.content.readexactly(broken.at)
    broken.received.set()
    with pytest.raises(ClientPayloadError):
        await got.content.readexactly(1)


def asked_of(upstream: RawUpstream) -> list[tuple[str | None, str | None]]:
    """Return the Range and the If-Range of each request."""
    return [(each.field("Range"), each.field("If-Range")) for each in upstream.exchanges]
