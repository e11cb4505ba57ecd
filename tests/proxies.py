"""A proxy that runs inside a test, and a client for it."""

import socket
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from aiohttp import ClientResponse, ClientSession, web


@dataclass
class Proxy:
    """A running proxy, and a client for it."""

    port: int
    client: ClientSession
    responses: list[ClientResponse] = field(default_factory=list)

    def url(self, route: str, link: str | None = None) -> str:
        """Return the URL of a route, with *link* as its url parameter."""
        query = "" if link is None else f"?url={quote(link, safe='')}"
        return f"http://127.0.0.1:{self.port}{route}{query}"

    async def stream(
        self, link: str, byte_range: str | None = None, **fields: str
    ) -> ClientResponse:
        """GET /stream for *link*; the response is not yet read."""
        if byte_range is not None:
            fields["Range"] = f"bytes={byte_range}"
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        response = await self.client.get(self.url("/stream", link), headers=headers)
        self.responses.append(response)
        return response

    def close(self) -> None:
        """Close the responses that a test did not read to their end."""
        for response in self.responses:
            response.close()

    async def validate(self, link: str) -> dict[str, Any]:
        """Return the answer of /api/validate for *link*."""
        async with self.client.get(self.url("/api/validate", link)) as response:
            assert response.status == 200
            answer: dict[str, Any] = await response.json()
            return answer


StartProxy = Callable[..., Awaitable[Proxy]]


async def serve(
    app: web.Application,
    stack: AsyncExitStack,
    *,
    handler_cancellation: bool = False,
    listening: socket.socket | None = None,
) -> Proxy:
    """Run an application until *stack* unwinds, on a socket that listens or one of its own."""
    runner = web.AppRunner(
        app,
        handler_cancellation=handler_cancellation,
        access_log=None,
        max_line_size=2**17,
        max_field_size=2**16,
        shutdown_timeout=0.1,
    )
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    listening = listening or socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, listening).start()
    client = await stack.enter_async_context(ClientSession(auto_decompress=False))
    proxy = Proxy(listening.getsockname()[1], client)
    stack.callback(proxy.close)
    return proxy


async def code_of(proxy: Proxy, link: str, byte_range: str | None = None) -> tuple[int, str]:
    """Return status and code of the problem that /stream answers with."""
    got = await proxy.stream(link, byte_range)
    problem = await got.json(content_type="application/problem+json")
    assert set(problem) == {
        *("type", "title", "status", "detail", "code", "hint", "upstream_status", "retryable"),
        "request_id",
    }
    assert problem["status"] == got.status
    return got.status, problem["code"]


async def read_stream(proxy: Proxy, link: str) -> bytes:
    """Read all that /stream sends of *link*; an error, or a cut, raises."""
    got = await proxy.stream(link)
    got.raise_for_status()
    return await got.read()
