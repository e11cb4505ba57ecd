"""GET /ready: whether to send new streams here, which /health does not say for all reasons."""

import asyncio

from aiohttp import web

from streamproxy.keys import CHECKS, STREAMS, Check

# Seconds; the rate store answers within one, or does not.
_TIMEOUT = 2.0


async def ready(request: web.Request) -> web.Response:
    """Answer 200 while all that a stream needs is there, else 503 with what is not."""
    shared = request.config_dict
    reasons = ["draining"] if shared[STREAMS].is_draining else []
    checks = shared[CHECKS]
    found = await asyncio.gather(*(_ask(check) for check in checks))
    reasons += dict.fromkeys(reason for reason in found if reason is not None)
    answer = {"status": "not_ready" if reasons else "ready", "reasons": reasons}
    status = 503 if reasons else 200
    return web.json_response(answer, status=status, headers={"Cache-Control": "no-store"})


async def _ask(check: Check) -> str | None:
    try:
        async with asyncio.timeout(_TIMEOUT):
            return await check()
    except TimeoutError:
        return "timeout"
