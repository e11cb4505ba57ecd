"""Attacks on secrets and on the log: T09 to T12."""

import logging
from pathlib import Path

import pytest
from aiohttp import ClientSession
from program import outcome, running
from proxies import Proxy
from upstreams import CONTENT, Honest, raw_upstream, response

from streamproxy import Settings
from streamproxy.targets.links import parse_link

SECRET = "s3cret-value"


async def test_t09_credentials_of_a_link_do_not_follow_a_redirect(proxy: Proxy) -> None:
    async with raw_upstream(Honest()) as other:
        fields = {"Location": other.link(), "Content-Length": "0"}
        async with raw_upstream(response("302 Found", fields)) as site:
            link = f"http://me:{SECRET}@127.0.0.1:{site.port}/film.mp4"
            got = await proxy.stream(link)
            assert await got.read() == CONTENT
            assert site.exchanges[0].field("Authorization") is not None
            assert other.exchanges[0].field("Authorization") is None
            assert SECRET not in str(got.headers) + str(await proxy.validate(link))


async def test_t10_fields_of_the_client_do_not_reach_the_site(proxy: Proxy) -> None:
    fields = {
        "Cookie": f"session={SECRET}",
        "Authorization": f"Bearer {SECRET}",
        "Proxy-Authorization": f"Basic {SECRET}",
        "Referer": f"http://127.0.0.1:{proxy.port}/?{SECRET}",
        "X-Forwarded-For": SECRET,
        "Forwarded": f"for={SECRET}",
        "Via": f"1.1 {SECRET}",
        "User-Agent": SECRET,
        "Accept-Language": SECRET,
        "X-Custom": SECRET,
    }
    async with raw_upstream(Honest()) as site:
        async with proxy.client.get(proxy.url("/stream", site.link()), headers=fields) as got:
            assert await got.read() == CONTENT
        assert SECRET.encode() not in site.exchanges[0].head


async def test_t11_query_of_a_link_is_in_no_answer(proxy: Proxy) -> None:
    links = [
        f"http://127.0.0.1:2/film.mp4?token={SECRET}",
        f"http://127.0.0.1:25/film.mp4?token={SECRET}",
        f"ftp://127.0.0.1/film.mp4?token={SECRET}",
        f"http://127.1/film.mp4?token={SECRET}",
        f"http://me:{SECRET}@127.0.0.1:2/film.mp4",
    ]
    for link in links:
        async with proxy.client.get(proxy.url("/stream", link)) as got:
            assert got.status >= 400
            assert SECRET not in await got.text()


def test_t11_query_of_a_link_is_in_no_repr() -> None:
    link = parse_link(f"http://me:{SECRET}@example.com/film.mp4?token={SECRET}")
    assert SECRET not in f"{link} {link!r} {Settings(access_token=SECRET)}"


async def test_t11_tokens_are_in_no_log(tmp_path: Path) -> None:
    arguments = ("--access-token", SECRET, "--log-level", "DEBUG")
    async with running(*arguments, cwd=tmp_path) as (process, address):
        async with ClientSession() as client:
            for target in (f"?token={SECRET}", f"stream?url=x&sig={SECRET}&token=wrong{SECRET}"):
                async with client.get(address + target) as got:
                    await got.read()
            fields = {"Authorization": f"Bearer {SECRET}"}
            async with client.get(f"{address}stream?url=x?{SECRET}", headers=fields) as got:
                assert got.status == 400
            async with client.get(f"{address}{SECRET * 50_000}") as got:
                assert got.status == 400
        process.terminate()
        _, out, err = await outcome(process)
    log = (tmp_path / "stream.log").read_text()
    assert "status 400" in log
    assert SECRET not in out + err + log


@pytest.mark.parametrize("name", ["line%0abreak", "%1b[31mred", "%e2%80%a8separator", "%c2%85next"])
async def test_t12_no_line_of_the_log_is_written_by_a_client(
    proxy: Proxy, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with proxy.client.get(f"{proxy.url('/stream')}?url=http://127.0.0.1:2/{name}") as got:
        assert got.status in (400, 502)
    assert all(record.getMessage().isprintable() for record in caplog.records)
