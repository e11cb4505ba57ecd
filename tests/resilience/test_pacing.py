"""What stays on this host is not paced; for networks the system's own choice holds."""

import socket
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler
from congestion import algorithm, choose
from proxies import serve
from upstreams import CONTENT, Honest, raw_upstream

import streamproxy
from streamproxy.relay.pacing import is_within_host, unpace

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="sockets of Linux")

FILM = CONTENT * 8
PACED, UNPACED = "bbr", "reno"


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """Return a socket that listens on loopback and paces."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        choose(server, PACED)
        yield server


@pytest.mark.parametrize(
    ("own", "peer", "is_within"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("::1", "::1", True),
        ("::ffff:127.0.0.1", "::ffff:127.0.0.1", True),
        ("192.0.2.1", "192.0.2.1", True),  # the kernel takes the short way
        ("192.0.2.1", "192.0.2.2", False),
        ("fe80::1", "fe80::2", False),
        # Where one listens:
        ("127.0.0.1", None, True),
        ("::1", None, True),
        ("0.0.0.0", None, False),
        ("::", None, False),
        ("192.0.2.1", None, False),  # clients of the network come to it, too
    ],
)
def test_which_connections_stay(own: str, peer: str | None, is_within: bool) -> None:
    assert is_within_host(own, peer) is is_within


def test_all_that_a_socket_on_loopback_accepts_is_not_paced(listening: socket.socket) -> None:
    unpace(listening)
    with socket.create_connection(listening.getsockname()), listening.accept()[0] as accepted:
        assert algorithm(accepted) == UNPACED


def test_socket_that_is_open_to_the_network_keeps_what_the_system_says() -> None:
    with socket.create_server(("", 0)) as everywhere:
        choose(everywhere, PACED)
        unpace(everywhere)
        assert algorithm(everywhere) == PACED


def test_algorithm_that_does_not_pace_stays(listening: socket.socket) -> None:
    choose(listening, "cubic")
    unpace(listening)
    assert algorithm(listening) == "cubic"


def test_unix_socket_has_none() -> None:
    one, other = socket.socketpair()
    with one, other:
        unpace(one)


@pytest.mark.parametrize(
    ("asked", "expected"), [("0-", UNPACED), ("0-99999", PACED)], ids=["film", "small part"]
)
async def test_film_is_not_paced_wherever_it_is_mounted(
    listening: socket.socket, asked: str, expected: str
) -> None:
    """What is small is sent at once either way, and is not looked at."""
    seen: list[str] = []

    @web.middleware
    async def look(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        assert request.transport is not None
        seen.append(algorithm(request.transport.get_extra_info("socket")))
        return response

    settings = streamproxy.Settings.parse(allow_network="127.0.0.0/8")
    app = web.Application(middlewares=[look])
    app.add_subapp("/video", streamproxy.create_app(settings))
    async with AsyncExitStack() as stack:
        mounted = await serve(app, stack, listening=listening)
        upstream = await stack.enter_async_context(raw_upstream(Honest(content=FILM)))
        link = mounted.url("/video/stream", upstream.link())
        async with mounted.client.get(link, headers={"Range": f"bytes={asked}"}) as got:
            body = await got.read()
    assert body == (FILM if expected == UNPACED else FILM[:100_000])
    assert seen == [expected]
