"""What aiohttp's errors stand for, as far as no server of the other tests provokes them."""

import asyncio

import pytest
from aiohttp import (
    ClientConnectionResetError,
    ClientError,
    ClientPayloadError,
    ServerDisconnectedError,
    ServerTimeoutError,
)

from streamproxy.errors import ProxyError, ReadTimeout, UpstreamCut, UpstreamProtocol
from streamproxy.upstream.failures import translate


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ClientConnectionResetError("The connection was closed."), UpstreamCut),
        (ServerDisconnectedError(), UpstreamCut),
        (ServerTimeoutError(), ReadTimeout),
        (ClientPayloadError(), UpstreamProtocol),
    ],
)
def test_error_is_said_in_our_words(
    error: ClientError | asyncio.TimeoutError, expected: type[ProxyError]
) -> None:
    assert type(translate(error)) is expected
