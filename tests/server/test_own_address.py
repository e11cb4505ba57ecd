"""No link leads back to the address that the proxy itself listens on."""

import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import ClientSession, web
from program import running
from proxies import Proxy, StartProxy, serve
from upstreams import Exchange, Honest, raw_upstream, response
from yarl import URL

from streamproxy import Settings, create_app
from streamproxy.upstream.own import OwnEndpoints

REFUSED = (403, "The link leads back to this proxy.")


async def outcome(proxy: Proxy, link: str) -> tuple[int, str]:
    got = await proxy.stream(link)
    return got.status, (await got.json(content_type=None))["detail"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
async def test_link_to_the_proxy_is_refused_though_loopback_is_permitted(
    proxy: Proxy, host: str
) -> None:
    for route in ("/", "/health", "/stream?url=http://example.com/", "/elsewhere"):
        assert await outcome(proxy, f"http://{host}:{proxy.port}{route}") == REFUSED
    answer = await proxy.validate(f"http://{host}:{proxy.port}/")
    assert (answer["valid"], answer["code"]) == (False, "blocked_target")


async def test_endpoint_that_is_permitted_is_refused_all_the_same() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        app = create_app(Settings.parse(allow_endpoint=f"127.0.0.1:{port}"))
        async with AsyncExitStack() as stack:
            proxy = await serve(app, stack, listening=listening)
            assert await outcome(proxy, f"http://127.0.0.1:{port}/health") == REFUSED


async def test_redirect_to_the_proxy_is_refused(proxy: Proxy) -> None:
    async with raw_upstream(b"") as upstream:
        for host in ("127.0.0.1", "localhost"):
            back = {"Location": f"http://{host}:{proxy.port}/static/sample.mp4"}

            async def answer(exchange: Exchange, fields: dict[str, str] = back) -> None:
                await exchange.send(response("302 Found", fields))

            upstream.answer = answer
            assert await outcome(proxy, upstream.link()) == REFUSED


async def test_other_ports_of_the_same_address_are_reached(proxy: Proxy) -> None:
    async with raw_upstream(Honest()) as upstream:
        assert (await proxy.stream(f"http://127.0.0.1:{proxy.port}/")).status == 403
        assert (await proxy.stream(upstream.link(), "0-0")).status == 206


async def test_two_applications_in_one_process_may_fetch_from_one_another(
    start_proxy: StartProxy,
) -> None:
    one, other = await start_proxy(), await start_proxy()
    sample = "/static/sample.mp4"
    assert (await one.stream(other.url(sample), "0-0")).status == 206
    assert (await other.stream(one.url(sample), "0-0")).status == 206
    assert (await one.stream(one.url(sample), "0-0")).status == 403


async def test_mounted_proxy_learns_its_address_from_the_requests() -> None:
    parent = web.Application()
    parent.add_subapp("/video/", create_app(Settings.parse(allow_network="127.0.0.0/8")))
    async with AsyncExitStack() as stack:
        proxy = await serve(parent, stack)
        link = f"http://127.0.0.1:{proxy.port}/elsewhere"
        async with proxy.client.get(proxy.url("/video/stream", link)) as got:
            assert (got.status, (await got.json(content_type=None))["detail"]) == REFUSED


def addresses_of_this_machine() -> Iterator[str]:
    yield from ("127.0.0.1", "127.1.2.3")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return  # a machine without a network
        yield probe.getsockname()[0]


class TestRegistry:
    @pytest.mark.parametrize(
        ("sockname", "address", "expected"),
        [
            (("192.0.2.1", 80), "192.0.2.1", True),
            (("192.0.2.1", 80), "::ffff:192.0.2.1", True),
            (("192.0.2.1", 80), "192.0.2.2", False),
            (("192.0.2.1", 81), "192.0.2.1", False),
            (("::ffff:192.0.2.1", 80, 0, 0), "192.0.2.1", True),
            (("2001:db8::1", 80, 0, 0), "2001:db8::1", True),
            (("2001:db8::1", 80, 0, 0), "2001:db8::2", False),
            (("fe80::1%1", 80, 0, 1), "fe80::1", True),
            (("127.0.0.1", 80), "0.0.0.0", True),
            (("127.0.0.1", 80), "::", True),
            (("127.0.0.1", 81), "0.0.0.0", False),
            (("0.0.0.0", 80), "127.0.0.1", True),
            (("0.0.0.0", 80), "0.0.0.0", True),
            (("0.0.0.0", 81), "127.0.0.1", False),
            (("0.0.0.0", 80), "192.0.2.1", False),
            (("0.0.0.0", 80), "255.255.255.255", False),
            (("::", 80, 0, 0), "127.0.0.1", True),
            (("::", 80, 0, 0), "::1", True),
            (("::", 80, 0, 0), "2001:db8::1", False),
            ("/run/streamproxy.sock", "127.0.0.1", False),
            (b"\0abstract", "127.0.0.1", False),
            (None, "127.0.0.1", False),
        ],
    )
    def test_holds(self, sockname: object, address: str, *, expected: bool) -> None:
        own = OwnEndpoints()
        own.add(sockname)
        assert own.holds(ip_address(address), 80) == expected

    @pytest.mark.parametrize("wildcard", ["0.0.0.0", "::"])
    def test_wildcard_holds_every_address_of_this_machine(self, wildcard: str) -> None:
        own = OwnEndpoints()
        own.add((wildcard, 5000))
        for address in addresses_of_this_machine():
            assert own.holds(ip_address(address), 5000)
            assert not own.holds(ip_address(address), 5001)


@pytest.mark.parametrize("listening", ["0.0.0.0", "127.0.0.1"])
async def test_program_knows_from_the_start_what_it_listens_on(
    tmp_path: Path, listening: str
) -> None:
    """Before the first request has told one of the addresses."""
    arguments = ("--host", listening, "--allow-network", "127.0.0.0/8", "--no-auth")
    async with running(*arguments, cwd=tmp_path) as (_, address), ClientSession() as client:
        port = URL(address).port
        for host in ("127.0.0.2", "127.0.0.1", "0.0.0.0", "localhost"):
            link = quote(f"http://{host}:{port}/static/css/base.css", safe="")
            async with client.get(f"http://127.0.0.1:{port}/stream?url={link}") as got:
                problem = await got.json(content_type=None)
            if (listening, host) == ("127.0.0.1", "127.0.0.2"):
                assert problem["code"] == "connection_refused"  # nobody listens there
            elif host == "0.0.0.0":
                assert problem["code"] == "blocked_target"
            else:
                assert (got.status, problem["detail"]) == REFUSED
