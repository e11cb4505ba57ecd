"""Requests that repeat the last one but for its range: answered in passing, and just the same.

Whatever the client sends, and whatever the upstream does, must come out as on a connection of
its own. Which way an answer took is told by the log: one in passing says its range there.
"""

import asyncio
import logging
import random
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import pytest
from proxies import Proxy, StartProxy
from upstreams import CONTENT, Exchange, Honest, RawUpstream, raw_upstream, response
from viewers import Connection, Seen, connected, watch

from streamproxy.upstream.small import MAX_SMALL

SIZE = len(CONTENT)
# After as many on one connection, what comes is answered in passing if it is a repeat.
BEGIN = ("0-0", "1-2")


@pytest.fixture
async def upstream(way: str) -> AsyncIterator[RawUpstream]:
    """Return an honest upstream that keeps its connections; it speaks TLS on the way "tls"."""
    assert way
    async with raw_upstream(Honest(), keep_alive=True) as upstream:
        yield upstream


@pytest.fixture
def passed(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Return what returns the ranges that were answered in passing."""
    caplog.set_level(logging.INFO, "streamproxy.middlewares.log_access")

    def find() -> list[str]:
        found = (re.search(r"\(.*bytes=([0-9-]+)", message) for message in caplog.messages)
        return [one[1] for one in found if one]

    return find


async def begin(connection: Connection) -> None:
    """Ask until what repeats it is answered in passing."""
    for byte_range in BEGIN:
        assert (await connection.ask(byte_range)).status == 206


async def begin_to_wait(connection: Connection, upstream: RawUpstream, byte_range: str) -> None:
    """Ask, and go on when the upstream is asked, which has not answered yet."""
    already = len(upstream.exchanges)
    connection.writer.write(connection.head(byte_range))
    await upstream.has_asked(already + 1)


def is_part(seen: Seen, first: int, last: int) -> bool:
    """Tell whether a response is just that part."""
    return (
        seen.status == 206
        and seen.is_complete
        and seen.fields["content-range"] == f"bytes {first}-{last}/{SIZE}"
        and seen.body == CONTENT[first : last + 1]
    )


def lasting(seen: Seen) -> dict[str, str]:
    """Return the fields of a response that are the same for each one like it."""
    return {k: v for k, v in seen.fields.items() if k not in ("date", "x-request-id")}


async def test_repeats_are_answered_as_on_a_connection_of_their_own(
    proxy: Proxy, upstream: RawUpstream, passed: Callable[[], list[str]]
) -> None:
    parts = [(n * 1000, n * 2000 + 64) for n in range(8)]
    async with connected(proxy, upstream.link()) as connection:
        seen = [await connection.ask(f"{first}-{last}") for first, last in parts]
    alone = [await watch(proxy, upstream.link(), f"{first}-{last}") for first, last in parts]

    assert all(is_part(one, *part) for one, part in zip(seen, parts, strict=True))
    assert list(map(lasting, seen)) == list(map(lasting, alone))
    assert list(map(list, [one.fields for one in seen])) != []
    assert len({one.fields["x-request-id"] for one in (*seen, *alone)}) == 2 * len(parts)
    assert passed() == [f"{first}-{last}" for first, last in parts[len(BEGIN) :]]
    date = time.strptime(seen[-1].fields["date"], "%a, %d %b %Y %H:%M:%S GMT")
    assert abs(time.time() - time.mktime(date) + time.timezone) < 60


@pytest.mark.parametrize(
    ("byte_range", "lines"),
    [
        ("5-", ()),
        ("-5", ()),
        ("5-9,20-29", ()),
        ("9-5", ()),
        (f"{SIZE - 5}-{SIZE - 1}", ()),
        (f"{SIZE - 5}-{SIZE}", ()),
        (f"{SIZE}-{SIZE}", ()),
        (f"0-{MAX_SMALL - 1}", ()),
        (f"0-{MAX_SMALL}", ()),
        (f"0-{10**18}", ()),
        (None, ()),
        ("5-9", ("Cookie: a=b",)),
        ("5-9", ('If-Range: "v0"',)),
        ("5-9", ('If-Range: "v1"',)),
        ("5-9", ('If-None-Match: "v1"',)),
        ("5-9", ("Range: bytes=5-9",)),
        ("5-9", ("Connection: close",)),
        ("5-9", ("Origin: https://other.example", "Sec-Fetch-Site: cross-site")),
    ],
)
async def test_what_is_no_repeat_is_answered_as_ever(
    proxy: Proxy, upstream: RawUpstream, byte_range: str | None, lines: tuple[str, ...]
) -> None:
    async with connected(proxy, upstream.link()) as connection:
        alone = await connection.ask(byte_range, *lines)
    async with connected(proxy, upstream.link()) as connection:
        await begin(connection)
        seen = await connection.ask(byte_range, *lines)
        if "Connection: close" in lines:
            assert await connection.reader.read() == b""
        else:
            assert is_part(await connection.ask("7-8"), 7, 8)

    assert seen.status == alone.status
    assert lasting(seen).keys() == lasting(alone).keys()
    assert seen.status >= 400 or (seen.body == alone.body and lasting(seen) == lasting(alone))


async def test_other_methods_are_answered_as_ever(proxy: Proxy, upstream: RawUpstream) -> None:
    async with connected(proxy, upstream.link()) as connection:
        await begin(connection)
        connection.writer.write(connection.head("5-9", method="HEAD"))
        head = await connection.read(has_body=False)
        connection.writer.write(b"POST /subtitles HTTP/1.1\r\nHost: localhost\r\n\r\n")
        refused = await connection.read()

        assert (head.status, head.fields["content-length"]) == (206, "5")
        assert refused.status >= 400
        assert is_part(await connection.ask("7-8"), 7, 8)


async def test_malformed_request_behind_repeats_is_refused(
    proxy: Proxy, upstream: RawUpstream
) -> None:
    async with connected(proxy, upstream.link()) as connection:
        await begin(connection)
        await connection.ask("5-9")
        connection.writer.write(b"NONSENSE\r\n\r\n")

        async with asyncio.timeout(20):
            assert (await connection.reader.readline()).startswith(b"HTTP/1.0 400 ")


@pytest.mark.parametrize("seed", range(12))
async def test_requests_in_any_pieces_are_answered_in_their_order(
    proxy: Proxy, upstream: RawUpstream, seed: int
) -> None:
    """Also those that come behind one another, before they are answered: who sees through it?"""
    chance = random.Random(seed)  # noqa: S311  # no secret
    async with connected(proxy, upstream.link()) as connection:
        for _ in range(12):
            parts = [chance.randrange(SIZE - 70_000) for _ in range(chance.choice((1, 1, 2, 5)))]
            sizes = [chance.choice((1, 100, 65_536)) for _ in parts]
            lines = [chance.choice(((), (), (), ("X: y",))) for _ in parts]
            heads = [
                connection.head(f"{first}-{first + size - 1}", *others)
                for first, size, others in zip(parts, sizes, lines, strict=True)
            ]
            await _send_in_pieces(connection, b"".join(heads), chance)
            for first, size in zip(parts, sizes, strict=True):
                assert is_part(await connection.read(), first, first + size - 1)


async def _send_in_pieces(connection: Connection, data: bytes, chance: random.Random) -> None:
    places = chance.choice((0, 0, 1, 4))
    cuts = sorted(chance.randrange(len(data)) for _ in range(places))
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        connection.writer.write(data[start:end])
        for _ in range(chance.choice((0, 1, 20))):
            await asyncio.sleep(0)


async def test_identical_requests_behind_one_another_are_all_answered(
    proxy: Proxy, upstream: RawUpstream
) -> None:
    """Nothing tells the first from the last: one that waits in aiohttp must not be passed by."""
    async with connected(proxy, upstream.link()) as connection:
        for number in (1, 2, 3, 5, 8, 1, 1, 2, 1, 1):
            for _ in range(number):
                connection.writer.write(connection.head("5-9"))
                await asyncio.sleep(0)
            for _ in range(number):
                assert is_part(await connection.read(), 5, 9)


@pytest.mark.parametrize("before", [(), ("0-0",), ("0-0", "1-2", "3-4")])
async def test_request_that_waits_behind_others_is_answered_in_its_turn(
    proxy: Proxy, upstream: RawUpstream, before: tuple[str, ...]
) -> None:
    """It looks like the one that is handled, which came in one piece with another."""
    upstream.answer = slow = Slow(seconds=0.05)
    async with connected(proxy, upstream.link()) as connection:
        for byte_range in before:
            await connection.ask(byte_range)
        slow.is_slow = True
        already = len(upstream.exchanges)
        connection.writer.write(connection.head("10-19") + connection.head("20-29"))
        await upstream.has_asked(already + 1)
        connection.writer.write(connection.head("20-29"))
        assert is_part(await connection.read(), 10, 19)
        assert is_part(await connection.read(), 20, 29)
        connection.writer.write(connection.head("30-39"))
        assert is_part(await connection.read(), 20, 29)
        assert is_part(await connection.read(), 30, 39)


async def test_flood_behind_a_repeat_ends_the_connection_and_nothing_else(
    proxy: Proxy, upstream: RawUpstream
) -> None:
    upstream.answer = slow = Slow()
    async with connected(proxy, upstream.link()) as connection:
        await begin(connection)
        slow.is_slow = True
        await begin_to_wait(connection, upstream, "0-999")
        connection.writer.write(connection.head("0-999") * 1000)
        async with asyncio.timeout(15):
            with suppress(ConnectionError):
                assert await connection.reader.read() == b""
    slow.is_slow = False

    assert is_part(await watch(proxy, upstream.link(), "5-9"), 5, 9)


class Slow(Honest):
    """An honest upstream that waits before it answers, when it is told to.

    :param seconds: how long; if not given, longer than any test that it is for.
    """

    def __init__(self, seconds: float = 20) -> None:
        super().__init__()
        self.is_slow = False
        self._seconds = seconds

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        if self.is_slow:
            await asyncio.sleep(self._seconds)
        await super().__call__(exchange)


def part_of(first: int, last: int, **others: str) -> dict[str, str]:
    """Return the fields of a part as the honest upstream sends it, with some changed."""
    fields = {
        "ETag": '"v1"',
        "Last-Modified": "Sat, 13 Jan 2024 10:00:00 GMT",
        "Date": "Sat, 13 Jan 2024 12:00:00 GMT",
        "Content-Type": "video/mp4",
        "Content-Range": f"bytes {first}-{last}/{SIZE}",
        "Content-Length": str(last - first + 1),
    }
    return fields | {name.replace("_", "-"): value for name, value in others.items()}


FIRST, LAST = 1000, 1999
BODY = CONTENT[FIRST : LAST + 1]
PARTIAL = "206 Partial Content"
# What an upstream sends instead of the part, all at once; and then it closes the connection.
ODD = {
    "nothing": b"",
    "half a head": response(PARTIAL, part_of(FIRST, LAST))[:100],
    "busy": response("503 Busy", {"Content-Length": "0", "Retry-After": "0"}),
    "refused": response("403 Forbidden", {"Content-Length": "0"}),
    "untrue 416": response("416 No", {"Content-Range": f"bytes */{SIZE}", "Content-Length": "0"}),
    "the whole": response("200 OK", part_of(0, SIZE - 1) | {"Accept-Ranges": "bytes"}, CONTENT),
    "whole without a length": response("200 OK", {"Content-Type": "video/mp4"}, CONTENT[:500]),
    "another start": response(PARTIAL, part_of(FIRST + 1, LAST + 1), BODY),
    "another end": response(PARTIAL, part_of(FIRST, LAST - 1), BODY[:-1]),
    "a longer part": response(PARTIAL, part_of(FIRST, LAST + 1), CONTENT[FIRST : LAST + 2]),
    "another total": response(
        PARTIAL, part_of(FIRST, LAST, Content_Range=f"bytes {FIRST}-{LAST}/{SIZE + 1}"), BODY
    ),
    "another length": response(PARTIAL, part_of(FIRST, LAST, Content_Length="999"), BODY[:-1]),
    "no range": response(PARTIAL, part_of(FIRST, LAST, Content_Range=""), BODY),
    "another version": response(PARTIAL, part_of(FIRST, LAST, ETag='"v2"'), BODY),
    "another type": response(PARTIAL, part_of(FIRST, LAST, Content_Type="text/html"), BODY),
    "no type": response(PARTIAL, part_of(FIRST, LAST, Content_Type=""), BODY),
    "coded": response(PARTIAL, part_of(FIRST, LAST, Content_Encoding="gzip"), BODY),
    "surplus": response(PARTIAL, part_of(FIRST, LAST), BODY + b"surplus"),
    "closing": response(PARTIAL, part_of(FIRST, LAST, Connection="close"), BODY),
    "after an interim one": (
        b"HTTP/1.1 103 Hints\r\n\r\n" + response(PARTIAL, part_of(FIRST, LAST), BODY)
    ),
    "a head of the last minute": response(
        PARTIAL, part_of(FIRST, LAST, Date="Sat, 13 Jan 2024 12:01:00 GMT"), BODY
    ),
    "cut in the body": response(PARTIAL, part_of(FIRST, LAST), BODY[:500]),
    "cut before the body": response(PARTIAL, part_of(FIRST, LAST)),
    "elsewhere": response("302 Found", {"Location": "/other.mp4", "Content-Length": "0"}),
    "in chunks": response(
        PARTIAL,
        {k: v for k, v in part_of(FIRST, LAST).items() if k != "Content-Length"}
        | {"Transfer-Encoding": "chunked"},
        b"3e8\r\n" + BODY + b"\r\n0\r\n\r\n",
    ),
}


# Those that end with the connection; where it is kept, the proxy has to wait for the rest.
UNFINISHED = {
    *("nothing", "half a head", "cut in the body", "cut before the body"),
    "whole without a length",
}
ENDINGS = [(odd, end) for odd in ODD for end in ("close", "reset")]
ENDINGS += [(odd, "keep") for odd in ODD if odd not in UNFINISHED]


class Fickle(Honest):
    """An honest upstream that sends something else once, when it is told to."""

    instead: bytes | None = None
    end = "keep"

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        odd, self.instead = self.instead, None
        if odd is None:
            await super().__call__(exchange)
            return
        await exchange.send(odd)
        if self.end == "reset":
            exchange.reset()
        elif self.end == "close":
            exchange.writer.close()


@pytest.mark.parametrize(("odd", "end"), ENDINGS)
async def test_whatever_the_upstream_sends_comes_of_a_repeat_what_comes_of_any_request(
    start_proxy: StartProxy, odd: str, end: str
) -> None:
    answer = Fickle()
    answer.end = end
    async with raw_upstream(answer, keep_alive=True) as upstream:
        seen, asked = [], []
        for before in ((), BEGIN):
            proxy = await start_proxy()
            async with connected(proxy, upstream.link()) as connection:
                for other in ("0-0", *before):  # the first for a connection to the upstream
                    await connection.ask(other)
                answer.instead = ODD[odd]
                already = len(upstream.exchanges)
                if not before:
                    seen.append(await watch(proxy, upstream.link(), f"{FIRST}-{LAST}"))
                else:
                    seen.append(await connection.ask(f"{FIRST}-{LAST}"))
                asked.append(len(upstream.exchanges) - already)
                assert is_part(await watch(proxy, upstream.link(), "5-9"), 5, 9)

    alone, repeated = seen
    assert (alone.status, alone.is_complete) == (repeated.status, repeated.is_complete)
    if alone.status < 400:
        assert repeated.body == alone.body
        assert lasting(repeated) == lasting(alone)
    else:
        assert _problem(repeated) == _problem(alone)
    if end != "reset":  # which may overtake what was sent before it
        assert asked[0] == asked[1]


def _problem(seen: Seen) -> bytes:
    """Return an error without the id of its request."""
    return re.sub(rb'"request_id": "[^"]*"', b"", seen.body)


async def test_silence_to_a_repeat_is_a_timeout_that_is_not_waited_for_twice(
    start_proxy: StartProxy,
) -> None:
    answer = Fickle()
    async with raw_upstream(answer, keep_alive=True) as upstream:
        proxy = await start_proxy(read_timeout=1.5)
        async with connected(proxy, upstream.link()) as connection:
            await begin(connection)
            answer.instead = b""
            already = len(upstream.exchanges)
            seen = await connection.ask("5-9")
            assert seen.status == 504
            assert b'"read_timeout"' in seen.body
            assert len(upstream.exchanges) == already + 1
            assert is_part(await connection.ask("7-8"), 7, 8)


async def test_part_in_drops_arrives_exactly(proxy: Proxy, passed: Callable[[], list[str]]) -> None:
    class Dripping(Honest):
        async def __call__(self, exchange: Exchange) -> None:
            first, last = map(int, (exchange.field("Range") or "")[6:].split("-"))
            await exchange.send(response(PARTIAL, part_of(first, last)))
            for start in range(first, last + 1, 700):
                await asyncio.sleep(0.001)
                await exchange.send(CONTENT[start : min(start + 700, last + 1)])

    async with (
        raw_upstream(Dripping(), keep_alive=True) as upstream,
        connected(proxy, upstream.link()) as connection,
    ):
        for first in range(0, 50_000, 10_000):
            assert is_part(await connection.ask(f"{first}-{first + 9999}"), first, first + 9999)

    assert passed() == [f"{first}-{first + 9999}" for first in range(20_000, 50_000, 10_000)]


async def test_first_bytes_of_a_repeat_do_not_wait_for_the_last(
    proxy: Proxy, upstream: RawUpstream
) -> None:
    go_on = asyncio.Event()

    async def halting(exchange: Exchange) -> None:
        await exchange.send(response(PARTIAL, part_of(0, 999)), CONTENT[:400])
        await go_on.wait()
        await exchange.send(CONTENT[400:1000])

    async with connected(proxy, upstream.link()) as connection:
        await begin(connection)
        upstream.answer = halting
        connection.writer.write(connection.head("0-999"))
        async with asyncio.timeout(20):
            await connection.reader.readuntil(b"\r\n\r\n")
            assert await connection.reader.readexactly(400) == CONTENT[:400]
            go_on.set()
            assert await connection.reader.readexactly(600) == CONTENT[400:1000]


async def test_client_that_leaves_in_a_repeat_closes_the_upstream_connection(
    proxy: Proxy, upstream: RawUpstream
) -> None:
    async def halting(exchange: Exchange) -> None:
        await exchange.send(response(PARTIAL, part_of(0, 999)), CONTENT[:400])
        await exchange.wait_closed()

    async with connected(proxy, upstream.link()) as connection:
        await begin(connection)
        upstream.answer = halting
        upstream.closed.clear()
        connection.writer.write(connection.head("0-999"))
        async with asyncio.timeout(20):
            await connection.reader.readuntil(b"\r\n\r\n")
            connection.writer.transport.abort()
            await upstream.closed.wait()

    upstream.answer = Honest()
    assert is_part(await watch(proxy, upstream.link(), "5-9"), 5, 9)


async def test_client_that_takes_little_gets_all(proxy: Proxy, upstream: RawUpstream) -> None:
    last = MAX_SMALL - 1
    async with connected(proxy, upstream.link()) as connection:
        await begin(connection)
        for _ in range(60):  # more than the kernel keeps
            connection.writer.write(connection.head(f"0-{last}"))
            await asyncio.sleep(0)
        await asyncio.sleep(0.3)
        for _ in range(60):
            assert is_part(await connection.read(), 0, last)


async def test_repeat_that_waits_for_the_upstream_is_a_session_that_can_be_ended(
    proxy: Proxy, upstream: RawUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "streamproxy.middlewares.log_access")
    upstream.answer = slow = Slow()
    async with connected(proxy, upstream.link()) as connection:
        await begin(connection)
        slow.is_slow = True
        await begin_to_wait(connection, upstream, "5-9")
        async with proxy.client.get(proxy.url("/api/sessions")) as got:
            found = (await got.json())["sessions"]
        assert [one["range"] for one in found] == ["5-9"]
        async with proxy.client.delete(proxy.url(f"/api/sessions/{found[0]['id']}")) as got:
            assert got.status == 204
        async with asyncio.timeout(20):
            with suppress(ConnectionError):
                assert await connection.reader.read() == b""
        async with proxy.client.get(proxy.url("/api/sessions")) as got:
            assert (await got.json())["sessions"] == []

    ended = [message for message in caplog.messages if "(bytes=5-9)" in message]
    assert len(ended) == 1
    assert "status -, 0 bytes" in ended[0]
    assert ended[0].endswith("ended_by_owner")


async def test_silent_node_behind_a_redirect_is_left_for_another(start_proxy: StartProxy) -> None:
    class Balancer(Honest):
        node = 1

        async def __call__(self, exchange: Exchange) -> None:
            if exchange.target == b"/film.mp4":
                fields = {"Location": f"/node{self.node}.mp4", "Content-Length": "0"}
                await exchange.send(response("302 Found", fields))
            elif exchange.target == b"/node1.mp4" and self.node == 2:
                await exchange.wait_closed()
            else:
                await super().__call__(exchange)

    balancer = Balancer()
    async with raw_upstream(balancer, keep_alive=True) as upstream:
        proxy = await start_proxy(read_timeout=1.5)
        async with connected(proxy, upstream.link()) as connection:
            await begin(connection)
            assert is_part(await connection.ask("5-9"), 5, 9)
            balancer.node = 2
            assert is_part(await connection.ask("7-8"), 7, 8)


MATROSKA = b"\x1a\x45\xdf\xa3\x01\x00\x00\x00\x00\x00\x00\x23\x42\x86\x81\x01\x42\x82\x88matroska"


@pytest.mark.parametrize("content", [MATROSKA + bytes(1000), b"<!DOCTYPE html>" + bytes(1000)])
async def test_type_is_looked_for_in_each_part_that_begins_the_file(
    proxy: Proxy, content: bytes
) -> None:
    parts = ("1-9", "10-19", "20-29", "0-99", "30-39", "0-99", "40-49")
    sends = Honest(content, media_type="application/octet-stream")
    async with raw_upstream(sends, keep_alive=True) as upstream:
        alone = {part: await watch(proxy, upstream.link("/film"), part) for part in parts}
        for ordered in (parts, sorted(parts)):
            async with connected(proxy, upstream.link("/film")) as connection:
                for part in ordered:
                    seen = await connection.ask(part)
                    assert seen.status == alone[part].status
                    assert seen.fields["content-type"] == alone[part].fields["content-type"]
