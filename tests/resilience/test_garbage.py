"""A stream that fails leaves no circles of references behind: bytes of films wait in them."""

import asyncio
import gc
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest
from aiohttp import ClientError
from proxies import Proxy, StartProxy
from upstreams import CONTENT, Exchange, Honest, RawUpstream, raw_upstream, response
from viewers import connected

import streamproxy

PACKAGE = str(Path(streamproxy.__file__).parent)
FILM = CONTENT * 4
PART = 20_000


@contextmanager
def garbage() -> Iterator[list[str]]:
    """Collect what is left after the context: the names of our functions whose frames it holds."""
    names: list[str] = []
    gc.collect()
    gc.disable()
    try:
        yield names
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        codes = [found.f_code for found in gc.garbage if isinstance(found, FrameType)]
        names += [code.co_qualname for code in codes if code.co_filename.startswith(PACKAGE)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


async def break_off(exchange: Exchange) -> None:
    """Send half of what was asked for, and close."""
    fields = {"Content-Type": "video/mp4", "ETag": '"v1"'}
    if exchange.field("Range") == f"bytes=0-{PART - 1}":
        fields |= {"Content-Range": f"bytes 0-{PART - 1}/{len(FILM)}", "Content-Length": f"{PART}"}
        await exchange.send(response("206 Partial Content", fields), FILM[: PART // 2])
    elif exchange.field("Range") is None:
        fields["Content-Length"] = f"{len(FILM)}"
        await exchange.send(response("200 OK", fields), FILM[: len(FILM) // 2])
    else:  # to go on
        await exchange.send(response("503 No", {"Content-Length": "0"}))


async def fall_silent(exchange: Exchange) -> None:
    """Send a part of a film, and then nothing."""
    fields = {"Content-Type": "video/mp4", "Content-Length": f"{len(FILM)}"}
    await exchange.send(response("200 OK", fields), FILM[: len(FILM) // 2])
    await exchange.wait_closed()


async def read_on(proxy: Proxy, upstream: RawUpstream, part: str | None) -> None:
    got = await proxy.stream(upstream.link(), part)
    with pytest.raises(ClientError):
        await got.read()


@pytest.mark.parametrize("part", [None, f"0-{PART - 1}"])
async def test_film_that_breaks_off_leaves_none(start_proxy: StartProxy, part: str | None) -> None:
    proxy = await start_proxy(resume_attempts=2)
    async with raw_upstream(break_off) as upstream:
        await read_on(proxy, upstream, part)  # what is made once
        with garbage() as left:
            await read_on(proxy, upstream, part)
    assert left == []


async def test_film_that_falls_silent_leaves_none(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(read_timeout=1.5)
    async with raw_upstream(fall_silent) as upstream:
        with garbage() as left:
            await read_on(proxy, upstream, None)
    assert left == []


async def test_client_that_leaves_leaves_none(start_proxy: StartProxy) -> None:
    proxy = await start_proxy()
    async with raw_upstream(fall_silent) as upstream:
        with garbage() as left:
            got = await proxy.stream(upstream.link())
            await got.content.readexactly(len(FILM) // 4)
            got.close()
            await asyncio.wait_for(upstream.closed.wait(), 20)
            await asyncio.sleep(0.1)  # its handler ends
    assert left == []


async def test_site_that_cannot_be_reached_leaves_none(start_proxy: StartProxy) -> None:
    proxy = await start_proxy()
    with socket.socket() as bound, garbage() as left:
        bound.bind(("127.0.0.1", 0))  # taken by nobody else, and listening nowhere
        got = await proxy.stream(RawUpstream(break_off, bound.getsockname()[1]).link())
        assert got.status == 502
        await got.read()
    assert left == []


class Faltering(Honest):
    """An honest upstream that breaks off in the middle of the fourth part."""

    parts = 0

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        self.parts += 1
        if self.parts == 4:
            await break_off(exchange)
            exchange.writer.close()
        else:
            await super().__call__(exchange)


@pytest.mark.parametrize("number", [3, 4, 6])
async def test_repeats_leave_none(start_proxy: StartProxy, number: int) -> None:
    proxy = await start_proxy(resume_attempts=1)
    for is_first in (True, False):  # what is made once
        async with raw_upstream(Faltering(FILM), keep_alive=True) as upstream:
            with garbage() as left:
                async with connected(proxy, upstream.link()) as connection:
                    for _ in range(number):
                        seen = await connection.ask(f"0-{PART - 1}")
                        if not seen.is_complete:
                            break
                await asyncio.sleep(0.1)  # until the proxy has seen its end
        assert is_first or left == []
