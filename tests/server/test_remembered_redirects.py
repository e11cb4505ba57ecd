"""Redirects are followed once for the seeks that follow one another, and anew in any doubt."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from proxies import Proxy
from upstreams import CONTENT, Exchange, Honest, RawUpstream, raw_upstream, response


@dataclass
class Redirector:
    """Leads from / to whatever *location* says at that time."""

    location: str
    fields: dict[str, str] = field(default_factory=dict)

    async def __call__(self, exchange: Exchange) -> None:
        fields = {"Location": self.location, "Content-Length": "0"} | self.fields
        await exchange.send(response("302 Found", fields))


@asynccontextmanager
async def redirected(
    final: Honest, **fields: str
) -> AsyncIterator[tuple[RawUpstream, Redirector, RawUpstream]]:
    """Run a site that redirects to another one; yield both, and what decides where to."""
    async with raw_upstream(final) as site:
        redirector = Redirector(site.link("/film.mp4?sig=1"), fields)
        async with raw_upstream(redirector) as first:
            yield first, redirector, site


async def read(proxy: Proxy, link: str, first_pos: int) -> None:
    """Ask for ten bytes, which must be the right ones."""
    answer = await proxy.stream(link, f"{first_pos}-{first_pos + 9}")
    assert (answer.status, await answer.read()) == (206, CONTENT[first_pos : first_pos + 10])


async def test_seek_goes_straight_to_where_redirects_led(proxy: Proxy) -> None:
    async with redirected(Honest()) as (first, _, site):
        for first_pos in (0, 5000, 100_000):
            await read(proxy, first.link(), first_pos)
        assert (len(first.exchanges), len(site.exchanges)) == (1, 3)
        assert {exchange.target for exchange in site.exchanges} == {b"/film.mp4?sig=1"}
        await read(proxy, first.link("/another.mp4"), 0)
        assert len(first.exchanges) == 2  # another link is another chain


async def test_play_after_validate_goes_straight_and_validate_asks_anew(proxy: Proxy) -> None:
    async with redirected(Honest()) as (first, _, _site):
        assert (await proxy.validate(first.link()))["valid"]
        await read(proxy, first.link(), 0)
        assert len(first.exchanges) == 1
        assert (await proxy.validate(first.link()))["valid"]
        assert len(first.exchanges) == 2


@pytest.mark.parametrize("directive", ["no-store", "private, No-Cache", "max-age=0"])
async def test_redirect_that_may_not_be_kept_is_asked_for_each_time(
    proxy: Proxy, directive: str
) -> None:
    async with redirected(Honest(), **{"Cache-Control": directive}) as (first, _, _site):
        await read(proxy, first.link(), 0)
        await read(proxy, first.link(), 10)
        assert len(first.exchanges) == 2


async def test_redirect_to_an_error_is_not_kept(proxy: Proxy) -> None:
    missing = response("404 Not Found", {"Content-Length": "0"})
    async with raw_upstream(missing) as site, raw_upstream(Redirector(site.link())) as first:
        for count in (1, 2):
            assert (await proxy.stream(first.link())).status == 404
            assert len(first.exchanges) == count


@pytest.mark.parametrize(
    "answer",
    [
        response("403 Forbidden", {"Content-Length": "0"}),
        response("200 OK", {"Content-Type": "text/html", "Content-Length": "6"}, b"<html>"),
        response("206 Partial Content", {"Content-Range": "bytes 7-8/9", "Content-Length": "2"}),
        response("302 Found", {"Location": "http://127.0.0.1:1/", "Content-Length": "0"}),
        b"nonsense\r\n\r\n",
        b"",
    ],
    ids=["expired", "page", "wrong range", "onwards", "no HTTP", "closed"],
)
async def test_any_failure_where_redirects_led_follows_them_anew(
    proxy: Proxy, answer: bytes
) -> None:
    async with redirected(Honest()) as (first, redirector, site), raw_upstream(Honest()) as other:
        await read(proxy, first.link(), 0)
        redirector.location = other.link()

        async def fail(exchange: Exchange) -> None:
            await exchange.send(answer)

        site.answer = fail
        await read(proxy, first.link(), 5000)
        await read(proxy, first.link(), 6000)
        assert (len(first.exchanges), len(other.exchanges)) == (2, 2)


async def test_cut_in_the_middle_forgets_where_redirects_led(proxy: Proxy) -> None:
    async with redirected(Honest()) as (first, _, site):
        await read(proxy, first.link(), 0)

        async def cut(exchange: Exchange) -> None:
            site.answer = Honest()
            fields = {
                "Content-Type": "video/mp4",
                "Content-Range": f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}",
                "Content-Length": str(len(CONTENT)),
                "ETag": '"v1"',
            }
            await exchange.send(response("206 Partial Content", fields, CONTENT[:1000]))

        site.answer = cut
        answer = await proxy.stream(first.link(), "0-")
        assert await answer.read() == CONTENT
        await read(proxy, first.link(), 10)
        assert len(first.exchanges) == 2


async def test_many_seeks_at_once_go_straight(proxy: Proxy) -> None:
    async with redirected(Honest()) as (first, _, _site):
        await read(proxy, first.link(), 0)
        await asyncio.gather(*(read(proxy, first.link(), 1000 * n) for n in range(20)))
        assert len(first.exchanges) == 1
