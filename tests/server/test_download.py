"""A file that is saved instead of shown: /stream?url=...&download=1."""

from ipaddress import ip_network

import pytest
from aiohttp import ClientResponse, ClientSession, web
from proxies import Proxy, StartProxy
from upstreams import CONTENT, Honest, raw_upstream

from streamproxy import Settings, create_app, sign_url

KEY = "0123456789abcdef"
SIZE = len(CONTENT)


async def fetch(
    proxy: Proxy, link: str, query: str = "&download=1", method: str = "GET", **fields: str
) -> ClientResponse:
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    response = await proxy.client.request(
        method, proxy.url("/stream", link) + query, headers=headers
    )
    proxy.responses.append(response)
    return response


async def test_file_is_saved_whole_under_its_name(proxy: Proxy) -> None:
    async with raw_upstream(Honest()) as upstream:
        got = await fetch(proxy, upstream.link("/a/Der%20Film.mp4?token=x"))
        assert (got.status, await got.read()) == (200, CONTENT)
    assert got.headers["Content-Disposition"] == 'attachment; filename="Der Film.mp4"'
    assert got.headers["Content-Type"] == "video/mp4"
    assert got.headers["Accept-Ranges"] == "bytes"


async def test_file_without_a_name_gets_an_extension(proxy: Proxy) -> None:
    async with raw_upstream(Honest(media_type="video/webm")) as upstream:
        got = await fetch(proxy, upstream.link("/"))
    assert got.headers["Content-Disposition"] == 'attachment; filename="download.webm"'


async def test_head_of_a_download_has_no_body(proxy: Proxy) -> None:
    async with raw_upstream(Honest()) as upstream:
        got = await fetch(proxy, upstream.link("/film.mp4"), method="HEAD")
        assert (got.status, await got.read()) == (200, b"")
    assert got.headers["Content-Disposition"] == 'attachment; filename="film.mp4"'
    assert got.headers["Content-Length"] == str(SIZE)


@pytest.mark.parametrize(
    "validator", ['"v1"', "Sat, 13 Jan 2024 10:00:00 GMT"], ids=["ETag", "Last-Modified"]
)
async def test_download_that_broke_off_goes_on(proxy: Proxy, validator: str) -> None:
    async with raw_upstream(Honest()) as upstream:
        rest = {"Range": "bytes=300000-", "If_Range": validator}
        got = await fetch(proxy, upstream.link("/film.mp4"), **rest)
        assert (got.status, await got.read()) == (206, CONTENT[300000:])
    assert got.headers["Content-Range"] == f"bytes 300000-{SIZE - 1}/{SIZE}"
    assert got.headers["Content-Disposition"] == 'attachment; filename="film.mp4"'


async def test_download_of_a_file_that_changed_begins_again(proxy: Proxy) -> None:
    async with raw_upstream(Honest()) as upstream:
        rest = {"Range": "bytes=300000-", "If_Range": '"v0"'}
        got = await fetch(proxy, upstream.link("/film.mp4"), **rest)
        assert (got.status, await got.read()) == (200, CONTENT)


@pytest.mark.parametrize(
    "query", ["", "&download=0", "&download=", "&download=true", "&download=1&download=0"]
)
async def test_any_other_value_shows_the_file(proxy: Proxy, query: str) -> None:
    async with raw_upstream(Honest()) as upstream:
        got = await fetch(proxy, upstream.link("/film.mp4"), query)
    assert (got.status, got.headers["Content-Disposition"]) == (200, 'inline; filename="film.mp4"')


async def test_download_that_a_link_asks_for_is_the_sites(proxy: Proxy) -> None:
    async with raw_upstream(Honest()) as upstream:
        got = await fetch(proxy, upstream.link("/film.mp4?a=1&download=1"), query="")
    assert got.headers["Content-Disposition"] == 'inline; filename="film.mp4"'


async def test_refused_file_is_no_attachment(proxy: Proxy) -> None:
    async with raw_upstream(Honest(content=b"<html>", media_type="text/html")) as upstream:
        got = await fetch(proxy, upstream.link("/page"))
        problem = await got.json(content_type="application/problem+json")
    assert (got.status, problem["code"]) == (415, "not_media")
    assert "Content-Disposition" not in got.headers


async def test_signed_link_is_saved_by_whoever_has_it(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(signing_key=KEY)
    async with raw_upstream(Honest()) as upstream:
        link = upstream.link("/film.mp4")
        signature = sign_url(link, KEY, ttl_s=60).partition("&sig=")[2]
        got = await fetch(proxy, link, f"&sig={signature}&download=1")
        assert (got.status, await got.read()) == (200, CONTENT)
        assert got.headers["Content-Disposition"] == 'attachment; filename="film.mp4"'
        assert (await fetch(proxy, link)).status == 401
        other = await fetch(proxy, upstream.link("/else.mp4"), f"&sig={signature}&download=1")
        assert other.status == 403


async def test_mounted_proxy_saves_too() -> None:
    parent = web.Application()
    parent.add_subapp("/video/", create_app(Settings(allow_network=(ip_network("127.0.0.0/8"),))))
    runner = web.AppRunner(parent)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        async with raw_upstream(Honest()) as upstream, ClientSession() as client:
            query = {"url": upstream.link("/film.mp4"), "download": "1"}
            address = f"http://127.0.0.1:{site.port}/video/stream"
            async with client.get(address, params=query) as got:
                assert (got.status, await got.read()) == (200, CONTENT)
                assert got.headers["Content-Disposition"] == 'attachment; filename="film.mp4"'
    finally:
        await runner.cleanup()
