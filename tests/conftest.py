"""Fixtures that all server tests share."""

import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import trustme
from proxies import Proxy, StartProxy, serve
from upstreams import secured

from streamproxy import Settings, create_app
from streamproxy.targets.policy import TargetPolicy
from streamproxy.upstream.connector import open_session


@pytest.fixture(params=[False, True], ids=["no-cancellation", "cancellation"])
def handler_cancellation(request: pytest.FixtureRequest) -> bool:
    """Both modes of aiohttp: whether it cancels the handler of a client that left."""
    mode: bool = request.param
    return mode


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what is about networks that fail in every way that bytes are relayed."""
    if "resilience" in metafunc.definition.path.parts and "way" in metafunc.fixturenames:
        metafunc.parametrize("way", ["copy", "splice", "tls"], indirect=True)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Return who has signed the certificates of the upstreams."""
    return trustme.CA()


@pytest.fixture
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """How the proxies of a test relay: bytes are copied, spliced, or come over TLS."""
    name: str = getattr(request, "param", "splice")
    if name != "tls":
        yield name
        return
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    request.getfixturevalue("authority").issue_cert("127.0.0.1").configure_cert(context)
    with secured(context):
        yield name


@pytest.fixture
async def start_proxy(way: str, authority: trustme.CA) -> AsyncIterator[StartProxy]:
    """Return a function that starts a proxy which may reach loopback."""
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with AsyncExitStack() as stack:

        async def start(
            *,
            handler_cancellation: bool = False,
            app_options: dict[str, Any] | None = None,
            **settings: Any,
        ) -> Proxy:
            chosen: dict[str, Any] = {"allow_network": "127.0.0.0/8", "splice": way != "copy"}
            # Longer than any machine stands still; a test that waits for them gives its own.
            chosen |= {"read_timeout": 30, "connect_timeout": 20}
            made = Settings.parse(**(chosen | settings))
            options = dict(app_options or {})
            if way == "tls":
                policy = TargetPolicy.from_settings(made)
                session = open_session(made, policy, tls=trusting)
                options["session"] = await stack.enter_async_context(session)
            app = create_app(made, **options)
            return await serve(app, stack, handler_cancellation=handler_cancellation)

        yield start


@pytest.fixture
async def proxy(start_proxy: StartProxy) -> Proxy:
    """Return a proxy with the defaults, but for the network and the timeouts."""
    return await start_proxy()
