"""Behind a reverse proxy: the client's own address, from those alone who are trusted."""

import asyncio
import re
from typing import Any

import pytest
from aiohttp import ClientPayloadError, web
from proxies import Proxy, StartProxy
from upstreams import CONTENT, Exchange, Honest, raw_upstream, response

from streamproxy.middlewares import default_middlewares, log_access, report_errors
from streamproxy.middlewares.trust_proxies import trust_proxies
from streamproxy.settings import Settings

MARK = web.RequestKey("MARK", str)


@web.middleware
async def mark(request: web.Request, handler: Any) -> web.StreamResponse:
    """Set a key outside of trust_proxies, to be seen inside it."""
    request[MARK] = "from outside"
    response: web.StreamResponse = await handler(request)
    return response


@web.middleware
async def tell(request: web.Request, handler: Any) -> web.StreamResponse:
    """Answer for /health with what the parts inside see of the request."""
    if request.match_info.route.name != "health":
        response: web.StreamResponse = await handler(request)
        return response
    return web.json_response(
        {
            "remote": request.remote,
            "scheme": request.scheme,
            "mark": request[MARK],
            "connected": request.transport is not None,
            "host": request.host,
        }
    )


async def seen(proxy: Proxy, *fields: tuple[str, str]) -> dict[str, Any]:
    async with proxy.client.get(proxy.url("/health"), headers=list(fields)) as got:
        answer: dict[str, Any] = await got.json()
        return answer


@pytest.fixture
async def telling(start_proxy: StartProxy) -> Proxy:
    networks = Settings.parse(trusted_proxy="127.0.0.1,10.0.0.0/8").trusted_proxy
    return await start_proxy(app_options={"middlewares": (mark, trust_proxies(networks), tell)})


async def test_client_and_scheme_are_seen_inside(telling: Proxy) -> None:
    found = await seen(
        telling,
        ("X-Forwarded-For", "1.1.1.1"),
        ("X-Forwarded-For", "203.0.113.7, 10.1.2.3"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "evil.example"),
    )
    assert found == {
        "remote": "203.0.113.7",
        "scheme": "https",
        "mark": "from outside",
        "connected": True,
        "host": f"127.0.0.1:{telling.port}",
    }


async def test_proxy_that_says_nothing_is_the_client(telling: Proxy) -> None:
    found = await seen(telling, ("X-Forwarded-Proto", "gopher"), ("X-Forwarded-For", "unknown"))
    assert (found["remote"], found["scheme"]) == ("127.0.0.1", "http")


async def test_field_of_many_items_is_read(telling: Proxy) -> None:
    items = ",".join(["10.0.0.1"] * 3000)
    found = await seen(telling, ("X-Forwarded-For", f"203.0.113.7,{items}"))
    assert found["remote"] == "203.0.113.7"


async def test_strangers_are_not_believed(start_proxy: StartProxy) -> None:
    networks = Settings.parse(trusted_proxy="10.0.0.0/8").trusted_proxy
    proxy = await start_proxy(app_options={"middlewares": (mark, trust_proxies(networks), tell)})
    found = await seen(proxy, ("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-Proto", "https"))
    assert (found["remote"], found["scheme"]) == ("127.0.0.1", "http")


async def test_without_the_setting_nobody_is_believed(
    start_proxy: StartProxy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "streamproxy")
    proxy = await start_proxy()
    async with raw_upstream(Honest()) as upstream:
        await (await proxy.stream(upstream.link(), X_Forwarded_For="203.0.113.7")).read()
    assert "from 127.0.0.1 (relay=splice): status 200" in caplog.text
    assert "203.0.113.7" not in caplog.text


async def test_streams_and_errors_pass_and_the_log_names_the_client(
    start_proxy: StartProxy, caplog: pytest.LogCaptureFixture, handler_cancellation: bool
) -> None:
    caplog.set_level("INFO", "streamproxy")
    proxy = await start_proxy(trusted_proxy="127.0.0.1", handler_cancellation=handler_cancellation)
    client = {"X_Forwarded_For": "203.0.113.7"}
    async with raw_upstream(Honest()) as upstream:
        got = await proxy.stream(upstream.link(), "5-9", **client)
        assert (got.status, await got.read()) == (206, CONTENT[5:10])
        refused = await proxy.stream("http://10.0.0.1/", **client)
        assert (refused.status, (await refused.json(content_type=None))["code"]) == (
            403,
            "blocked_target",
        )
        async with proxy.client.get(proxy.url("/static/none"), headers={"X": "y"}) as none:
            assert none.status == 404
        assert (await (await proxy.stream(upstream.link(), **client)).read()) == CONTENT
    lines = re.findall(
        r"from 203\.0\.113\.7(?: \(relay=\w+\))?: status (\d+), (\d+) bytes", caplog.text
    )
    assert [status for status, _ in lines] == ["206", "403", "200"]
    assert lines[2][1] == str(len(CONTENT))


async def test_cut_is_seen_by_the_client(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(trusted_proxy="127.0.0.1", resume_attempts=0)
    head = {"Content-Type": "video/mp4", "Content-Length": "1000"}
    async with raw_upstream(response("200 OK", head, b"first")) as upstream:
        got = await proxy.stream(upstream.link(), X_Forwarded_For="203.0.113.7")
        assert got.status == 200
        with pytest.raises(ClientPayloadError):
            await got.read()


async def test_client_that_leaves_is_noticed(
    start_proxy: StartProxy, handler_cancellation: bool
) -> None:
    proxy = await start_proxy(
        trusted_proxy="127.0.0.1", handler_cancellation=handler_cancellation, read_timeout=30
    )

    async def answer(exchange: Exchange) -> None:
        await exchange.send(response("200 OK", {"Content-Type": "video/mp4"}, b"first"))
        await exchange.wait_closed()

    async with raw_upstream(answer) as upstream:
        got = await proxy.stream(upstream.link(), X_Forwarded_For="203.0.113.7")
        assert await got.content.readexactly(5) == b"first"
        got.close()
        await asyncio.wait_for(upstream.closed.wait(), 20)


async def test_it_works_in_any_place_of_a_chain(start_proxy: StartProxy) -> None:
    networks = Settings.parse(trusted_proxy="127.0.0.1").trusted_proxy
    _, _, *inner = default_middlewares(Settings.parse(allow_network="127.0.0.0/8"))
    chain = (report_errors(), log_access(), trust_proxies(networks), *inner)
    proxy = await start_proxy(app_options={"middlewares": chain})
    async with raw_upstream(Honest()) as upstream:
        got = await proxy.stream(upstream.link(), "5-9", X_Forwarded_For="203.0.113.7")
        assert (got.status, await got.read()) == (206, CONTENT[5:10])
