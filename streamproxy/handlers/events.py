"""GET /api/sessions/events: what runs, each second, as server-sent events."""

import asyncio
import json
from importlib.util import find_spec

from aiohttp import web

from streamproxy.errors import NotInstalled
from streamproxy.handlers.sessions import check_owner, overview
from streamproxy.keys import STREAMS

# Seconds between two events.
_INTERVAL = 1.0
# Seconds for which a watcher may take nothing.
_SEND_TIMEOUT = 10.0


def is_live() -> bool:
    """Tell whether what sends events is installed."""
    return find_spec("aiohttp_sse") is not None


async def events(request: web.Request) -> web.StreamResponse:
    """Send what /api/sessions answers, until the watcher leaves or the server stops."""
    check_owner(request)
    if not is_live():
        raise NotInstalled("Live events need an extra: pip install 'streamproxy[admin]'.")
    from aiohttp_sse import sse_response  # noqa: PLC0415  # an optional extra

    streams = request.config_dict[STREAMS]
    async with sse_response(request, send_timeout=_SEND_TIMEOUT) as response:
        try:
            while response.is_connected() and not streams.is_draining:
                await response.send(json.dumps(await overview(request)))
                await asyncio.sleep(_INTERVAL)
        except (ConnectionError, TimeoutError):
            pass  # the watcher has left, or sleeps
    return response
