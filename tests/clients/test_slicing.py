"""A slice for a cache comes whole or not at all, and holds its place for as long as it is sent."""

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from programs import started
from proxies import Proxy, StartProxy, code_of
from upstreams import CONTENT, Exchange, Honest, RawUpstream, raw_upstream, response
from visitors import Visitor, calling, has_streams

FILM = CONTENT * 16
SLICE = f"0-{len(FILM) - 1}"


def asking(proxy: Proxy, upstream: RawUpstream) -> AbstractAsyncContextManager[Visitor]:
    """Ask for a slice of the largest size, and read nothing yet."""
    link = upstream.link()
    return calling(proxy, "/stream", link, byte_range=SLICE, fields="X-Slicing: 1\r\n")


async def test_slice_has_a_place_until_it_is_sent(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(max_streams=1)
    async with raw_upstream(Honest(FILM)) as upstream, asking(proxy, upstream) as visitor:
        assert (await visitor.read_head())[0] == 206
        assert await has_streams(proxy, 1)
        assert await code_of(proxy, upstream.link()) == (503, "too_many_streams")
        assert await visitor.read_body(len(FILM)) == FILM
        assert await has_streams(proxy, 0)


async def test_slice_that_nobody_takes_is_cut_and_not_complete(
    start_proxy: StartProxy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    proxy = await start_proxy(client_stall_timeout=0.5)
    async with raw_upstream(Honest(FILM)) as upstream, asking(proxy, upstream) as visitor:
        assert (await visitor.read_head())[0] == 206
        assert await has_streams(proxy, 0)
        received, was_reset = await visitor.read_to_end()
        assert was_reset or len(received) < len(FILM)
    (end,) = (line for line in caplog.messages if line.startswith("GET /stream"))
    assert end.endswith(" s, client_stalled")
    assert f", {len(FILM)} bytes, " not in end


async def test_slice_is_sent_to_its_end_when_the_server_stops(tmp_path: Path) -> None:
    """The cache would not notice a short one, and go on with the next one at the wrong place."""
    async with (
        raw_upstream(Honest(FILM)) as upstream,
        started("--shutdown-grace", "60", cwd=tmp_path) as program,
        asking(program.proxy, upstream) as visitor,
    ):
        assert (await visitor.read_head())[0] == 206
        program.process.terminate()
        await asyncio.sleep(3)  # longer than a server waits for what is no stream
        assert await visitor.read_body(len(FILM)) == FILM
        assert (await program.end())[0] == 0


async def test_slice_that_breaks_off_is_an_error(start_proxy: StartProxy) -> None:
    async def cut(exchange: Exchange) -> None:
        fields = {
            "Content-Type": "video/mp4",
            "ETag": '"v1"',
            "Content-Range": f"bytes 0-{len(FILM) - 1}/{len(FILM)}",
            "Content-Length": str(len(FILM)),
        }
        await exchange.send(response("206 Partial Content", fields, FILM[:-1]))

    proxy = await start_proxy(resume_attempts=0)
    async with raw_upstream(cut) as upstream:
        got = await proxy.stream(upstream.link(), SLICE, X_Slicing="1")
        assert got.status == 502
        problem = await got.json(content_type="application/problem+json")
        assert problem["code"] == "upstream_protocol"
