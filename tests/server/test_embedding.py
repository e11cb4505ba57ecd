"""The proxy inside other services: the blocks of docs/embedding.md, as they stand there."""

import re
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from proxies import Proxy, StartProxy, serve
from upstreams import CONTENT, Exchange, Honest, raw_upstream, response

from streamproxy import Settings, create_app
from streamproxy.middlewares import validate_url
from streamproxy.targets.policy import TargetPolicy

PAGE = Path(__file__).parents[2] / "docs" / "embedding.md"


def run_block(name: str) -> dict[str, Any]:
    """Run the block of the page that is marked with *name*; return what it defines."""
    marked = re.search(rf"<!-- {name} -->\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert marked is not None
    defined: dict[str, Any] = {}
    exec(compile(marked[1], f"{PAGE.name}:{name}", "exec"), defined)  # noqa: S102  # our own page
    return defined


def test_every_block_of_the_page_is_run_here() -> None:
    names = re.findall(r"<!-- (\w+) -->\n```python\n", PAGE.read_text())
    assert sorted(names) == ["chain", "embed", "ready", "repeatable", "session"]
    assert PAGE.read_text().count("```python") == len(names)


async def test_middleware_that_is_repeatable_counts_each_repeat() -> None:
    page = run_block("repeatable")
    async with AsyncExitStack() as stack, raw_upstream(Honest(), keep_alive=True) as upstream:
        proxy = await serve(page["app"], stack)
        for _ in range(5):
            got = await proxy.stream(upstream.link(), "5-9")
            assert await got.read() == CONTENT[5:10]

    assert page["asked"] == {"/stream": 5}


async def test_three_lines_mount_the_proxy() -> None:
    async with AsyncExitStack() as stack:
        proxy = await serve(run_block("embed")["app"], stack)
        async with proxy.client.get(proxy.url("/video/")) as got:
            page = await got.text()
            assert got.status == 200
        # Relative URLs only: nothing on the page leads out of the prefix.
        links = re.findall(r"""(?:src|href|action)=["']([^"']*)""", page)
        assert links
        assert not [link for link in links if link.startswith("/") or "://" in link]
        async with proxy.client.get(proxy.url("/video/health")) as got:
            assert got.status == 200
        async with proxy.client.get(proxy.url("/video?t=5"), allow_redirects=False) as got:
            assert (got.status, got.headers["Location"]) == (308, "video/?t=5")


@pytest.mark.parametrize("prefix", ["/video/", "/a/b/"])
async def test_mounted_proxy_streams(prefix: str) -> None:
    parent = web.Application()
    parent.add_subapp(prefix, create_app(Settings.parse(allow_network="127.0.0.0/8")))
    async with AsyncExitStack() as stack, raw_upstream(Honest()) as upstream:
        proxy = await serve(parent, stack)
        got = await proxy.client.get(
            proxy.url(f"{prefix}stream", upstream.link()), headers={"Range": "bytes=5-9"}
        )
        assert (got.status, await got.read()) == (206, CONTENT[5:10])
        async with proxy.client.get(proxy.url(f"{prefix}api/validate", upstream.link())) as answer:
            assert (await answer.json())["valid"] is True
        async with proxy.client.get(proxy.url(f"{prefix}static/css/base.css")) as css:
            assert (css.status, css.headers["Cache-Control"]) == (200, "no-cache")


async def test_chain_of_ones_own_asks_for_its_key() -> None:
    async with AsyncExitStack() as stack, raw_upstream(Honest()) as upstream:
        proxy = await serve(run_block("chain")["app"], stack)
        without = await proxy.stream(upstream.link())
        problem = await without.json(content_type="application/problem+json")
        assert (without.status, problem["code"]) == (401, "wrong_key")
        assert upstream.connections == 0
        with_key = await proxy.stream(upstream.link(), "0-9", X_Api_Key="s3cret")
        assert await with_key.read() == CONTENT[:10]


async def test_session_of_the_page_is_lent() -> None:
    async with AsyncExitStack() as stack, raw_upstream(Honest()) as upstream:
        proxy = await serve(await run_block("session")["make_app"](), stack)
        got = await proxy.stream(upstream.link(), "0-9")
        assert await got.read() == CONTENT[:10]


async def test_check_of_ones_own_says_why_it_is_not_ready() -> None:
    async with AsyncExitStack() as stack:
        proxy = await serve(run_block("ready")["app"], stack)
        async with proxy.client.get(proxy.url("/ready")) as got:
            answer = await got.json()
            assert (got.status, answer) == (503, {"status": "not_ready", "reasons": ["films"]})


async def test_lent_session_is_used_and_stays_open() -> None:
    headers = {"X-Mine": "1"}
    async with ClientSession(headers=headers) as lent, raw_upstream(Honest()) as upstream:
        async with AsyncExitStack() as stack:
            app = create_app(Settings.parse(allow_network="127.0.0.0/8"), session=lent)
            proxy = await serve(app, stack)
            got = await proxy.stream(upstream.link(), "0-9")
            assert await got.read() == CONTENT[:10]
        assert upstream.exchanges[0].field("X-Mine") == "1"
        assert not lent.closed


async def test_connection_of_a_lent_session_on_which_the_site_lied_is_used_no_more() -> None:
    fields = {"Content-Type": "video/mp4", "Content-Range": "bytes 7-9/10", "Content-Length": "3"}
    lie = response("206 Partial Content", fields, b"lie")

    async def answer(exchange: Exchange) -> None:
        await (exchange.send(lie) if len(upstream.exchanges) == 2 else Honest()(exchange))

    async with (
        ClientSession() as lent,
        AsyncExitStack() as stack,
        raw_upstream(answer, keep_alive=True) as upstream,
    ):
        app = create_app(Settings.parse(allow_network="127.0.0.0/8"), session=lent)
        proxy = await serve(app, stack)
        for status in (206, 502, 206, 206):
            got = await proxy.stream(upstream.link(), "0-9")
            assert got.status == status
            await got.read()
        assert [exchange.number for exchange in upstream.exchanges] == [1, 1, 2, 2]


async def test_chain_without_parts_still_streams(start_proxy: StartProxy) -> None:
    policy = TargetPolicy.from_settings(Settings.parse(allow_network="127.0.0.0/8"))
    proxy = await start_proxy(app_options={"middlewares": (validate_url(policy),)})
    async with raw_upstream(Honest()) as upstream:
        got = await proxy.stream(upstream.link(), "0-9")
        assert await got.read() == CONTENT[:10]


class TestOtherOrigins:
    async def test_are_not_told_apart_by_default(self, proxy: Proxy) -> None:
        async with raw_upstream(Honest()) as upstream:
            got = await proxy.stream(upstream.link(), "0-9", Origin="https://a.example")
            assert "Access-Control-Allow-Origin" not in got.headers

    @pytest.mark.parametrize(
        ("setting", "allowed", "vary"),
        [("https://a.example", "https://a.example", "Origin"), ("*", "*", None)],
    )
    async def test_may_read_streams_and_errors_where_named(
        self, start_proxy: StartProxy, setting: str, allowed: str, vary: str | None
    ) -> None:
        proxy = await start_proxy(cors_origin=setting)
        async with raw_upstream(Honest()) as upstream:
            streamed = await proxy.stream(upstream.link(), "0-9", Origin="https://a.example")
            failed = await proxy.stream("http://10.0.0.1/", Origin="https://a.example")
            async with proxy.client.options(
                proxy.url("/stream"),
                headers={"Origin": "https://a.example", "Access-Control-Request-Method": "GET"},
            ) as preflight:
                assert preflight.status == 204
                assert "Range" in preflight.headers["Access-Control-Allow-Headers"]
        for got in (streamed, failed, preflight):
            assert got.headers["Access-Control-Allow-Origin"] == allowed
            assert got.headers.get("Vary") == vary
        assert "Content-Range" in streamed.headers["Access-Control-Expose-Headers"]

    async def test_may_not_where_another_is_named(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(cors_origin="https://a.example")
        async with raw_upstream(Honest()) as upstream:
            got = await proxy.stream(upstream.link(), "0-9", Origin="https://b.example")
        assert "Access-Control-Allow-Origin" not in got.headers
        assert got.headers["Vary"] == "Origin"
