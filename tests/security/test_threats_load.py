"""Attacks on the line, the memory and the bytes: T26 to T29, and T32."""

import asyncio
import gzip
import re
from contextlib import suppress

import pytest
from aiohttp import ClientError, ClientResponse
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

from streamproxy.upstream.clean import MAX_IDLE

MEDIA = {"Content-Type": "video/mp4"}


async def test_t26_requests_without_number_are_refused(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(rate_limit="5/minute")
    statuses = []
    for _ in range(10):
        async with proxy.client.get(proxy.url("/api/validate", "x")) as got:
            statuses.append(got.status)

    assert statuses == [200] * 5 + [429] * 5
    assert 1 <= int(got.headers["Retry-After"]) <= 60


async def test_t27_head_without_end_is_refused(proxy: Proxy) -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\n")
        while not exchange.writer.is_closing():
            await exchange.send(b"X-Padding: " + b"x" * 60_000 + b"\r\n")

    async with raw_upstream(answer) as site:
        assert await code_of(proxy, site.link()) == (502, "upstream_protocol")


async def test_t27_body_beyond_the_limit_is_cut(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(max_file_size="1MiB")

    async def answer(exchange: Exchange) -> None:
        await exchange.send(response("200 OK", MEDIA))
        while not exchange.writer.is_closing():
            await exchange.send(CONTENT)

    async with raw_upstream(answer) as site:
        got = await proxy.stream(site.link())
        with pytest.raises(ClientError):
            await got.read()


async def test_t27_compressed_body_is_never_blown_up(proxy: Proxy) -> None:
    bomb = gzip.compress(bytes(2**26))
    fields = MEDIA | {"Content-Encoding": "gzip", "Content-Length": str(len(bomb))}
    async with raw_upstream(response("200 OK", fields, bomb)) as site:
        got = await proxy.stream(site.link())
        assert await got.read() == bomb
    assert got.headers["Content-Encoding"] == "gzip"


async def test_t28_streams_have_a_limit(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(max_streams=1)
    arrived = asyncio.Event()

    async def answer(exchange: Exchange) -> None:
        arrived.set()
        await exchange.wait_closed()

    async with raw_upstream(answer) as site:
        first = asyncio.create_task(proxy.client.get(proxy.url("/stream", site.link())))
        await arrived.wait()
        assert await code_of(proxy, site.link()) == (503, "too_many_streams")
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)


async def test_t28_slices_without_number_fill_no_memory(proxy: Proxy) -> None:
    """What is asked for as a slice is held until it is whole, whoever asks."""
    size = 16 * 2**20
    fields = MEDIA | {
        "ETag": '"v1"',
        "Content-Range": f"bytes 0-{size - 1}/{size}",
        "Content-Length": str(size),
    }

    async def begin(exchange: Exchange) -> None:
        await exchange.send(response("206 Partial Content", fields, b"first"))
        if exchange.target == b"/held.mp4":
            await exchange.wait_closed()
        else:
            await exchange.send(bytes(size - 5))

    async with raw_upstream(begin) as site:
        asked = f"0-{size - 1}"

        def ask(name: str) -> asyncio.Task[ClientResponse]:
            got = proxy.stream(site.link(name), asked, X_Slicing="1")
            return asyncio.create_task(got)

        waiting = [ask("/held.mp4") for _ in range(32)]
        await site.has_asked(32)
        async with asyncio.timeout(10):
            while (got := await ask("/more.mp4")).status != 503:
                await got.read()  # some of those are still on their way
        assert (await got.json(content_type="application/problem+json"))["code"] == (
            "too_many_streams"
        )
        waiting.pop().cancel()
        async with asyncio.timeout(10):  # and as many as before when one has left
            while (got := await ask("/more.mp4")).status != 206:  # noqa: ASYNC110  # only asking tells
                await asyncio.sleep(0.05)
            assert await got.read() == b"first" + bytes(size - 5)
        for task in waiting:
            task.cancel()


async def test_t28_link_that_is_too_long_is_refused(proxy: Proxy) -> None:
    link = "http://127.0.0.1:2/" + "x" * 32 * 1024
    assert await code_of(proxy, link) == (400, "invalid_url")


async def test_t28_connections_that_have_ended_take_no_place_of_others(proxy: Proxy) -> None:
    """Sites that close after each response, and another one that does not."""
    sites = RawUpstream(Honest(), keep_alive=True)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asyncio.get_running_loop().call_later(0.05, writer.close)
        await sites.serve(reader, writer)

    async with (
        raw_upstream(Honest(), keep_alive=True) as site,
        listening(serve, "0.0.0.0") as sites.port,
    ):
        await (await proxy.stream(site.link(), "0-")).read()
        for number in range(MAX_IDLE):
            got = await proxy.stream(f"http://127.1.1.{1 + number}:{sites.port}/film.mp4", "0-")
            assert len(await got.read()) == len(CONTENT)
        await asyncio.sleep(0.2)  # the last ones end as well
        await (await proxy.stream(site.link(), "0-")).read()
        assert site.used == 1


@pytest.mark.parametrize("kind", ["small", "large", "error"])
async def test_t28_links_of_ever_new_sites_leave_no_more_than_some_connections(
    proxy: Proxy, kind: str
) -> None:
    is_open: set[asyncio.StreamWriter] = set()
    site = RawUpstream(Honest(), keep_alive=True)
    if kind == "error":
        nothing = response("404 Not Found", {"Content-Length": "0"})
        site.answer = lambda exchange: exchange.send(nothing)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_open.add(writer)
        try:
            await site.serve(reader, writer)
        finally:
            is_open.discard(writer)

    async with listening(serve, "0.0.0.0") as site.port:  # all of 127.0.0.0/8
        for number in range(3 * MAX_IDLE):
            link = f"http://127.1.{number // 250}.{1 + number % 250}:{site.port}/film.mp4"
            got = await proxy.stream(link, "0-9" if kind == "small" else "0-")
            assert got.status == (404 if kind == "error" else 206)
            await got.read()
        async with asyncio.timeout(30):
            while len(is_open) > 2 * MAX_IDLE:  # noqa: ASYNC110  # the kernel tells when it does
                await asyncio.sleep(0.01)
        if kind == "small":  # the last one is kept
            used = site.used
            await proxy.stream(link, "0-9")
            assert site.used == used


async def test_t29_cut_is_never_taken_for_the_end(proxy: Proxy) -> None:
    fields = MEDIA | {"Content-Length": str(len(CONTENT))}
    async with raw_upstream(response("200 OK", fields, CONTENT[:1000])) as site:
        got = await proxy.stream(site.link())
        with pytest.raises(ClientError):
            await got.read()


async def test_t29_wrong_part_is_never_passed_on(proxy: Proxy) -> None:
    fields = MEDIA | {"Content-Range": "bytes 500-599/1000", "Content-Length": "100"}
    async with raw_upstream(response("206 Partial Content", fields, bytes(100))) as site:
        assert await code_of(proxy, site.link(), "0-99") == (502, "upstream_protocol")


async def test_t29_surplus_answers_no_other_request(proxy: Proxy) -> None:
    poison = response("200 OK", MEDIA | {"Content-Length": "6"}, b"poison")
    honest = response("200 OK", MEDIA | {"Content-Length": "5"}, b"first")

    async def answer(exchange: Exchange) -> None:
        if exchange.target == b"/first.mp4":
            await exchange.send(honest, poison)
        else:
            await Honest()(exchange)

    async with raw_upstream(answer, keep_alive=True) as site:
        assert await (await proxy.stream(site.link("/first.mp4"))).read() == b"first"
        assert await (await proxy.stream(site.link("/second.mp4"))).read() == CONTENT


STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3}) ")


async def ask_raw(proxy: Proxy, *pieces: bytes, answers: int) -> list[bytes]:
    """Send pieces one after the other, and return the statuses that come.

    :param answers: how many are to come; more than these would come soon after them.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    loop, came = asyncio.get_running_loop(), b""
    try:
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0.1)  # a piece of its own
        with suppress(TimeoutError):
            async with asyncio.timeout(20) as limit:
                while data := await reader.read(2**16):
                    came += data
                    if len(STATUS.findall(came)) >= answers:
                        limit.reschedule(loop.time() + 0.5)
    finally:
        writer.close()
    return STATUS.findall(came)


def head_for(proxy: Proxy, link: str, part: str = "5-9", method: str = "GET") -> bytes:
    target = proxy.url("/stream", link).partition(str(proxy.port))[2]
    lines = (f"{method} {target} HTTP/1.1", "Host: localhost", f"Range: bytes={part}", "", "")
    return "\r\n".join(lines).encode()


async def test_t32_link_that_is_refused_is_refused_behind_repeats(proxy: Proxy) -> None:
    async with raw_upstream(Honest(), keep_alive=True) as upstream:
        good = head_for(proxy, upstream.link())
        bad = head_for(proxy, "http://10.0.0.1:8000/film.mp4")
        assert await ask_raw(proxy, good, good, good, bad, good, answers=5) == [
            *(b"206", b"206", b"206"),
            b"403",
            b"206",
        ]


async def test_t32_request_in_the_content_of_another_is_not_answered(proxy: Proxy) -> None:
    async with raw_upstream(Honest(), keep_alive=True) as upstream:
        good = head_for(proxy, upstream.link())
        length = b"Content-Length: %d" % len(good)
        outer = b"POST /subtitles HTTP/1.1\r\nHost: localhost\r\n" + length + b"\r\n\r\n"
        asked = await ask_raw(proxy, good, good, good, outer, good, answers=4)

        assert asked[:3] == [b"206"] * 3
        assert len(asked) == 4
        assert asked[3][:1] == b"4"
        assert len(upstream.exchanges) == 3


async def test_t32_request_in_the_fields_of_another_is_not_answered(proxy: Proxy) -> None:
    """What ends half a head is no request of its own, however much it looks like one."""
    async with raw_upstream(Honest(), keep_alive=True) as upstream:
        good = head_for(proxy, upstream.link())
        half = b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Other: "
        asked = await ask_raw(proxy, good, good, good, half, good, answers=4)

        assert asked[:3] == [b"206"] * 3
        assert b"206" not in asked[3:]
        assert len(upstream.exchanges) == 3


async def test_t32_request_that_waits_is_not_passed_by_its_repeat(proxy: Proxy) -> None:
    async with raw_upstream(Honest(), keep_alive=True) as upstream:
        good = head_for(proxy, upstream.link())
        other = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
        pieces = (good + other, good, good + other, good, other + good, good)

        assert await ask_raw(proxy, *pieces, answers=9) == [
            *(b"206", b"200"),
            b"206",
            *(b"206", b"200"),
            b"206",
            *(b"200", b"206"),
            b"206",
        ]
