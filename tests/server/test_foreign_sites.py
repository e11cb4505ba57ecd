"""Requests of other sites' pages over the wire; what a browser makes of it is in tests/browser."""

import asyncio

import pytest
from proxies import Proxy, StartProxy
from upstreams import CONTENT, Honest, raw_upstream

CROSS_SITE = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
CLICK = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}

WEB_SOCKET = {"Origin": "https://evil.example", "Connection": "Upgrade", "Upgrade": "websocket"}


async def answer_to(proxy: Proxy, request: str) -> str:
    """Send a request as it stands and return all that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(request.encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.decode()


@pytest.mark.parametrize("fields", [CROSS_SITE, CLICK, CROSS_SITE | {"Origin": "null"}, WEB_SOCKET])
@pytest.mark.parametrize("route", ["/stream", "/api/validate"])
async def test_foreign_page_reaches_no_upstream(
    proxy: Proxy, route: str, fields: dict[str, str]
) -> None:
    async with raw_upstream(Honest()) as upstream:
        async with proxy.client.get(proxy.url(route, upstream.link()), headers=fields) as got:
            problem = await got.json(content_type=None)

        assert (got.status, problem["code"]) == (403, "foreign_site")
        assert upstream.connections == 0


async def test_link_on_another_site_opens_the_page_and_no_more(proxy: Proxy) -> None:
    for route, status in {
        "/": 200,
        "/static/css/base.css": 403,
        "/health": 403,
        "/login": 403,
    }.items():
        async with proxy.client.get(proxy.url(route), headers=CLICK) as got:
            assert got.status == status, route
            if status == 200:
                assert "frame-ancestors 'none'" in got.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example:5000", "127.0.0.1.nip.io"]
)
@pytest.mark.parametrize("target", ["/", "/health", "/static/js/main.js", "/api/validate?url=x"])
async def test_name_that_is_not_ours_gets_nothing(proxy: Proxy, host: str, target: str) -> None:
    answer = await answer_to(
        proxy, f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )

    assert answer.startswith("HTTP/1.1 421 ")
    assert "misdirected_request" in answer


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "[::1]:80", "app.localhost"])
async def test_names_of_loopback_are_ours(proxy: Proxy, host: str) -> None:
    answer = await answer_to(proxy, f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")

    assert answer.startswith("HTTP/1.1 200 ")


async def test_tool_without_host_is_served(proxy: Proxy) -> None:
    assert (await answer_to(proxy, "GET /health HTTP/1.0\r\n\r\n")).startswith("HTTP/1.0 200 ")


async def test_name_that_the_owner_gives_is_ours(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(server_name="films.example")
    for host, status in {"films.example": 200, "evil.example": 421}.items():
        async with proxy.client.get(proxy.url("/"), headers={"Host": host}) as got:
            assert got.status == status


async def test_any_name_is_ours_where_everybody_is_asked_who_they_are(
    start_proxy: StartProxy,
) -> None:
    proxy = await start_proxy(access_token="s3cret")
    async with proxy.client.get(proxy.url("/"), headers={"Host": "films.example"}) as got:
        assert got.status == 401


async def test_origin_that_the_owner_names_may_play(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(cors_origin="https://app.example")
    async with raw_upstream(Honest()) as upstream:
        url = proxy.url("/stream", upstream.link())
        for fields in ({"Origin": "https://app.example"}, {"Referer": "https://app.example/"}):
            async with proxy.client.get(url, headers=CROSS_SITE | fields) as got:
                assert await got.read() == CONTENT
        async with proxy.client.get(url, headers=CROSS_SITE) as got:
            assert got.status == 403


async def test_frame_ancestors_are_those_of_the_settings(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(frame_ancestor="https://app.example,self")
    async with proxy.client.get(proxy.url("/")) as got:
        policy = got.headers["Content-Security-Policy"]

    assert policy.endswith("frame-ancestors https://app.example 'self'")
    assert "unsafe" not in policy
