"""GET /metrics: what is counted, as Prometheus reads it."""

import asyncio

from aiohttp import web

from streamproxy.access.owner import comes_from_owner, may_read_metrics
from streamproxy.errors import NotInstalled, OwnerOnly
from streamproxy.keys import IDENTITY, METRICS, SETTINGS, STREAMS

# Version 0.0.4, which everything that reads metrics understands.
_FIELDS = {
    "Content-Type": "text/plain; version=0.0.4; charset=utf-8",
    "Cache-Control": "no-store",
}


async def metrics(request: web.Request) -> web.Response:
    """Answer with all counts; of all workers, where they share them."""
    shared = request.config_dict
    settings = shared[SETTINGS]
    if not (
        may_read_metrics(request, settings)
        or comes_from_owner(request, request.get(IDENTITY), settings)
    ):
        raise OwnerOnly("Metrics are for the owner, this machine, and who has metrics_token.")
    if METRICS not in shared:
        if settings.metrics:
            raise NotInstalled("Metrics need an extra: pip install 'streamproxy[metrics]'.")
        raise web.HTTPNotFound
    shared[METRICS].look_at(shared[STREAMS])
    # In a thread: the files of many workers take their time.
    text = await asyncio.to_thread(shared[METRICS].render)
    return web.Response(body=text, headers=_FIELDS)
