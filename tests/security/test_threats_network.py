"""Attacks on the network around the server: T01 to T08."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from proxies import Proxy, StartProxy, code_of
from upstreams import CONTENT, Honest, RawUpstream, raw_upstream, response


@pytest.fixture
async def strict(start_proxy: StartProxy) -> Proxy:
    """Return a proxy as it is by itself: it may reach public addresses only."""
    return await start_proxy(allow_network="")


@asynccontextmanager
async def canary() -> AsyncIterator[RawUpstream]:
    """Run an upstream that must not be reached."""
    async with raw_upstream(Honest()) as upstream:
        yield upstream
        assert upstream.connections == 0


INTERNAL_HOSTS = [
    *("127.0.0.1", "127.1.2.3", "0.0.0.0", "[::1]", "[::]", "10.0.0.1", "192.168.0.1"),
    *("172.16.0.1", "100.64.0.1", "169.254.169.254", "168.63.129.16", "100.100.100.200"),
    *("192.0.0.192", "[fd00:ec2::254]", "[fe80::1]", "[fc00::1]", "224.0.0.1", "255.255.255.255"),
    *("[::ffff:127.0.0.1]", "[::127.0.0.1]", "[::ffff:0:127.0.0.1]", "[64:ff9b::7f00:1]"),
    *("[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2001:0:7f00:1::]", "[2600::5efe:7f00:1]"),
]


@pytest.mark.parametrize("host", INTERNAL_HOSTS)
async def test_t01_internal_address_is_blocked(strict: Proxy, host: str) -> None:
    async with canary() as upstream:
        link = f"http://{host}:{upstream.port}/film.mp4"
        assert await code_of(strict, link) == (403, "blocked_target")


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "0",
        "127.0.0.1.",
        "[::1%25lo]",
        "[fe80::1%1]",
    ],
)
async def test_t01_internal_address_in_another_spelling_is_refused(
    strict: Proxy, host: str
) -> None:
    async with canary() as upstream:
        link = f"http://{host}:{upstream.port}/film.mp4"
        assert await code_of(strict, link) == (400, "invalid_url")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST"])
async def test_t02_name_of_an_internal_address_is_blocked(strict: Proxy, host: str) -> None:
    async with canary() as upstream:
        link = f"http://{host}:{upstream.port}/film.mp4"
        assert await code_of(strict, link) == (403, "blocked_target")


async def test_t03_permission_for_one_answer_is_none_for_the_next(start_proxy: StartProxy) -> None:
    # A name that was fine a moment ago: its addresses are judged with each connection.
    proxy = await start_proxy(allow_network="", allow_endpoint="127.0.0.1:2")
    async with canary() as upstream:
        link = f"http://localhost:{upstream.port}/film.mp4"
        assert (await code_of(proxy, "http://localhost:2/film.mp4"))[1] == "connection_refused"
        assert await code_of(proxy, link) == (403, "blocked_target")


@pytest.mark.parametrize(
    ("location", "answer"),
    [
        ("http://127.0.0.2:{port}/film.mp4", (403, "blocked_target")),
        ("//127.0.0.2:{port}/film.mp4", (403, "blocked_target")),
        ("http://127.0.0.1:25/film.mp4", (403, "blocked_target")),
        ("http://0x7f000001:{port}/", (400, "invalid_url")),
        ("file:///etc/passwd", (400, "unsupported_scheme")),
        ("gopher://127.0.0.1:{port}/", (400, "unsupported_scheme")),
    ],
)
async def test_t04_redirect_does_not_lead_inside(
    start_proxy: StartProxy, location: str, answer: tuple[int, str]
) -> None:
    async with canary() as inside:
        fields = {"Location": location.format(port=inside.port), "Content-Length": "0"}
        async with raw_upstream(response("302 Found", fields)) as site:
            endpoint = f"127.0.0.1:{site.port}"
            proxy = await start_proxy(allow_network="", allow_endpoint=endpoint)
            assert await code_of(proxy, site.link()) == answer


@pytest.mark.parametrize(
    "link",
    [
        "http://example.com@127.0.0.1:{port}/",
        "http://example.com%40127.0.0.1:{port}/",
        "http://example.com\\@127.0.0.1:{port}/",
        "http://127.0.0.1:{port}\\@example.com/",
        "http://127.0.0.1:{port}#@example.com/",
        "http://\uff11\uff12\uff17.0.0.1:{port}/",
        "http://127.0.0.1\t:{port}/",
        "http://127.0.0.1:{port}\r\nHost: example.com/",
        "http:///127.0.0.1:{port}/",
        "http:127.0.0.1:{port}/",
    ],
)
async def test_t05_link_that_can_be_read_in_two_ways_reaches_nothing(
    strict: Proxy, link: str
) -> None:
    async with canary() as upstream:
        status, _ = await code_of(strict, link.format(port=upstream.port))
        assert status in (400, 403)


@pytest.mark.parametrize("port", [22, 25, 53, 110, 143, 389, 465, 587, 2049, 6000, 6667])
async def test_t06_port_of_another_protocol_is_blocked(proxy: Proxy, port: int) -> None:
    answer = await code_of(proxy, f"http://127.0.0.1:{port}/film.mp4")
    assert answer == (403, "blocked_target")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
async def test_t07_link_back_to_this_proxy_is_blocked(proxy: Proxy, host: str) -> None:
    link = f"http://{host}:{proxy.port}/stream?url=x"
    assert await code_of(proxy, link) == (403, "blocked_target")


async def test_t08_proxy_of_the_environment_sees_nothing(
    start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with canary() as thief:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{thief.port}")
        proxy = await start_proxy()
        async with raw_upstream(Honest()) as site:
            got = await proxy.stream(site.link())
            assert await got.read() == CONTENT
