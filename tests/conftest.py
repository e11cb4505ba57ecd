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


@pytest.fixture
async def start_proxy() -> AsyncIterator[StartProxy]:
    """Return a function that starts a proxy which may reach loopback."""
    async with AsyncExitStack() as stack:

        async def start(
            *,
            handler_cancellation: bool = False,
            app_options: dict[str, Any] | None = None,
            **settings: Any,
        ) -> Proxy:
            chosen = {"allow_network": "127.0.0.0/8", "read_timeout": 2, "connect_timeout": 2}
            app = create_app(Settings.parse(**(chosen | settings)), **(app_options or {}))
            return await serve(app, stack, handler_cancellation=handler_cancellation)

        yield start


@pytest.fixture
async def proxy(start_proxy: StartProxy) -> Proxy:
    """Return a proxy with the defaults, but for the network and the timeouts."""
    return await start_proxy()
