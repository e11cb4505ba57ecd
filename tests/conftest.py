"""Fixtures that all server tests share."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from proxies import Proxy, StartProxy, serve

from streamproxy import Settings, create_app


@pytest.fixture(params=[False, True], ids=["no-cancellation", "cancellation"])
def handler_cancellation(request: pytest.FixtureRequest) -> bool:
    """Both modes of aiohttp: whether it cancels the handler of a client that left."""
    mode: bool = request.param
    return mode


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what is about networks that fail both ways: bytes copied, and spliced."""
    if "resilience" in metafunc.definition.path.parts and "splice" in metafunc.fixturenames:
        metafunc.parametrize("splice", [False, True], ids=["copy", "splice"], indirect=True)


@pytest.fixture
def splice(request: pytest.FixtureRequest) -> bool:
    """Whether the proxies of a test may move bytes within the kernel."""
    mode: bool = getattr(request, "param", True)
    return mode


@pytest.fixture
async def start_proxy(splice: bool) -> AsyncIterator[StartProxy]:
    """Return a function that starts a proxy which may reach loopback."""
    async with AsyncExitStack() as stack:

        async def start(
            *,
            handler_cancellation: bool = False,
            app_options: dict[str, Any] | None = None,
            **settings: Any,
        ) -> Proxy:
            chosen: dict[str, Any] = {"allow_network": "127.0.0.0/8", "splice": splice}
            chosen |= {"read_timeout": 2, "connect_timeout": 2}
            app = create_app(Settings.parse(**(chosen | settings)), **(app_options or {}))
            return await serve(app, stack, handler_cancellation=handler_cancellation)

        yield start


@pytest.fixture
async def proxy(start_proxy: StartProxy) -> Proxy:
    """Return a proxy with the defaults, but for the network and the timeouts."""
    return await start_proxy()
