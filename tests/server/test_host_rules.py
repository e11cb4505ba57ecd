"""What narrows the hosts for one user holds wherever a link leads."""

from contextlib import AsyncExitStack

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler
from proxies import Proxy, serve
from upstreams import CONTENT, Exchange, Honest, raw_upstream, response

from streamproxy import Settings, create_app, default_middlewares
from streamproxy.keys import HOST_RULE
from streamproxy.targets.policy import HostRule

NOT_COVERED = (403, "Your access does not cover this host.")


@web.middleware
async def rule_of_the_user(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Permit 127.0.0.1 and no name, to whoever calls himself a guest."""
    if request.headers.get("X-User") == "guest":
        request[HOST_RULE] = HostRule(allow_host=("127.0.0.1",))
    return await handler(request)


async def start(stack: AsyncExitStack) -> Proxy:
    settings = Settings.parse(allow_network="127.0.0.0/8,::1/128")
    report_errors, *others = default_middlewares(settings)
    chain = (report_errors, rule_of_the_user, *others)
    return await serve(create_app(settings, middlewares=chain), stack)


async def outcome(proxy: Proxy, link: str, user: str) -> tuple[int, str]:
    got = await proxy.stream(link, X_User=user)
    if got.status == 200:
        assert await got.read() == CONTENT
        return 200, ""
    return got.status, (await got.json(content_type=None))["detail"]


@pytest.mark.parametrize("route", ["stream", "validate"])
async def test_rule_holds_for_the_link(route: str) -> None:
    async with AsyncExitStack() as stack, raw_upstream(Honest()) as upstream:
        proxy = await start(stack)
        named = f"http://localhost:{upstream.port}/film.mp4"
        if route == "stream":
            assert await outcome(proxy, named, "owner") == (200, "")
            assert await outcome(proxy, named, "guest") == NOT_COVERED
            assert await outcome(proxy, upstream.link(), "guest") == (200, "")
        else:
            url, guest = proxy.url("/api/validate", named), {"X-User": "guest"}
            async with proxy.client.get(url) as got:
                assert (await got.json())["valid"] is True
            async with proxy.client.get(url, headers=guest) as got:
                assert (await got.json())["error"] == NOT_COVERED[1]
            async with proxy.client.get(
                proxy.url("/api/validate", upstream.link()), headers=guest
            ) as got:
                assert (await got.json())["valid"] is True


async def test_rule_holds_for_each_hop() -> None:
    async def answer(exchange: Exchange) -> None:
        if exchange.target == b"/a":
            there = f"http://localhost:{upstream.port}/b"
            await exchange.send(response("302 Found", {"Location": there, "Content-Length": "0"}))
        else:
            await Honest()(exchange)

    async with AsyncExitStack() as stack, raw_upstream(answer) as upstream:
        proxy = await start(stack)
        assert await outcome(proxy, upstream.link("/a"), "owner") == (200, "")
        assert await outcome(proxy, upstream.link("/a"), "guest") == NOT_COVERED
        targets = [exchange.target for exchange in upstream.exchanges]
        assert targets == [b"/a", b"/b", b"/a"]


async def test_rule_holds_when_a_stream_is_resumed() -> None:
    """The site cuts, and where it is asked to go on it leads to another host."""

    async def answer(exchange: Exchange) -> None:
        if exchange.field("Range") is None:
            whole = {"ETag": '"v1"', "Content-Type": "video/mp4", "Content-Length": "1048576"}
            await exchange.send(response("200 OK", whole, CONTENT[:5000]))
        elif exchange.target == b"/film.mp4":
            there = f"http://localhost:{upstream.port}/rest.mp4"
            await exchange.send(response("302 Found", {"Location": there, "Content-Length": "0"}))
        else:
            await Honest()(exchange)

    async with AsyncExitStack() as stack, raw_upstream(answer) as upstream:
        proxy = await start(stack)
        assert await outcome(proxy, upstream.link(), "owner") == (200, "")
        got = await proxy.stream(upstream.link(), X_User="guest")
        assert await got.content.readexactly(5000) == CONTENT[:5000]
        with pytest.raises(Exception, match="payload is not completed"):
            await got.content.readany()
        assert upstream.exchanges[-1].target == b"/film.mp4"
